// The time of a major garbage collection while a kind full of 4 KiB blocks is live, and while nothing is.
import { gc } from '../../gc.mjs';

const blockSize = 4096;

/** Turns of filling and freeing, for each sample of the options. */
const turnsForSample = 2;
/** Collections of each side in one turn. */
const collected = 4;

/** Milliseconds of some collections. One more before them removes what has just become garbage. */
export function collections() {
	gc();
	return Array.from({ length: collected }, () => {
		const from = performance.now();
		gc();
		return performance.now() - from;
	});
}

/**
 * Both sides are measured in turn, because the same collection of the same heap takes up to 1.7 times as long from one
 * second to the next. The first turn does not count: it compiles the code that is in the heap in all later turns.
 */
export function collect({ malloc, free, newList, none }, { kindSize, samples }) {
	const count = Math.floor(kindSize / blockSize);
	const index = newList(count);
	const turns = Array.from({ length: 1 + turnsForSample * samples }, () => {
		const empty = collections();
		for (let i = 0; i < count; i++) index[i] = malloc(blockSize);
		const full = collections();
		for (const block of index) free(block);
		index.fill(none);
		return { empty, full };
	}).slice(1);
	return { turns, bytes: count * blockSize };
}
