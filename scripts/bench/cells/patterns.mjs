// The timed patterns: each gives a function that does so many operations, one of them a malloc and a free.
import { randomNumbers, sizeTable } from './sequence.mjs';

function pair({ malloc, free }, { size }) {
	return {
		run(operations) {
			for (let i = 0; i < operations; i++) free(malloc(size));
		},
		end() {},
	};
}

/** As pair, by a function that may fail. */
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

function random({ malloc, free, newList }, { live, seed }) {
	const next = randomNumbers(seed);
	const sizes = sizeTable(next);
	let at = 0;
	const blocks = newList(live);
	for (let i = 0; i < live; i++) blocks[i] = malloc(sizes[at++ & 0xffff]);
	return {
		run(operations) {
			for (let i = 0; i < operations; i++) {
				const slot = next() % live;
				free(blocks[slot]);
				blocks[slot] = malloc(sizes[at++ & 0xffff]);
				// The counter stays a small integer however long it runs.
				at &= 0xffff;
			}
		},
		end() {
			for (const block of blocks) free(block);
		},
	};
}

export const patterns = { pair, try: attempt, hold, random };
