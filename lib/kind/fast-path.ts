// malloc and free without a native call: a free block is taken out of this thread's cache, or put into it. This file
// alone reads and writes the words of the thread cache, by the protocol of native/heap/thread_cache.h.
//
// An entry of the cache is known by the index of its first word. A function that changes words calls nothing after its
// first store. So it is done wholly or, when the stack is at its end, not at all. `malloc` and `free` are written out:
// V8 inlines 920 bytes of bytecode into a loop that calls them, and functions for their parts are more than that.
import { invalidThis } from '../errors.ts';
import { native } from '../native.ts';
import type { KindArray } from './arrays.ts';
import { type Backing, BlockBuffer, type Caller } from './block.ts';
import type { Block } from './brands.ts';
import * as codes from './codes.ts';

const {
	maxSlabSize,
	runCode,
	unitsShift,
	magazineShift,
	magazineLimit,
	magazineCode,
	byNumber,
	cachedUnitsWord,
	cachedUnitsLimitWord,
	resultSegmentWord,
	resultOffsetWord,
	resultPendingWord,
	failedClassesWord,
	failedUnitsWord,
	pressureWord,
} = native.kindLayout;

// V8 knows the values of this module's constants, but looks at an import each time. That would be a tenth of malloc and
// free.
const { classFor, smallRunCode, unitsOf } = codes;
const { isBlock, backingOf, offsetOf, release } = BlockBuffer;

/** The first word of a magazine is its top: the index of its newest entry, counted from the magazine's first word. */
const codeMask = codes.magazines - 1;
const topMask = 2 ** magazineShift - 1;
/** Words of an entry. */
const entryWords = 2;

/**
 * The index into a table that has an element for each segment, from -1 on, and magazine. `malloc` has this written out.
 */
export function tableIndex(segment: number, magazine: number): number {
	return (segment + 1) * codes.magazines + magazine;
}

/**
 * The newest entry in the magazine of a code; 0 if it is empty. Runs of several lengths share a magazine, so the entry
 * may be of another code: `isFor` tells.
 */
export function newest(cache: Int32Array, code: number): number {
	const magazine = (code & codeMask) << magazineShift;
	const top = cache[magazine]!;
	return top > 0 ? magazine + top : 0;
}

/** Whether the magazine of a code is now for blocks of that code. */
export function isFor(cache: Int32Array, code: number): boolean {
	return cache[((code & codeMask) << magazineShift) + magazineCode] === code;
}

/** Whether the cache has a block of the code. */
export function has(cache: Int32Array, code: number): boolean {
	return newest(cache, code) > 0 && isFor(cache, code);
}

/**
 * The entry that was put into its magazine before this one. After the oldest entry this is a word that is no entry, and
 * that `numberAt` does not take for a number.
 */
export function before(entry: number): number {
	return entry - entryWords;
}

/** Whether the newest block of a code has that entry and lies at that place. */
export function isNewest(cache: Int32Array, code: number, entry: number, segment: number, offset: number): boolean {
	return newest(cache, code) === entry && isFor(cache, code) && cache[entry] === segment && cache[entry + 1] === offset;
}

/** The segment of the block of an entry. -1 if the entry has the number of the block's place instead. */
export function segmentAt(cache: Int32Array, entry: number): number {
	return cache[entry]!;
}

/** Where in its segment the block begins. */
export function offsetAt(cache: Int32Array, entry: number): number {
	return cache[entry + 1]!;
}

/** The number of the block's place (native/heap/places.h). -1 if the entry has a segment and an offset instead. */
export function numberAt(cache: Int32Array, entry: number): number {
	return cache[entry] === byNumber ? cache[entry + 1]! : -1;
}

/** Writes into an entry where its block is. */
export function setPlace(cache: Int32Array, entry: number, segment: number, offset: number): void {
	cache[entry] = segment;
	cache[entry + 1] = offset;
}

/** Takes the newest entry out of the magazine of a class. */
export function popSlot(cache: Int32Array, entry: number): void {
	cache[entry & ~topMask] = (entry & topMask) - entryWords;
}

