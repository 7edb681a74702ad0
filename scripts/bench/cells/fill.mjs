// How much of a kind can be used: the requested bytes of the live blocks, divided by the kind's capacity. It is
// measured each time that an allocation fails: after the first filling, and after each round that frees a random half
// and fills the kind again.
import { randomNumbers, sizeTable } from './sequence.mjs';

const refills = 10;

export function fill({ tryMalloc, free, capacity }, { seed }) {
	const next = randomNumbers(seed);
	const sizes = sizeTable(next);
	let at = 0;
	let blocks = [];
	let requested = 0;
	const fillUp = () => {
		for (;;) {
			const size = sizes[at++ & 0xffff];
			const block = tryMalloc(size);
			if (block === undefined) return requested / capacity;
			blocks.push(block);
			requested += size;
		}
	};
	const freeHalf = () => {
		blocks = blocks.filter((block) => {
			if ((next() & 0x10000) !== 0) return true;
			requested -= block.length;
			free(block);
			return false;
		});
	};
	const filled = [fillUp()];
	while (filled.length <= refills) {
		freeHalf();
		filled.push(fillUp());
	}
	for (const block of blocks) free(block);
	return { filled };
}
