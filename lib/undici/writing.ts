// The stream into which undici writes the body of a response that it stores.
import { Writable } from 'node:stream';

/** A response that is being stored. */
export interface Target {
	/** The stream of the cache, which has the head already. It copies what it is given at once. */
	draft: Writable;
	/** The longest body. */
	most: number;
	/** Whether the draft is an entry. */
	isThere(): boolean;
	/** Called once when it is. */
	published(): void;
	/** Called with an error of the draft. */
	failed(error: Error): void;
}

/**
 * A stream that becomes a response in the cache when it has been ended. If the body is too long, or the cache has no
 * room, it destroys itself without an error, because undici then goes on without it. If it is destroyed before its end,
 * nothing has happened.
 */
export function writeBody({ draft, most, isThere, published, failed }: Target): Writable {
	let written = 0;
	const stream = new Writable({
		write(chunk: Buffer, _encoding, callback) {
			written += chunk.length;
			if (written > most) this.destroy();
			else draft.write(chunk);
			callback();
		},
		final(callback) {
			let isPublished = false;
			const publish = () => {
				if (isPublished) return;
				isPublished = true;
				try {
					published();
				} catch (error) {
					failed(error as Error);
				}
			};
			draft.end(() => {
				// It is called after an error, too. Then the stream has been destroyed, or will be at once.
				if (!draft.writableFinished) return;
				publish();
				callback();
			});
			// The draft has done its work, but says so in a later turn. Who asks for the response now should find it.
			if (isThere()) publish();
		},
		destroy(error, callback) {
			draft.destroy();
			callback(error);
		},
	});
	draft.on('error', (error) => {
		failed(error);
		stream.destroy();
	});
	return stream;
}
