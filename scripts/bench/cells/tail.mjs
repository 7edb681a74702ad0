// How long the slowest of millions of mallocs and frees take: live blocks of random sizes, one replaced after the other,
// and each call timed by itself. memkind/tail.c does the same.
import { newHistogram, record } from './histogram.mjs';
import { randomBlocks } from './patterns.mjs';

const { hrtime } = process;
const { imul } = Math;

/**
 * Nanoseconds, modulo 2 ** 32: a small integer, which needs no object. A reading takes 50 ns, where performance.now() and
 * hrtime.bigint() take 60 to 70. V8 mostly, but not always, does without the array (seen with --trace-gc): 32 bytes each
 * are then a scavenge of 0.3 ms in 25,000 operations, too rare for p99.9 to see.
 */
function now() {
	const time = hrtime();
	return (imul(time[0], 1e9) + time[1]) | 0;
}

/** Between two readings; more than 2 ** 31 ns are not told apart. */
function between(from, to) {
	const took = (to - from) | 0;
	return took < 0 ? 2 ** 31 - 1 : took;
}

/** `replace(operations)` gives histograms of what that many calls of each took, and of a reading of the clock. */
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
				// What the clock itself takes, and what the machine does to any piece of code, at the same time.
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
