// How long the slowest of millions of mallocs and frees take. Live blocks of random sizes are replaced one after the
// other, and each call is timed by itself. memkind/tail.c does the same.
import { newHistogram, record } from './histogram.mjs';
import { randomBlocks } from './patterns.mjs';

const { hrtime } = process;
const { imul } = Math;

/**
 * Nanoseconds modulo 2 ** 32, as a small integer, which needs no object. A reading takes 50 ns; performance.now() and
 * hrtime.bigint() take 60 to 70 ns. In most runs V8 makes no object for the array. In some it does (seen with
 * --trace-gc). 32 bytes for each reading then cost a scavenge of 0.3 ms in 25,000 operations, which is too rare to
 * change p99.9.
 */
export function now() {
	const time = hrtime();
	return (imul(time[0], 1e9) + time[1]) | 0;
}

/** The time between two readings. Times from 2 ** 31 ns on cannot be told apart. */
export function between(from, to) {
	const took = (to - from) | 0;
	return took < 0 ? 2 ** 31 - 1 : took;
}

/**
 * `replace(operations)` makes that many calls of malloc and of free. It returns histograms of their times, and of the
 * times of reading the clock.
 */
export function tail(allocator, cell) {
	const { malloc, free } = allocator;
	const { live } = cell;
	const { next, sizes, blocks, ...start } = randomBlocks(allocator, cell);
	let { at } = start;
	return {
		replace(operations) {
			const took = { malloc: newHistogram(), free: newHistogram(), clock: newHistogram() };
			for (let i = 0; i < operations; i++) {
				const slot = next() % live;
				const size = sizes[at++ & 0xffff];
				at &= 0xffff;
				const old = blocks[slot];
				const start = now();
				free(old);
				const freed = now();
				const block = malloc(size);
				const allocated = now();
				// This measures the clock itself, and what the machine does to any piece of code at the same time.
				const end = now();
				blocks[slot] = block;
				record(took.free, between(start, freed));
				record(took.malloc, between(freed, allocated));
				record(took.clock, between(allocated, end));
			}
			return took;
		},
		end() {
			for (const block of blocks) free(block);
		},
	};
}
