// Whether a kind that has been full and drained holds as much the next time. The shapes are those of memkind's tests.
import { randomNumbers } from './sequence.mjs';

/** memkind's small size classes, each once. */
const smallSizes = [
	...[8, 16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896, 1024, 1280],
	...[1536, 1792, 2048, 2560, 3072, 3584, 4096, 5120, 6144, 7168, 8192, 10240, 12288, 14336],
];
/** Blocks of its fragmentation benchmark. */
const longSizes = [8519680, 4325376, 8519680, 4325376, 8519680, 4325376, 8519680, 4325376, 432517, 608478];
const evictions = 20_000;

/** Fills a kind with one size, or with 36 in turn where `size` is 0, and drains it; the bytes that each round held. */
export function refill({ tryMalloc, free, capacity }, { size, live: rounds }) {
	const sizes = size === 0 ? smallSizes : [size];
	const filled = [];
	for (let round = 0; round < rounds; round++) {
		const blocks = [];
		let requested = 0;
		for (;;) {
			const wanted = sizes[blocks.length % sizes.length];
			const block = tryMalloc(wanted);
			if (block === undefined) break;
			blocks.push(block);
			requested += wanted;
		}
		filled.push(requested / capacity);
		for (const block of blocks) free(block);
	}
	return { filled };
}

/** Long blocks; where there is no memory, one of the older half goes. What the kind held, on average and at least. */
export function evict({ tryMalloc, free, capacity }, { seed }) {
	const next = randomNumbers(seed);
	const blocks = [];
	let held = 0;
	let sum = 0;
	let least = 1;
	for (let i = 0; i < evictions; i++) {
		const size = longSizes[next() % longSizes.length];
		let block = tryMalloc(size);
		while (block === undefined) {
			const [evicted] = blocks.splice(next() % Math.floor(blocks.length / 2), 1);
			held -= evicted.length;
			free(evicted);
			block = tryMalloc(size);
		}
		blocks.push(block);
		held += size;
		// The first tenth fills the kind.
		if (i < evictions / 10) continue;
		sum += held / capacity;
		least = Math.min(least, held / capacity);
	}
	for (const block of blocks) free(block);
	return { mean: sum / (evictions - evictions / 10), least };
}
