// Finds the end of a command's output in a stream that has no end: the guest's ports stay open until the machine stops.
// So the guest ends each stream with a trailer that only this run knows.
import { Transform, type TransformCallback } from 'node:stream';

/**
 * Passes bytes on at once, up to the trailer, and ends there. It holds back only bytes that may be the start of the
 * trailer.
 */
export class TrailerFilter extends Transform {
	readonly #trailer: Buffer;
	#held: Buffer = Buffer.alloc(0);
	/** Whether the trailer came: everything before it has been passed on. */
	complete = false;

	constructor(trailer: string) {
		super();
		this.#trailer = Buffer.from(trailer);
	}

	override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
		if (!this.complete) this.#pass(chunk);
		done();
	}

	#pass(chunk: Buffer): void {
		const bytes = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk;
		const at = bytes.indexOf(this.#trailer);
		if (at >= 0) {
			this.complete = true;
			this.#held = Buffer.alloc(0);
			if (at > 0) this.push(bytes.subarray(0, at));
			this.push(null);
			return;
		}
		const keep = this.#possibleBeginning(bytes);
		this.#held = Buffer.from(bytes.subarray(bytes.length - keep));
		if (bytes.length > keep) this.push(bytes.subarray(0, bytes.length - keep));
	}

	override _flush(done: TransformCallback): void {
		if (!this.complete && this.#held.length > 0) this.push(this.#held);
		done();
	}

	/** The length of the longest end of `bytes` that is also a beginning of the trailer. */
	#possibleBeginning(bytes: Buffer): number {
		for (let n = Math.min(this.#trailer.length - 1, bytes.length); n > 0; n--) {
			if (bytes.subarray(bytes.length - n).equals(this.#trailer.subarray(0, n))) return n;
		}
		return 0;
	}
}
