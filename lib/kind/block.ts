// What a caller holds: a Buffer over a piece of a kind's memory, which knows in private fields which piece. `free`
// needs no look-up, nobody can forge or change a handle, and a freed block knows that it is.
import { Buffer } from 'node:buffer';
import type { Block } from './brands.ts';
import { cachedUnitsOf, magazineAt } from './codes.ts';

// Node's own FastBuffer: a Uint8Array with Buffer's prototype, whose constructor costs no more than Uint8Array's.
export const FastBuffer = (
	Buffer as unknown as { [Symbol.species]: new (...args: BufferArguments) => NonSharedBuffer }
)[Symbol.species];
type BufferArguments = [buffer: ArrayBuffer, byteOffset: number, length: number];

/** The cache of blocks that are not popped and pushed: every fast path ends up on the slow one. */
export const noCache = new Int32Array(0);
const noBytes = new Uint8Array(0);

/** The offset of a block that is not one any more. */
const freed = -1;

/** What sort of block it is: how it is looked at, changed, and given back. A sort may be one block's own. */
export interface Sort {
	/** Of a block that its Buffer has not freed: false if another thread, or another Buffer, has. */
	isLive(block: BlockBuffer): boolean;
	/** Throws if the block cannot be used, although it is there. */
	checkUsable(block: BlockBuffer): void;
	/** Ends the block, and gives its memory back. */
	free(block: BlockBuffer): void;
	/** How many bytes it could hold. */
	usableSize(block: BlockBuffer): number;
	/** What it holds, at most so many bytes of it; also when its ArrayBuffer has been transferred. */
	bytesOf(block: BlockBuffer, most: number): Uint8Array;
	/** Gives it another length where it is, as another Buffer; undefined if that cannot be. */
	resize(block: BlockBuffer, size: number): BlockBuffer | undefined;
	/** The same for less than it has, when there is no memory to move it. */
	shrink(block: BlockBuffer, size: number): BlockBuffer | undefined;
	/** A block of this sort in its place, of another size; a status if there is no memory. */
	replace(size: number, caller: Caller): BlockBuffer | number;
	/** Moves it to a slab that is as full or fuller; undefined if there is none. */
	moveBetter(block: BlockBuffer): BlockBuffer | undefined;
	/** Has all threads know it. Its length, its place in bytes, and its generation. */
	reference(block: BlockBuffer): { length: number; offset: number; generation: number };
}

/** The method that a block is allocated by: its callers are remembered in debug mode. */
export type Caller = (...args: never[]) => unknown;

/** What a block is a view of, and what it has in common with others of its sort and code in the same segment. */
export class Backing {
	/** The Kind. */
	readonly owner: object;
	readonly sort: Sort;
	readonly buffer: ArrayBuffer;
	/** All of a segment: of length 0 once that has been transferred, which costs less to see than elsewhere. */
	readonly bytes: Uint8Array;
	/** The thread cache that blocks go back to, as long as its magazine is for their code. */
	cache: Int32Array;
	/** Which segment of the region. */
	readonly segment: number;
	/** The size class, or the length in units (see thread_cache.h). */
	readonly code: number;
	/** For the cache: where the magazine begins, and what a block adds to the units. */
	readonly magazine: number;
	readonly units: number;

	constructor(
		owner: object,
		sort: Sort,
		buffer: ArrayBuffer,
		segment: number,
		code: number,
		bytes: Uint8Array = noBytes,
		cache: Int32Array = noCache,
	) {
		this.owner = owner;
		this.sort = sort;
		this.buffer = buffer;
		this.bytes = bytes;
		this.cache = cache;
		this.segment = segment;
		this.code = code;
		this.magazine = magazineAt(code);
		this.units = cache === noCache ? 0 : cachedUnitsOf(code);
	}
}

/**
 * A block of a kind. `subarray`, `slice`, `map` and `filter` of one give ordinary Buffers without a handle, and `free`
 * refuses those.
 */
export class BlockBuffer extends (Uint8Array as unknown as new (...args: BufferArguments) => Block) {
	#backing: Backing;
	/** Where it begins in its segment, in bytes. */
	#offset: number;

	constructor(backing: Backing, byteOffset: number, length: number) {
		super(backing.buffer, byteOffset, length);
		this.#backing = backing;
		this.#offset = byteOffset;
	}

	static get [Symbol.species](): typeof FastBuffer {
		return FastBuffer;
	}

	/** A block whose ArrayBuffer does not begin where its segment does, at `offset` of that. */
	static at(backing: Backing, offset: number, byteOffset: number, length: number): BlockBuffer {
		const block = new BlockBuffer(backing, byteOffset, length);
		block.#offset = offset;
		return block;
	}

	/**
	 * Makes the block one of another backing, whose sort has the generation that `give` gives it: a native call that is the last
	 * step of an operation.
	 */
	static refer(block: BlockBuffer, backing: Backing, sort: { generation: number }, give: () => number): void {
		const generation = give();
		sort.generation = generation;
		block.#backing = backing;
	}

	/** As `end`, by giving the block's memory back to its heap: written out, because it is what most blocks end by. */
	static giveBack(
		block: BlockBuffer,
		heap: { giveBack(code: number, segment: number, offset: number): number },
	): number {
		const offset = block.#offset;
		block.#offset = freed;
		try {
			const status = heap.giveBack(block.#backing.code, block.#backing.segment, offset);
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
	static end(block: BlockBuffer, end: () => number): number {
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
	static release(block: BlockBuffer): void {
		block.#offset = freed;
	}

	static isBlock(value: unknown): value is BlockBuffer {
		return typeof value === 'object' && value !== null && #backing in value;
	}
	static isFreed(block: BlockBuffer): boolean {
		return block.#offset === freed;
	}
	static backingOf(block: BlockBuffer): Backing {
		return block.#backing;
	}
	/** Negative if it has been freed. */
	static offsetOf(block: BlockBuffer): number {
		return block.#offset;
	}
}

// What FastBuffer would do, without its constructor, which V8 would have to inline.
Object.setPrototypeOf(BlockBuffer.prototype, Buffer.prototype);
// As in Node's own Buffers; and nobody reaches the statics above through a block.
Object.defineProperty(BlockBuffer.prototype, 'constructor', { value: Buffer, writable: true, configurable: true });
