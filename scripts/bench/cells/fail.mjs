// A tryMalloc that fails, because the kind has no block of the size left and its limit is reached.
import { time } from './timing.mjs';

/** Large blocks are taken first, because a kind full of small Buffers would be gigabytes of V8's heap. */
const descending = [2 ** 24, 2 ** 20, 2 ** 16, 2 ** 12, 2 ** 8];

/** Takes all blocks of `size` bytes that a kind has. Returns the blocks. */
function takeAll({ tryMalloc, none }, size) {
	const blocks = [];
	for (const each of [...descending.filter((other) => other > size), size]) {
		for (;;) {
			const block = tryMalloc(each);
			if (block === none) break;
			blocks.push(block);
		}
	}
	return blocks;
}

export function fail(allocator, cell) {
	const { tryMalloc, free, none } = allocator;
	const { size } = cell;
	const blocks = takeAll(allocator, size);
	return time(
		{
			run(operations) {
				for (let i = 0; i < operations; i++) {
					if (tryMalloc(size) !== none) throw new Error('A full kind has found memory');
				}
			},
			end() {
				for (const block of blocks) free(block);
			},
		},
		cell,
	);
}
