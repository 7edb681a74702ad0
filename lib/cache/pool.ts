// Memory for the copies that `get` makes. Short values share an ArrayBuffer, as Node's small Buffers do, and no part of
// it is used twice. So a copy is safe for ever, and costs no ArrayBuffer of its own. Nobody may transfer such an
// ArrayBuffer to another thread, because that would take the memory from all other copies in it, as with Node's pool.
import { markAsUntransferable } from 'node:worker_threads';

/**
 * The first ArrayBuffer is as long as that of Node's pool, and each further one is twice as long. An ArrayBuffer stays
 * as long as one copy in it does, so whoever makes few copies shall not keep much by one of them. With 256 KiB the
 * ArrayBuffer of a copy of 1 KiB costs 90 ns, with 64 KiB 120 ns, with 8 KiB 160 ns.
 */
const leastSize = 8192;
const mostSize = 262_144;
/** Less than this is left over. */
const leastRoom = 4096;

function makeMemory(size: number): NonSharedBuffer {
	const memory = Buffer.allocUnsafeSlow(size);
	markAsUntransferable(memory.buffer);
	return memory;
}

export class Pool {
	memory: NonSharedBuffer = makeMemory(leastSize);
	/** The whole of `memory`. Getting it from there takes as long as half of making a Buffer. */
	buffer: ArrayBuffer = this.memory.buffer;
	/** Where the next copy goes, a multiple of 8. */
	at = 0;
	#size = leastSize;

	/** Makes room for a copy of that many bytes. Without a number, a longer one than fits gets memory of its own. */
	prepare(room = leastRoom): void {
		// Its length is 0 if it has been transferred all the same: a byte stream of Node before 24 does not see the mark.
		if (this.at > this.memory.length - room) this.#renew(room);
	}

	/** Takes the bytes that have been written at `at`. */
	take(length: number): number {
		const { at } = this;
		// A copy that was too long for a pool has all of it, and may have more bytes than & takes.
		this.at = length > mostSize ? this.memory.length : at + ((length + 7) & ~7);
		return at;
	}

	#renew(room: number): void {
		this.#size = Math.min(mostSize, this.#size * 2);
		this.memory = makeMemory(Math.max(this.#size, room));
		this.buffer = this.memory.buffer;
		this.at = 0;
	}
}
