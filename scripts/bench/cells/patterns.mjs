// The timed patterns. Each gives a function that makes so many operations; an operation is a malloc and a free.
import { randomNumbers, sizeTable } from './sequence.mjs';

function pair({ malloc, free }, { size }) {
	return {
		run(operations) {
			for (let i = 0; i < operations; i++) free(malloc(size));
		},
		end() {},
	};
}

/** The same as pair, with a function that may fail. */
function attempt({ tryMalloc, free }, { size }) {
	return pair({ malloc: tryMalloc, free }, { size });
}

function hold({ malloc, free, newList }, { size, live }) {
	const blocks = newList(live);
	for (let i = 0; i < live; i++) blocks[i] = malloc(size);
	let oldest = 0;
	return {
		run(operations) {
			for (let i = 0; i < operations; i++) {
				free(blocks[oldest]);
				blocks[oldest] = malloc(size);
				oldest = oldest + 1 === live ? 0 : oldest + 1;
			}
		},
		end() {
			for (const block of blocks) free(block);
		},
	};
}

/** Live blocks of random sizes. The next size is `sizes[at]`, and `next` gives random numbers. */
export function randomBlocks({ malloc, newList }, { live, seed }) {
	const next = randomNumbers(seed);
	const sizes = sizeTable(next);
	const blocks = newList(live);
	for (let i = 0; i < live; i++) blocks[i] = malloc(sizes[i & 0xffff]);
	return { next, sizes, blocks, at: live & 0xffff };
}

function random(allocator, cell) {
	const { malloc, free } = allocator;
	const { live } = cell;
	const { next, sizes, blocks, ...start } = randomBlocks(allocator, cell);
	let { at } = start;
	return {
		run(operations) {
			for (let i = 0; i < operations; i++) {
				const slot = next() % live;
				free(blocks[slot]);
				blocks[slot] = malloc(sizes[at++ & 0xffff]);
				// The counter has to stay a small integer, however long this runs.
				at &= 0xffff;
			}
		},
		end() {
			for (const block of blocks) free(block);
		},
	};
}

export const patterns = { pair, try: attempt, hold, random };
