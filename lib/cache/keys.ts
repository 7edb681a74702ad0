// Keys as native code lists them.
import { keySorts } from '../native/caches.ts';
import { native } from '../native.ts';

/** A key of a cache. */
export type PmemCacheKey = string | Uint8Array;

/** Bytes before each key in a list: its sort and its length. */
const headSize = 5;
const batchSize = 65_536;

/** The key that has those bytes. */
export function keyOf(sort: number, bytes: NonSharedBuffer, from = 0, to = bytes.length): string | NonSharedBuffer {
	if (sort === keySorts.latin1) return bytes.toString('latin1', from, to);
	if (sort === keySorts.utf16) return bytes.toString('utf16le', from, to);
	return Buffer.from(bytes.subarray(from, to));
}

/** A string for a Map that tells all keys apart. */
export function nameOfKey(key: PmemCacheKey): string {
	return typeof key === 'string'
		? `s${key}`
		: `b${Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1')}`;
}

/** Lists the fresh keys. A key that is there all the time is listed exactly once. */
export function* listKeys(id: number, checkOpen: () => void): Generator<string | NonSharedBuffer, undefined> {
	let batch = Buffer.allocUnsafe(batchSize);
	for (let cursor = 0; cursor >= 0; ) {
		checkOpen();
		const [next, written, wanted] = native.cacheList(id, cursor, batch)!;
		for (let at = 0; at < written; ) {
			const from = at + headSize;
			// Both processors that daxkind runs on have the low byte first.
			const length = batch.readUInt32LE(at + 1);
			yield keyOf(batch[at]!, batch, from, from + length);
			at = from + length;
		}
		if (wanted > 0) batch = Buffer.allocUnsafe(wanted);
		cursor = next;
	}
}