/** Takes the newest entry out of the magazine of a code. */
export function pop(cache: Int32Array, entry: number, code: number): void {
	popSlot(cache, entry);
	if (code > runCode) cache[cachedUnitsWord]! -= code >> unitsShift;
}

/** Puts a block into the magazine of its code. False if the magazine is for another code, or is full. */
export function push(cache: Int32Array, code: number, segment: number, offset: number): boolean {
	const magazine = (code & codeMask) << magazineShift;
	const top = cache[magazine]! + entryWords;
	if (!(top <= cache[magazine + magazineLimit]!) || cache[magazine + magazineCode] !== code) return false;
	if (code > runCode) {
		const cached = cache[cachedUnitsWord]! + (code >> unitsShift);
		if (cached > cache[cachedUnitsLimitWord]!) return false;
		cache[cachedUnitsWord] = cached;
	}
	cache[magazine + top] = segment;
	cache[magazine + top + 1] = offset;
	cache[magazine] = top;
	return true;
}

/**
 * Puts a block of a class into its magazine by the number of its place, a small integer. False if the magazine is full.
 */
export function pushNumber(cache: Int32Array, code: number, number: number): boolean {
	const first = code << magazineShift;
	const top = cache[first]! + entryWords;
	if (!(top <= cache[first + magazineLimit]!)) return false;
	cache[first + top] = byNumber;
	cache[first + top + 1] = number;
	cache[first] = top;
	return true;
}

/** Whether the cache takes blocks of a code at all. */
export function isCacheable(cache: Int32Array, code: number): boolean {
	if (code >= runCode) return unitsOf(code) <= cache[cachedUnitsLimitWord]! / 2;
	return cache[(code << magazineShift) + magazineLimit]! > 0;
}

/**
 * Whether an allocation of such a code has failed because there was no memory, and no memory has come back since.
 *
 * @param segmentUnits The length of a segment.
 */
export function isKnownToFail(cache: Int32Array, code: number, segmentUnits: number): boolean {
	if (code < runCode) return (cache[failedClassesWord + (code >> 5)]! & (1 << (code & 31))) !== 0;
	// A run that is longer than a failed one fails, too. But a run that is longer than a segment may cross the borders
	// of segments, and others may not.
	const units = unitsOf(code);
	const failed = cache[failedUnitsWord]!;
	return units >= failed && (units <= segmentUnits || failed > segmentUnits);
}

/** The segment of the block that a native call has found. The block belongs to the heap until `takeResult`. */
export function resultSegment(cache: Int32Array): number {
	return cache[resultSegmentWord]!;
}
/** Where that block begins in its segment. */
export function resultOffset(cache: Int32Array): number {
	return cache[resultOffsetWord]!;
}
/** Whether that block is at that place, and still belongs to the heap. */
export function isResult(cache: Int32Array, segment: number, offset: number): boolean {
	return cache[resultPendingWord] === 1 && cache[resultSegmentWord] === segment && cache[resultOffsetWord] === offset;
}

/** Takes that block. The heap does not free it any more. */
export function takeResult(cache: Int32Array): void {
	cache[resultPendingWord] = 0;
}

/** Whether as much is in use as was said to kindWatch. */
export function isPressed(cache: Int32Array): boolean {
	return cache[pressureWord] !== 0;
}
/** Says that the pressure has been noticed. */
export function clearPressure(cache: Int32Array): void {
	cache[pressureWord] = 0;
}

/** The cache of a closed kind. It has no blocks. */
const nothing = new Int32Array(0);

/** The slow half of `malloc` and `free`. */
export interface SlowPath {
	malloc(size: number, caller: Caller): BlockBuffer;
	free(value: unknown): void;
}

/** The memory and the tables that an allocator works on. */
export interface Connection {
	/** The thread cache, or an empty one. */
	cache: Int32Array;
	/** The backings of the Buffers of cached blocks: see backings.ts. */
	backings: (Backing | undefined)[];
	/** log2 of the ratio between the kind's unit and the shortest unit of any kind. */
	unitGrowth: number;
}

