// What a caller holds: a Buffer over a piece of a kind's memory, which knows in private fields which piece. `free`
// needs no look-up, nobody can forge or change a handle, and a freed block knows that it is.
import { Buffer } from 'node:buffer';
import type { Kind } from './kind.ts';
import { push, type ThreadHeap } from './thread-heap.ts';

// Node's own FastBuffer: a Uint8Array with Buffer's prototype, whose constructor costs no more than Uint8Array's.
export const FastBuffer = (Buffer as unknown as { [Symbol.species]: new (...args: BufferArguments) => Buffer })[
	Symbol.species
];
type BufferArguments = [buffer: ArrayBuffer, byteOffset: number, length: number];

/** What a segment of no thread cache has, and a closed kind: every fast path ends up on the slow one. */
export const noCache = new Int32Array(0);
const noBytes = new Uint8Array(0);

/** The offset of a block that is not one any more. */
const freed = -1;

/** What a block has to itself; see {@link Segment}. */
type Own = Pick<Segment, 'generation' | 'isOwn' | 'isCollected' | 'zone'>;

const shared: Own = { generation: 0, isOwn: false, isCollected: false, zone: 0 };

/**
 * The ArrayBuffer that a block is a view of, with all that its blocks have in common. Most blocks share one of a segment
 * of the region; a block that is not to be popped and pushed like others has its own, with {@link noCache} for a cache.
 */
export class Segment {
	readonly kind: Kind;
	readonly buffer: ArrayBuffer;
	/** All of it, where it is shared: of length 0 once it has been transferred, which costs less to see than elsewhere. */
	readonly bytes: Uint8Array;
	/** The thread cache that blocks go back to. */
	readonly cache: Int32Array;
	/** Which segment of the region. */
	readonly index: number;
	/** Of a block that other threads may free as well, or the garbage collector: see native/heap/references.h. Else 0. */
	generation: number;
	/** Whether the ArrayBuffer is the block's alone. */
	readonly isOwn: boolean;
	/** Whether the garbage collector frees it. */
	readonly isCollected: boolean;
	/** How many bytes before the Buffer the block begins: a red zone of debug mode. */
	readonly zone: number;

	constructor(kind: Kind, buffer: ArrayBuffer, cache: Int32Array, index: number, own: Own = shared) {
		this.kind = kind;
		this.buffer = buffer;
		this.bytes = cache === noCache ? noBytes : new Uint8Array(buffer);
		this.cache = cache;
		this.index = index;
		this.generation = own.generation;
		this.isOwn = own.isOwn;
		this.isCollected = own.isCollected;
		this.zone = own.zone;
	}
}

/**
 * A block of a kind. `subarray`, `slice`, `map` and `filter` of one give ordinary Buffers without a handle, and `free`
 * refuses those.
 */
export class Block extends FastBuffer {
	#segment: Segment;
	/** Its size class, or its length in units (see thread_cache.h). */
	#code: number;
	/** Where it begins in its segment, in bytes. */
	#offset: number;

	constructor(segment: Segment, byteOffset: number, length: number, code: number) {
		super(segment.buffer, byteOffset, length);
		this.#segment = segment;
		this.#code = code;
		this.#offset = byteOffset;
	}

	static get [Symbol.species](): typeof FastBuffer {
		return FastBuffer;
	}

	/** Puts a block into its magazine; false if there is no room, or if anything about it is not as it should be. */
	static push(block: unknown, cache: Int32Array): boolean {
		if (typeof block !== 'object' || block === null || !(#segment in block)) return false;
		const segment = block.#segment;
		const offset = block.#offset;
		if (segment.cache !== cache || offset < 0) return false;
		if (!push(cache, block.#code, segment.index, offset)) return false;
		block.#offset = freed;
		return true;
	}

	/** A block whose ArrayBuffer does not begin where its segment does, at `offset` of that. */
	static at(segment: Segment, offset: number, byteOffset: number, length: number, code: number): Block {
		const block = new Block(segment, byteOffset, length, code);
		block.#offset = offset;
		return block;
	}

	/** Makes the block one of another segment object; its place is the same. */
	static move(block: Block, segment: Segment): void {
		block.#segment = segment;
	}

	/**
	 * Makes the block one of another segment object, with the generation that `give` gives it: a native call that is the last step
	 * of an operation.
	 */
	static refer(block: Block, segment: Segment, give: () => number): void {
		const generation = give();
		segment.generation = generation;
		block.#segment = segment;
	}

	/** As `end`, by giving the block's memory back to its heap: written out, because it is what most blocks end by. */
	static giveBack(block: Block, heap: ThreadHeap): number {
		const offset = block.#offset;
		block.#offset = freed;
		try {
			const status = heap.giveBack(block.#code, block.#segment.index, offset);
			if (status !== 0) block.#offset = offset;
			return status;
		} catch (error) {
			block.#offset = offset;
			throw error;
		}
	}

	/**
	 * Ends a block by `end`, a native call that is the last step of an operation and gives 0 when it has been done. If it gives
	 * something else, or throws, nothing has changed, and the block is one as before. The handle is taken out first, so that what
	 * comes in between (a script that node:vm terminates) loses a block at worst, and never leaves one whose memory is another's.
	 */
	static end(block: Block, end: () => number): number {
		const offset = block.#offset;
		block.#offset = freed;
		try {
			const status = end();
			if (status !== 0) block.#offset = offset;
			return status;
		} catch (error) {
			block.#offset = offset;
			throw error;
		}
	}

	/** Takes the handle out of a block: it is none from now on. */
	static release(block: Block): void {
		block.#offset = freed;
	}

	static isBlock(value: unknown): value is Block {
		return typeof value === 'object' && value !== null && #segment in value;
	}
	static isFreed(block: Block): boolean {
		return block.#offset === freed;
	}
	static segmentOf(block: Block): Segment {
		return block.#segment;
	}
	static codeOf(block: Block): number {
		return block.#code;
	}
	static offsetOf(block: Block): number {
		return block.#offset;
	}
}

// As in Node's own Buffers; and nobody reaches the statics above through a block.
Object.defineProperty(Block.prototype, 'constructor', { value: Buffer, writable: true, configurable: true });
