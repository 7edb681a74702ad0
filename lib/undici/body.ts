// The body of a stored response, as undici reads it.
import type { Readable } from 'node:stream';
import type { PmemCacheLease } from '../cache/index.ts';
import { native } from '../native.ts';

/** A body that is not longer is copied at once. */
const shortBody = 65_536;

/**
 * The body that begins at `start`. It ends the lease, now or when it has been read. undefined if a page of a short one is
 * lost.
 *
 * A short one is an array of one Buffer and not a Buffer, because undici takes the values of a Buffer, which are numbers,
 * for chunks. A long one is a stream, so that only a part of it is in DRAM at any time. undici does not always say that
 * it will not read a body: a response that is too old, for example, it just drops. Then the stream is garbage, and its
 * lease ends by that.
 */
export function bodyOf(lease: PmemCacheLease, start: number): Buffer[] | Readable | undefined {
	const bytes = lease.value!.subarray(start);
	if (bytes.length > shortBody) return lease.createReadStream({ start });
	const copy = Buffer.from(bytes);
	const isLost = native.isLost(bytes);
	lease.dispose();
	if (isLost) return undefined;
	return copy.length === 0 ? [] : [copy];
}
