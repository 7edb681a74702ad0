// What a caller holds: a Buffer over a piece of a kind's memory, which knows in private fields which piece. `free`
// needs no look-up, nobody can forge or change a handle, and a freed block knows that it is.
import { Buffer } from 'node:buffer';
import { native } from '../native.ts';

const { runCode, unitsShift, magazineShift, magazineCode, cachedUnitsWord, cachedUnitsLimitWord } = native.kindLayout;
const magazineMask = 2 ** unitsShift - 1;

// Node's own FastBuffer: a Uint8Array with Buffer's prototype, whose constructor costs no more than Uint8Array's.
const FastBuffer = (Buffer as unknown as { [Symbol.species]: new (...args: BufferArguments) => Buffer })[
	Symbol.species
];
type BufferArguments = [buffer: ArrayBuffer, byteOffset: number, length: number];

/** The offset of a block that is not one any more. */
const freed = -1;

/** Index of the magazine's first word in the thread cache, for the blocks of a code. */
export function magazineOf(code: number): number {
	return (code & magazineMask) << magazineShift;
}

/**
 * A block of a kind. `subarray`, `slice`, `map` and `filter` of one give ordinary Buffers without a handle, and `free`
 * refuses those.
 */
export class Block extends FastBuffer {
	/** The thread cache of the kind that it came from, in the thread that took it: says whose it is. */
	#cache: Int32Array;
	/** Its size class, or its length in units (see thread_cache.h). */
	#code: number;
	#segment: number;
	#offset: number;

	constructor(
		buffer: ArrayBuffer,
		byteOffset: number,
		length: number,
		cache: Int32Array,
		code: number,
		segment: number,
	) {
		super(buffer, byteOffset, length);
		this.#cache = cache;
		this.#code = code;
		this.#segment = segment;
		this.#offset = byteOffset;
	}

	static get [Symbol.species](): typeof FastBuffer {
		return FastBuffer;
	}

	/** Puts a block into its magazine; false if there is no room, or if anything about it is not as it should be. */
	static push(block: unknown, cache: Int32Array): boolean {
		if (typeof block !== 'object' || block === null || !(#cache in block)) return false;
		const offset = block.#offset;
		if (block.#cache !== cache || offset < 0) return false;
		const code = block.#code;
		const magazine = (code & magazineMask) << magazineShift;
		const top = cache[magazine]! + 2;
		if (top > cache[magazine + 1]! || cache[magazine + magazineCode] !== code) return false;
		if (code > runCode) {
			const cached = cache[cachedUnitsWord]! + (code >> unitsShift);
			if (cached > cache[cachedUnitsLimitWord]!) return false;
			cache[cachedUnitsWord] = cached;
		}
		cache[magazine + top] = block.#segment;
		cache[magazine + top + 1] = offset;
		cache[magazine] = top;
		block.#offset = freed;
		return true;
	}

	/** Says where in its segment a block is, for one whose ArrayBuffer does not begin where the segment does. */
	static place(block: Block, offset: number): Block {
		block.#offset = offset;
		return block;
	}

	/** Takes the handle out of a block: it is none from now on. */
	static release(block: Block): void {
		block.#offset = freed;
	}

	static isBlock(value: unknown): value is Block {
		return typeof value === 'object' && value !== null && #cache in value;
	}
	static isFreed(block: Block): boolean {
		return block.#offset === freed;
	}
	static cacheOf(block: Block): Int32Array {
		return block.#cache;
	}
	static codeOf(block: Block): number {
		return block.#code;
	}
	static segmentOf(block: Block): number {
		return block.#segment;
	}
	static offsetOf(block: Block): number {
		return block.#offset;
	}
}

// As in Node's own Buffers; and nobody reaches the statics above through a block.
Object.defineProperty(Block.prototype, 'constructor', { value: Buffer, writable: true, configurable: true });
