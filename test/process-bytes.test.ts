import { describe, expect, test } from 'vitest';
import { originalArguments, withOriginalBytes } from '#lib/process-bytes.js';

describe('withOriginalBytes', () => {
	const initial = Buffer.concat([Buffer.from('A=\xff', 'latin1'), Buffer.from('\0B=plain\0C=\xfe\0=x=y\0', 'latin1')]);

	test('restores values that are not UTF-8 and have not been changed since', () => {
		const env = { A: '\ufffd', B: 'plain', C: 'changed', D: 'new' };
		expect(withOriginalBytes(env, initial)).toEqual({ ...env, A: Buffer.of(0xff) });
	});
});

describe('originalArguments', () => {
	const commandLine = Buffer.from('node\0main.js\0vm\0--\0cat\0\xff\0\0', 'latin1');

	test('takes the bytes of what is not UTF-8 from the end of the command line', () => {
		expect(originalArguments(['cat', '\ufffd', ''], commandLine)).toEqual(['cat', Buffer.of(0xff), '']);
	});

	test('keeps what it cannot find there', () => {
		expect(originalArguments(['other\ufffd'], commandLine)).toEqual(['other\ufffd']);
	});
});
