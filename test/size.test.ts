import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatSize, parseSize } from '#lib/size.js';

describe('parseSize', () => {
	test.each([
		['512M', 536870912],
		['4G', 4294967296],
		['1.5g', 1610612736],
		['64MiB', 67108864],
		['64mb', 67108864],
		[' 2 K ', 2048],
		['4096', 4096],
		['4096B', 4096],
		[4096, 4096],
	])('reads %j as %d bytes', (text, bytes) => {
		expect(parseSize(text)).toBe(bytes);
	});

	test.each(['', 'M', '12X', '-1M', '1e3M', '0', '0.3', '0x10', '1 2', Number.NaN, -1, 0.5, 2 ** 53])(
		'refuses %j',
		(text) => {
			expect(() => parseSize(text, 'memory')).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }));
			expect(() => parseSize(text, 'memory')).toThrow(/memory/);
		},
	);

	test('refuses what is neither number nor text', () => {
		expect(() => parseSize(null as never)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }));
	});

	test('reads back exactly what formatSize writes', () => {
		fc.assert(
			fc.property(fc.integer({ min: 1, max: 2 ** 50 }), (bytes) => {
				expect(parseSize(formatSize(bytes))).toBe(bytes);
			}),
		);
	});
});
