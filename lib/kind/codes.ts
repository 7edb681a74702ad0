// The codes of blocks. A code says which class or length a block has, and which magazine of the thread cache it goes to
// (native/heap/thread_cache.h).
import { native } from '../native.ts';

const { classOfQuantum, sizeQuantum, maxSlabSize, runCode, runMagazines, unitsShift, magazineShift, leastUnitShift } =
	native.kindLayout;

// Taken once, because a script may replace them later.
const { ceil, floor, log2 } = Math;

const quantumShift = log2(sizeQuantum);
const quantumMask = sizeQuantum - 1;
const runMask = runMagazines - 1;
const unitsSpan = 2 ** unitsShift;
const leastUnitMask = 2 ** leastUnitShift - 1;

/** How many magazines there are. */
export const magazines = unitsSpan;
const codeMask = magazines - 1;

/** The size class for `size` bytes: more than 0, at most `maxSlabSize`. */
export function classFor(size: number): number {
	return classOfQuantum[(size + quantumMask) >> quantumShift]!;
}

/**
 * The code of a run of `size` bytes, a small integer, in a kind whose units are 2 ** `growth` times the shortest.
 * Nearly all kinds have a growth of 0. Their shift by a constant is a tenth faster than one by a variable.
 */
export function smallRunCode(size: number, growth: number): number {
	let units = (size + leastUnitMask) >>> leastUnitShift;
	if (growth !== 0) units = ((units - 1) >> growth) + 1;
	return (units << unitsShift) | (units & runMask) | runCode;
}

/** The code of a run of that many units, if the code is a small integer. */
export function smallRunCodeOf(units: number): number {
	return (units << unitsShift) | (units & runMask) | runCode;
}

/** The code of a run of any length in units. */
export function runCodeOf(units: number): number {
	return units * unitsSpan + runCode + (units % runMagazines);
}

/** The length of a block in units; 0 for a block of a class. */
export function unitsOf(code: number): number {
	return floor(code / unitsSpan);
}

/** The code of a block of `size` bytes, more than 0, in a kind whose units have `unitSize` bytes. */
export function codeFor(size: number, unitSize: number): number {
	return size <= maxSlabSize ? classFor(size) : runCodeOf(ceil(size / unitSize));
}

/** The number of the magazine for blocks of a code. */
export function magazineOf(code: number): number {
	return code & codeMask;
}

/** The first word of that magazine. */
export function magazineAt(code: number): number {
	return (code & codeMask) << magazineShift;
}

/**
 * How many cached units a block counts for: a run counts for its length, which is a small integer; a block of a class
 * for none.
 */
export function cachedUnitsOf(code: number): number {
	return code > runCode ? code >> unitsShift : 0;
}

/** The code of an empty block: it has no memory and no magazine. */
export const emptyCode = runCode;
