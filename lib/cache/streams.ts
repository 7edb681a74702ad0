// Values as streams.
import { Readable, Writable } from 'node:stream';
import { daxkindError, invalidState } from '../errors.ts';
import { native } from '../native.ts';

/** How much a stream copies out of the cache at once: what a stream of node:fs reads. */
const chunkSize = 65_536;

/** What a stream needs of a lease. */
interface Leased {
	readonly value: NonSharedBuffer | undefined;
	dispose(): void;
}

/**
 * Whoever drops a stream does not destroy it, nor does a source that breaks off what it is piped to. So what the stream
 * has ends when the stream is garbage. It is registered itself, because a function made beside the stream would keep it.
 */
const dropped = new FinalizationRegistry<{ dispose(): void }>((owned) => owned.dispose());

/** Reads a leased value. The lease ends with the stream. */
export function readLease(lease: Leased, start: number): Readable {
	const length = lease.value!.length;
	let at = start;
	/** What has been read so far must not pass for the whole value, nor zeros for what was on a lost page. */
	const next = (): Buffer | null => {
		const { value } = lease;
		if (value?.length !== length)
			throw invalidState('the lease ended, or the cache was closed, before the stream was at its end');
		if (at >= length) return null;
		const part = value.subarray(at, at + chunkSize);
		// A copy, because nobody says when the receiver is done with a chunk.
		const chunk = Buffer.from(part);
		if (native.isLost(part)) {
			throw daxkindError('ERR_DAXKIND_MEDIA_ERROR', 'The medium has lost a page of the value that was being read');
		}
		at += chunkSize;
		return chunk;
	};
	const stream = new Readable({
		highWaterMark: chunkSize,
		read() {
			let chunk: Buffer | null;
			try {
				chunk = next();
			} catch (error) {
				this.destroy(error as Error);
				return;
			}
			this.push(chunk);
		},
		destroy(error, callback) {
			dropped.unregister(lease);
			lease.dispose();
			callback(error);
		},
	});
	dropped.register(stream, lease, lease);
	return stream;
}

/** A value that is being written. */
export interface Draft {
	/** Makes the first room for it. Nothing else is called before, nor if it throws. */
	begin(): void;
	/** Throws if there is no room. */
	append(bytes: Uint8Array): void;
	publish(): void;
	/** Abandons it, unless it has not begun, or is published. */
	dispose(): void;
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
	const stream = new Writable({
		decodeStrings: true,
		write: (chunk: Buffer, _encoding, callback) => attempt(() => draft.append(chunk), callback),
		final: (callback) => attempt(() => draft.publish(), callback),
		destroy(error, callback) {
			dropped.unregister(draft);
			draft.dispose();
			callback(error);
		},
	});
	dropped.register(stream, draft, draft);
	// Not by a `construct` of the stream: that would put the first write, and so the end, off to another turn.
	attempt(
		() => draft.begin(),
		(error) => {
			if (error) stream.destroy(error);
		},
	);
	return stream;
}
