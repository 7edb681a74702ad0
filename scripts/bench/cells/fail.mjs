// A tryMalloc that fails: the kind is full to the last block of the size, and its limit is reached.
import { time } from './timing.mjs';

/** Large blocks first: a kind full of small Buffers would be gigabytes of V8's heap. */
const descending = [2 ** 24, 2 ** 20, 2 ** 16, 2 ** 12, 2 ** 8];

/** Takes all that a kind has for blocks of `size` bytes; gives the blocks. */
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
