// A block as its caller holds it: a Buffer over a piece of a kind's memory. Private fields of the Buffer say which
// piece. So `free` needs no look-up, nobody can forge or change a block, and a freed block knows that it is freed.
import { type BufferArguments, FastBuffer } from '../fast-buffer.ts';
import type { Block } from './brands.ts';
import { cachedUnitsOf, magazineAt } from './codes.ts';

/** The cache of blocks that do not take the fast path. It is empty, so each attempt ends on the slow path. */
export const noCache = new Int32Array(0);
const noBytes = new Uint8Array(0);

/** The offset of a block that has ended. */
const freed = -1;

/**
 * The sort of a block: how the block is looked at, changed, and given back. A Sort object may belong to one block
 * alone.
 */
export interface Sort {
	/** Asked of a block that its own Buffer has not freed. False if another thread, or another Buffer, has freed it. */
	isLive(block: BlockBuffer): boolean;
	/** Throws if the block cannot be used, although it has not been freed. */
	checkUsable(block: BlockBuffer): void;
	/** Ends the block, and gives its memory back. */
	free(block: BlockBuffer): void;
	/** How many bytes the block could hold. */
	usableSize(block: BlockBuffer): number;
	/** The content of the block, at most `most` bytes, also when its ArrayBuffer has been transferred. */
	bytesOf(block: BlockBuffer, most: number): Uint8Array;
	/** Gives the block another length at the same place, as another Buffer. undefined if that is not possible. */
	resize(block: BlockBuffer, size: number): BlockBuffer | undefined;
	/** The same for a shorter length, when there is no memory to move the block to. */
	shrink(block: BlockBuffer, size: number): BlockBuffer | undefined;
	/** Allocates a block of this sort that is to replace the old one. A status if there is no memory. */
	replace(size: number, caller: Caller): BlockBuffer | number;
	/** Moves the block to a slab that is as full or fuller. undefined if there is no such slab. */
	moveBetter(block: BlockBuffer): BlockBuffer | undefined;
	/** Makes the block known to all threads. Returns its length, its place in bytes, and its generation. */
	reference(block: BlockBuffer): { length: number; offset: number; generation: number };
}

/** The method that allocates a block. Debug mode remembers its callers. */
export type Caller = (...args: never[]) => unknown;

/**
 * The memory that a block is a view of, and what the block has in common with others of its sort and code in the same
 * segment.
 */
export class Backing {
	/** The Kind. */
	readonly owner: object;
	readonly sort: Sort;
	readonly buffer: ArrayBuffer;
	/**
	 * A view of the whole segment. Its length is 0 once the ArrayBuffer has been transferred. This is the cheapest way
	 * to see that.
	 */
	readonly bytes: Uint8Array;
	/** The thread cache that blocks go back to, as long as the magazine there is for their code. */
	cache: Int32Array;
	/** The number of the segment in the region. */
	readonly segment: number;
	/** The code of its blocks: their size class, or their length in units (see thread_cache.h). */
	readonly code: number;
	/** For the cache: where the magazine begins, and how many cached units a block counts for. */
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
 * A block of a kind. `subarray`, `slice`, `map` and `filter` of a block give ordinary Buffers, which have no private
 * fields: `free` refuses them.
 */
export class BlockBuffer extends (Uint8Array as unknown as new (...args: BufferArguments) => Block) {
	#backing: Backing;
	/** Where the block begins in its segment, in bytes. */
	#offset: number;

	constructor(backing: Backing, byteOffset: number, length: number) {
		super(backing.buffer, byteOffset, length);
		this.#backing = backing;
		this.#offset = byteOffset;
	}

	static get [Symbol.species](): typeof FastBuffer {
		return FastBuffer;
	}

	/** A block whose ArrayBuffer does not begin where its segment does. The block begins at `offset` of the segment. */
	static at(backing: Backing, offset: number, byteOffset: number, length: number): BlockBuffer {
		const block = new BlockBuffer(backing, byteOffset, length);
		block.#offset = offset;
		return block;
	}

	/**
	 * Gives the block another backing. `give` gives the sort of that backing its generation: it is a native call, and
	 * the last step of an operation.
	 */
	static refer(block: BlockBuffer, backing: Backing, sort: { generation: number }, give: () => number): void {
		const generation = give();
		sort.generation = generation;
		block.#backing = backing;
	}

	/**
	 * As `end`, where `end` gives the block's memory back to its heap. It is written out because most blocks end this
	 * way.
	 */
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
	 * Ends a block by `end`, a native call that is the last step of an operation. It returns 0 when it has been done.
	 * If it returns something else, or throws, nothing has changed, and the block is as before. The block's offset is
	 * overwritten first: a script that node:vm terminates in between loses a block at worst, and never leaves one whose
	 * memory belongs to another block.
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

	/** Ends a block without a native call: from now on it is freed. */
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
	/** Negative if the block has been freed. */
	static offsetOf(block: BlockBuffer): number {
		return block.#offset;
	}
}

// The same prototype as FastBuffer's, but without its constructor, which V8 would have to inline.
Object.setPrototypeOf(BlockBuffer.prototype, Buffer.prototype);
// As in Node's own Buffers. It also keeps everybody from reaching the static methods above through a block.
Object.defineProperty(BlockBuffer.prototype, 'constructor', { value: Buffer, writable: true, configurable: true });
