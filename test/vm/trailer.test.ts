import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TrailerFilter } from '#lib/vm/trailer.js';

/** Cuts bytes at the given places. */
function cut(bytes: Buffer, places: number[]): Buffer[] {
	const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
	return [...at, bytes.length].map((end, n) => bytes.subarray(at[n - 1] ?? 0, end)).filter((chunk) => chunk.length > 0);
}

test('passes everything before the trailer, however the stream is cut', async () => {
	// There are few different bytes, so that parts of the trailer occur in the data.
	const bytes = fc.array(fc.constantFrom('a', 'b'), { maxLength: 60 }).map((list) => list.join(''));
	await fc.assert(
		fc.asyncProperty(bytes, fc.array(fc.nat()), async (text, places) => {
			const trailer = 'abaabab\u0001';
			const filter = new TrailerFilter(trailer);
			const output = buffer(Readable.from(cut(Buffer.from(`${text}${trailer}`), places)).pipe(filter));
			expect((await output).toString()).toBe(text);
			expect(filter.complete).toBe(true);
		}),
	);
});

test('passes bytes on at once when they cannot begin the trailer', () => {
	const filter = new TrailerFilter('xyz');
	filter.write('progress 10 %\r');
	expect(String(filter.read())).toBe('progress 10 %\r');
});

test('passes what it held back, and says that the end is missing, when the stream breaks off', async () => {
	const filter = new TrailerFilter('xyz');
	filter.end('output xy');
	expect((await buffer(filter)).toString()).toBe('output xy');
	expect(filter.complete).toBe(false);
});
