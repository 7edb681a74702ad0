// What a kind says of itself, in numbers.

/** What a kind holds and has; in bytes, exact at the time of the call. */
export interface KindStats {
	/** What the kind can hold: `maxSize` rounded up to 2 MiB, or the size of the file system. */
	capacity: number;
	/** Storage that the kind's file occupies now, as the file system counts it. */
	resident: number;
	/** Storage that is reserved for the kind, so that touching it cannot fail. */
	committed: number;
	/** Memory in slabs and runs that hold at least one block. */
	active: number;
	/** Memory of the blocks that callers hold, each counted with its usable size. */
	allocated: number;
	/** How many blocks callers hold; empty blocks are not counted. */
	blocks: number;
	/** Memory of free blocks in the thread caches. */
	cached: number;
	/** Memory that belongs to no slab and no run. */
	free: number;
	/** The longest piece of free memory. */
	largestFree: number;
}
