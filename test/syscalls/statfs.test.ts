import { statfsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { native } from '#lib/native.js';
import { temporaryDirectory, tmpfs } from '../helpers/temporary-directory.ts';

test('statfs says of a file system what node:fs says', () => {
	const directory = temporaryDirectory();
	const expected = statfsSync(directory);
	expect(native.statfs(directory)).toMatchObject({
		type: expected.type >>> 0,
		blockSize: expected.bsize,
		blocks: expected.blocks,
		files: expected.files,
	});
});

test('the magic number of tmpfs is the constant of the kernel header', () => {
	expect(native.statfs(tmpfs).type).toBe(native.constants.TMPFS_MAGIC);
});

test('a missing path is ENOENT of statfs', () => {
	expect(() => native.statfs('/missing')).toThrow(
		expect.objectContaining({ code: 'ENOENT', syscall: 'statfs', path: '/missing' }),
	);
});
