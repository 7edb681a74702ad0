// The options that scripts share.
import { expect, test } from 'vitest';
import { parseSize as parseInLib } from '#lib/size.js';
import { parseSize, UsageError } from '../../scripts/arguments.mjs';

test.each(['16777216', '16m', '1.5G', '0.25 t', '1T', '64MiB', '64mb', '16777216b', ' 1g '])(
	'--size %j is what lib reads',
	(text) => {
		expect(parseSize(text)).toBe(parseInLib(text));
	},
);

test.each(['', 'm', '-1g', '1.5', '.5g', '1.g', '1e9', '0x10000000', '1p', '1g1g', '16777216.5', '1ib', '9999t'])(
	'--size %j is refused as in lib',
	(text) => {
		expect(() => parseInLib(text)).toThrow();
		expect(() => parseSize(text)).toThrow(UsageError);
	},
);

test('a kind of less than 16 MiB is refused', () => {
	expect(() => parseSize('15.9m')).toThrow('--size must be 16m or more, not 15.9m');
});