/** Connects an allocator with its cache. This is done once. */
export let connect: (allocator: object, slow: SlowPath, connection: Connection) => void;
/** Takes the cache away, so that every call takes the slow path. Returns a function that gives it back. */
export let disconnect: (allocator: object) => () => void;
/** Whether the allocator has its cache. */
export let isConnected: (allocator: object) => boolean;
/** The cache that the allocator works on. */
export let cacheOf: (allocator: object) => Int32Array;
/** Whether the value is an allocator. */
export let isAllocator: (value: unknown) => boolean;

/** The malloc and free of every kind. kind.ts documents them. */
export abstract class Allocator {
	#cache: Int32Array = nothing;
	#backings: (Backing | undefined)[] = [];
	#unitGrowth = 0;
	#slow!: SlowPath;

	static {
		connect = (object, slow, { cache, backings, unitGrowth }) => {
			const allocator = object as Allocator;
			allocator.#slow = slow;
			allocator.#unitGrowth = unitGrowth;
			allocator.#backings = backings;
			allocator.#cache = cache;
		};
		disconnect = (object) => {
			const allocator = object as Allocator;
			const [cache, backings] = [allocator.#cache, allocator.#backings];
			allocator.#cache = nothing;
			allocator.#backings = [];
			return () => {
				allocator.#cache = cache;
				allocator.#backings = backings;
			};
		};
		isConnected = (allocator) => (allocator as Allocator).#cache !== nothing;
		cacheOf = (allocator) => (allocator as Allocator).#cache;
		isAllocator = (value) => typeof value === 'object' && value !== null && #cache in value;
	}

	malloc(size: number): Block {
		// Checking the receiver first would take longer, and the engine checks it anyway.
		let cache: Int32Array;
		try {
			cache = this.#cache;
		} catch {
			throw invalidThis('Kind');
		}
		// A size that is not a small integer, or not a number, takes the slow path, which checks it.
		if (typeof size === 'number' && size > 0 && (size | 0) === size) {
			const code = size <= maxSlabSize ? classFor(size) : smallRunCode(size, this.#unitGrowth);
			const magazine = (code & codeMask) << magazineShift;
			const top = cache[magazine]!;
			if (top > 0) {
				const entry = magazine + top;
				// There is a backing only where the magazine is for its code. There is none for an entry that has a
				// number.
				const backing = this.#backings[((cache[entry]! + 1) << unitsShift) | (code & codeMask)];
				// Its ArrayBuffer may have been transferred.
				if (backing !== undefined && backing.code === code && backing.bytes.length > 0) {
					const block = new BlockBuffer(backing, cache[entry + 1]!, size);
					cache[magazine] = top - entryWords;
					if (backing.units > 0) cache[cachedUnitsWord]! -= backing.units;
					return block;
				}
			}
		}
		return this.#slow.malloc(size, this.malloc);
	}

	free(block: Block | KindArray | null | undefined): void {
		let cache: Int32Array;
		try {
			cache = this.#cache;
		} catch {
			throw invalidThis('Kind');
		}
		if (!pushBlock(block, cache)) this.#slow.free(block);
	}
}

/**
 * Ends a block by putting it into its magazine. False if there is no room, or if anything about the block is not as it
 * should be. Nothing has changed then.
 */
export function pushBlock(block: unknown, cache: Int32Array): boolean {
	if (!isBlock(block)) return false;
	const backing = backingOf(block);
	const offset = offsetOf(block);
	// If a backing has the cache, the magazine is for the backing's code.
	if (backing.cache !== cache || offset < 0) return false;
	const { magazine, units } = backing;
	const top = cache[magazine]! + entryWords;
	if (!(top <= cache[magazine + magazineLimit]!)) return false;
	if (units > 0 && cache[cachedUnitsWord]! + units > cache[cachedUnitsLimitWord]!) return false;
	release(block);
	if (units > 0) cache[cachedUnitsWord]! += units;
	cache[magazine + top] = backing.segment;
	cache[magazine + top + 1] = offset;
	cache[magazine] = top;
	return true;
}
