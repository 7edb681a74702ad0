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

function hold({ malloc, free }, { size, live }) {
	const blocks = Array.from({ length: live }, () => malloc(size));
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

function random({ malloc, free }, { live, seed }) {
	const next = randomNumbers(seed);
	const sizes = sizeTable(next);
	let at = 0;
	const blocks = Array.from({ length: live }, () => malloc(sizes[at++ & 0xffff]));
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

export const patterns = { pair, hold, random };
