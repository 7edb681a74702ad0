// The thread cache: free blocks that this thread takes and gives back without a native call. This file alone reads and
// writes its words, by the protocol of native/heap/thread_cache.h.
//
// An entry is known by the index of its first word. All is in short functions, which V8 inlines; a function that changes
// something calls nothing from its first store on, so that it is done wholly or, at the end of the stack, not at all.
import { native } from '../native.ts';
import { unitsOf } from './codes.ts';

const {
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

/** How many magazines there are. The first word of each is its top, which is the index of its newest entry in it. */
export const magazines = 2 ** unitsShift;
const codeMask = magazines - 1;
const topMask = 2 ** magazineShift - 1;
/** Words of an entry. */
const entryWords = 2;

/** The number of the magazine for blocks of a code. */
export function magazineOf(code: number): number {
	return code & codeMask;
}

/**
 * The newest entry in the magazine of a code; 0 if there is none. Runs of several lengths share a magazine: whoever does not
 * know for which it is asks `isFor`.
 */
export function newest(cache: Int32Array, code: number): number {
	const magazine = (code & codeMask) << magazineShift;
	const top = cache[magazine]!;
	return top > 0 ? magazine + top : 0;
}

/** Whether the magazine of a code is for blocks of that code. */
export function isFor(cache: Int32Array, code: number): boolean {
	return cache[((code & codeMask) << magazineShift) + magazineCode] === code;
}

/** Whether the cache has a block of the code. */
export function has(cache: Int32Array, code: number): boolean {
	return newest(cache, code) > 0 && isFor(cache, code);
}

/** In which segment the block of an entry is; -1 if it is left there by number. */
export function segmentAt(cache: Int32Array, entry: number): number {
	return cache[entry]!;
}

/** An index for tables that have an element for each segment, from -1 on, and magazine. */
export function indexAt(cache: Int32Array, entry: number, code: number): number {
	return ((cache[entry]! + 1) << unitsShift) | (code & codeMask);
}

/** Where in its segment. */
export function offsetAt(cache: Int32Array, entry: number): number {
	return cache[entry + 1]!;
}

/** The number of the block's place (native/heap/places.h); -1 if it is left there by segment and offset. */
export function numberAt(cache: Int32Array, entry: number): number {
	return cache[entry] === byNumber ? cache[entry + 1]! : -1;
}

/** Says where the block of an entry is. */
export function setPlace(cache: Int32Array, entry: number, segment: number, offset: number): void {
	cache[entry] = segment;
	cache[entry + 1] = offset;
}

/** Takes the newest entry out of the magazine of its class. */
export function pop(cache: Int32Array, entry: number): void {
	cache[entry & ~topMask] = (entry & topMask) - entryWords;
}

/** The same of a code, which may be a run's. */
export function drop(cache: Int32Array, entry: number, code: number): void {
	cache[entry & ~topMask] = (entry & topMask) - entryWords;
	if (code > runCode) cache[cachedUnitsWord]! -= code >> unitsShift;
}

/** Puts a block into its magazine, if that is for its code and has room. */
export function push(cache: Int32Array, code: number, segment: number, offset: number): boolean {
	if (code > runCode && !isFor(cache, code)) return false;
	return pushInto(cache, code & codeMask, code > runCode ? code >> unitsShift : 0, segment, offset);
}

/** The same of a magazine that is known to be for such blocks: runs of so many units, or blocks of a class, and 0. */
export function pushInto(cache: Int32Array, magazine: number, units: number, segment: number, offset: number): boolean {
	const first = magazine << magazineShift;
	const top = cache[first]! + entryWords;
	if (!(top <= cache[first + magazineLimit]!)) return false;
	if (units > 0) {
		const cached = cache[cachedUnitsWord]! + units;
		if (cached > cache[cachedUnitsLimitWord]!) return false;
		cache[cachedUnitsWord] = cached;
	}
	cache[first + top] = segment;
	cache[first + top + 1] = offset;
	cache[first] = top;
	return true;
}

/** Puts a block of a class into its magazine by the number of its place, a small integer, if there is room. */
export function pushNumber(cache: Int32Array, code: number, number: number): boolean {
	const first = code << magazineShift;
	const top = cache[first]! + entryWords;
	if (!(top <= cache[first + magazineLimit]!)) return false;
	cache[first + top] = byNumber;
	cache[first + top + 1] = number;
	cache[first] = top;
	return true;
}

/** Whether the cache will hold blocks of a code at all. */
export function isCacheable(cache: Int32Array, code: number): boolean {
	if (code >= runCode) return unitsOf(code) <= cache[cachedUnitsLimitWord]! / 2;
	return cache[(code << magazineShift) + magazineLimit]! > 0;
}

/**
 * Whether blocks of a code have failed for want of memory, and none has come back since.
 *
 * @param segmentUnits The length of a segment.
 */
export function isKnownToFail(cache: Int32Array, code: number, segmentUnits: number): boolean {
	if (code < runCode) return (cache[failedClassesWord + (code >> 5)]! & (1 << (code & 31))) !== 0;
	// A longer run fails, too; but one that is longer than a segment may cross the borders of segments, others not.
	const units = unitsOf(code);
	const failed = cache[failedUnitsWord]!;
	return units >= failed && (units <= segmentUnits || failed > segmentUnits);
}

/** Where a native call has put the block that it found. It is the heap's until `takeResult`. */
export function resultSegment(cache: Int32Array): number {
	return cache[resultSegmentWord]!;
}
export function resultOffset(cache: Int32Array): number {
	return cache[resultOffsetWord]!;
}
export function takeResult(cache: Int32Array): void {
	cache[resultPendingWord] = 0;
}

/** Whether as much is in use as kindWatch was told; and that this has been noticed. */
export function isPressed(cache: Int32Array): boolean {
	return cache[pressureWord] !== 0;
}
export function clearPressure(cache: Int32Array): void {
	cache[pressureWord] = 0;
}
