// The statistics of a kind.
import { native } from '../native.ts';

/**
 * How full a kind is, in bytes. The numbers are exact at the time of the call as long as no other thread allocates or
 * frees. While one does, what its cache holds is read a moment before or after the rest.
 */
export interface KindStats {
	/** How much the kind can hold: for example `maxSize` rounded up to 2 MiB, or the size of the file system. */
	capacity: number;
	/** Storage that the kind's file occupies now, as the file system counts it. */
	resident: number;
	/** Storage that is reserved for the kind, so that a first touch cannot fail for lack of room. */
	committed: number;
	/** Memory in slabs and runs that hold at least one block. */
	active: number;
	/** Memory of the blocks that callers hold. Each block counts with its usable size. */
	allocated: number;
	/** How many blocks callers hold. Empty blocks are not counted. */
	blocks: number;
	/** Memory of free blocks in the thread caches, and in debug mode of freed blocks that are still watched. */
	cached: number;
	/** Memory that belongs to no slab and no run. */
	free: number;
	/** The longest piece of free memory. */
	largestFree: number;
	/** Memory that is out of use for good because pages of it were lost, for example on a bad block of the medium. */
	lost: number;
	/** The most that callers and thread caches have ever held together. */
	highWater: number;
}

/** The blocks of one size class. */
export interface SizeClass {
	/** The usable size of each block, in bytes. */
	size: number;
	slabs: number;
	/** Blocks that callers hold. */
	blocks: number;
	/** Their memory: `blocks * size`. */
	bytes: number;
	/** Free blocks in the thread caches, and in debug mode freed blocks that are still watched. */
	cached: number;
	/** Free blocks in the slabs. */
	free: number;
}

/** All blocks by size. */
export interface SizeClasses {
	/** The classes from 16 bytes to 8 KiB. Each of them has slabs of its own. */
	classes: SizeClass[];
	/** The longer blocks. Their usable sizes are multiples of 1 KiB, or of more in kinds above 1 TiB. */
	large: { blocks: number; bytes: number; cached: number };
}

/** The blocks that were not freed when the last thread let go of a kind. */
export interface LeakReport {
	blocks: number;
	/** The sum of their usable sizes. */
	bytes: number;
	/** By size class; `size` is 0 for all blocks above 8 KiB together. */
	classes: { size: number; blocks: number; bytes: number }[];
	/**
	 * In debug mode: where this thread allocated such blocks, the most bytes first. Blocks of other threads are
	 * missing.
	 */
	stacks?: { stack: string; blocks: number; bytes: number }[];
}

const { classSizes } = native.kindLayout;
const columns = 6;

/** Reads the table that kindClassUse returns. */
export function sizeClassesOf(table: Float64Array): SizeClasses {
	const row = (index: number) => {
		const [slabs = 0, slots = 0, blocks = 0, bytes = 0, cached = 0, cachedBytes = 0] = table.subarray(
			index * columns,
			(index + 1) * columns,
		);
		return { slabs, slots, blocks, bytes, cached, cachedBytes };
	};
	const { blocks, bytes, cached } = row(classSizes.length);
	return {
		classes: Array.from(classSizes, (size, index) => {
			const { slabs, slots, blocks, bytes, cached } = row(index);
			return { size, slabs, blocks, bytes, cached, free: slots - blocks - cached };
		}),
		large: { blocks, bytes, cached },
	};
}

/** The blocks that are still allocated. undefined if there are none. */
export function leaksOf({ classes, large }: SizeClasses): LeakReport | undefined {
	const leaks = [...classes, { size: 0, ...large }]
		.filter(({ blocks }) => blocks > 0)
		.map(({ size, blocks, bytes }) => ({ size, blocks, bytes }));
	if (leaks.length === 0) return undefined;
	const sum = (key: 'blocks' | 'bytes') => leaks.reduce((total, leak) => total + leak[key], 0);
	return { blocks: sum('blocks'), bytes: sum('bytes'), classes: leaks };
}
