// The body of a stored response, as undici reads it.
import { Readable } from 'node:stream';
import type { PmemCacheLease } from '../cache/index.ts';
import { daxkindError } from '../errors.ts';
import { native } from '../native.ts';

/** A body that is not longer is copied at once. It is also how much of a longer one is copied at once. */
const chunkSize = 65_536;

/**
 * undici does not always say that it will not read a body: a response that is too old, for example, it just drops. So
 * the lease of a stream that is garbage ends here.
 */
const unread = new FinalizationRegistry<PmemCacheLease>((lease) => lease.dispose());

/** A copy. undefined if a page of the bytes is lost. */
function copyOf(bytes: Buffer): Buffer | undefined {
	const copy = Buffer.from(bytes);
	return native.isLost(bytes) ? undefined : copy;
}

/**
 * The body that begins at `from`. It ends the lease, now or when it has been read. undefined if a page of it is lost.
 *
 * A short one is an array of one Buffer and not a Buffer, because undici takes the values of a Buffer, which are numbers,
 * for chunks. A long one is a stream, so that only a part of it is in DRAM at any time.
 */
export function bodyOf(lease: PmemCacheLease, from: number): Buffer[] | Readable | undefined {
	const bytes = lease.value!.subarray(from);
	if (bytes.length > chunkSize) return streamOf(lease, from);
	const copy = copyOf(bytes);
	lease.dispose();
	return copy && (copy.length === 0 ? [] : [copy]);
}

function streamOf(lease: PmemCacheLease, from: number): Readable {
	let at = from;
	const stream = new Readable({
		highWaterMark: chunkSize,
		read() {
			const { value } = lease;
			// Somebody may have closed the cache, which ends its leases: then the Buffer is empty.
			if (value === undefined || value.length === 0) {
				this.destroy(daxkindError('ERR_DAXKIND_CACHE_GONE', 'The cache was closed while a response was read from it'));
				return;
			}
			if (at >= value.length) {
				this.push(null);
				return;
			}
			const chunk = copyOf(value.subarray(at, at + chunkSize));
			at += chunkSize;
			if (chunk !== undefined) this.push(chunk);
			else
				this.destroy(
					daxkindError('ERR_DAXKIND_MEDIA_ERROR', 'The medium has lost a page of a response that was being read'),
				);
		},
		destroy(error, callback) {
			unread.unregister(lease);
			lease.dispose();
			callback(error);
		},
	});
	unread.register(stream, lease, lease);
	return stream;
}
