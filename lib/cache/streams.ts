// Values as streams.
import { Readable, Writable } from 'node:stream';
import { invalidState } from '../errors.ts';
import type { PmemCacheLease } from './lease.ts';

/** How much a stream copies out of the cache at once: what a stream of node:fs reads. */
const chunkSize = 65_536;

/** Reads a leased value. The lease ends with the stream. */
export function readLease(lease: PmemCacheLease): Readable {
	const length = lease.value!.length;
	let at = 0;
	return new Readable({
		highWaterMark: chunkSize,
		read() {
			const { value } = lease;
			// What has been read so far must not pass for the whole value.
			if (value?.length !== length) {
				this.destroy(invalidState('the cache was closed before its stream was at its end'));
				return;
			}
			if (at >= length) {
				this.push(null);
				return;
			}
			// A copy, because nobody says when the receiver is done with a chunk.
			this.push(Buffer.from(value.subarray(at, at + chunkSize)));
			at += chunkSize;
		},
		destroy(error, callback) {
			lease.dispose();
			callback(error);
		},
	});
}

/** A value that is being written. */
export interface Draft {
	/** Throws if there is no room. */
	append(bytes: Uint8Array): void;
	publish(): void;
	abandon(): void;
}

/** Writes a draft, which becomes an entry when the stream has been ended. */
export function writeDraft(draft: Draft): Writable {
	const attempt = (action: () => void, callback: (error?: Error | null) => void) => {
		try {
			action();
		} catch (error) {
			callback(error as Error);
			return;
		}
		callback();
	};
	return new Writable({
		decodeStrings: true,
		write: (chunk: Buffer, _encoding, callback) => attempt(() => draft.append(chunk), callback),
		final: (callback) => attempt(() => draft.publish(), callback),
		destroy(error, callback) {
			draft.abandon();
			callback(error);
		},
	});
}
