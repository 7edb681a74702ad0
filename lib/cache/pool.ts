// Memory for the copies that `get` makes. Short values share an ArrayBuffer, as Node's small Buffers do, and no part of
// it is used twice. So a copy is safe for ever, and costs no ArrayBuffer of its own.

/** One ArrayBuffer of the pool costs less than a microsecond, and 64 copies of 1 KiB are in it. */
const poolSize = 65_536;
/** Less than this is left over. A longer value gets memory of its own if it does not fit into what is left. */
const leastRoom = 8192;

export class Pool {
	memory: NonSharedBuffer = Buffer.allocUnsafeSlow(poolSize);
	/** Where the next copy goes, a multiple of 8. */
	at = 0;

	/** Makes room for a copy. */
	prepare(): void {
		if (this.at <= poolSize - leastRoom) return;
		this.memory = Buffer.allocUnsafeSlow(poolSize);
		this.at = 0;
	}

	/** Takes the bytes that have been written at `at`. */
	take(length: number): number {
		const { at } = this;
		this.at = at + ((length + 7) & ~7);
		return at;
	}
}
