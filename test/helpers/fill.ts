// Fills a kind up to its first failure. memkind's tests measure in this way what a kind holds.
import type { Block, Kind } from 'daxkind';
import { KIB, MIB } from '#lib/size.js';

/** memkind's tests use kinds that are one page larger than the smallest. Such a size is rounded up to 18 MiB. */
export const partSize = 16 * MIB + 4 * KIB;
/** memkind's small size classes, each once. */
export const smallSizes = [
	...[8, 16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640],
	...[768, 896, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584, 4096, 5120, 6144, 7168, 8192],
	...[10 * KIB, 12 * KIB, 14 * KIB],
];

/** Allocates the sizes in turn until there is no memory. `each` is called with every block when it is allocated. */
export function fill(kind: Kind, sizes: number | readonly number[], each?: (block: Block, index: number) => void) {
	const cycle = typeof sizes === 'number' ? [sizes] : sizes;
	const blocks: Block[] = [];
	for (;;) {
		const block = kind.tryMalloc(cycle[blocks.length % cycle.length]!);
		if (block === undefined) return blocks;
		each?.(block, blocks.length);
		blocks.push(block);
	}
}

/** Does the same with raw handles, where so many Buffers would take too much memory. */
export function fillRaw(kind: Kind, size: number): Float64Array {
	const handles = new Float64Array(Math.ceil(kind.capacity / size));
	let count = 0;
	for (let handle = kind.tryMallocRaw(size); handle !== 0; handle = kind.tryMallocRaw(size)) handles[count++] = handle;
	return handles.subarray(0, count);
}

/** Frees blocks in the order in which they were allocated. */
export function freeAll(kind: Kind, blocks: readonly Block[]): void {
	for (const block of blocks) kind.free(block);
}
