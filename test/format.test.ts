// Numbers as a person reads them.
import { expect, test } from 'vitest';
import { formatBytes } from '#lib/format.js';

test.each([
	[0, '0 B'],
	[1023, '1023 B'],
	[1024, '1 KiB'],
	[1536, '1.5 KiB'],
	[9.97 * 1024, '10 KiB'],
	[1023.4 * 1024, '1023 KiB'],
	[1_048_575, '1 MiB'],
	[1023.6 * 2 ** 20, '1 GiB'],
	[3.2 * 2 ** 20, '3.2 MiB'],
	[2 ** 50 - 1, '1024 TiB'],
	[3 * 2 ** 50, '3072 TiB'],
])('%d bytes are %s', (bytes, text) => {
	expect(formatBytes(bytes)).toBe(text);
});
