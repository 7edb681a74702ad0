// The memory that the fast path of lib/kind shares with native/heap.

/**
 * The layout that the fast path of lib/kind shares with native/heap: tables, and indexes of words in the thread cache.
 */
export interface KindLayout {
	/** The size class of each multiple of `sizeQuantum` up to `maxSlabSize`. */
	classOfQuantum: Uint8Array;
	/** Bytes of a block of each size class. */
	classSizes: Uint32Array;
	sizeQuantum: number;
	/** Blocks above this many bytes are runs of units. */
	maxSlabSize: number;
	/** A smaller code is a size class. The code of a run of n units is n << unitsShift | runCode | n % runMagazines. */
	runCode: number;
	/**
	 * How many magazines the runs share. The low bits of a run's length select one. They follow the classes' magazines.
	 */
	runMagazines: number;
	/**
	 * The low `unitsShift` bits of a code are the number of the magazine. The bits above them are the length in units.
	 */
	unitsShift: number;
	/**
	 * log2 of a magazine's length in words. Its first word is the top. The newest block is at the words top (segment)
	 * and top + 1 (offset), the one before at top - 2. A top of 0 says that there is none. A magazine is all zeros
	 * until the first kindRefill or kindDrain for it.
	 */
	magazineShift: number;
	/** The word that has the largest value of top. */
	magazineLimit: number;
	/** The word that has the code whose blocks the magazine is for. */
	magazineCode: number;
	/** A segment of this number says that the next word is not an offset, but the number of the block's place. */
	byNumber: number;
	/** The word that has the units of all runs in the cache, and the word that has the most there may be. */
	cachedUnitsWord: number;
	cachedUnitsLimitWord: number;
	/** The words where kindAllocateRun puts the place of the block. */
	resultSegmentWord: number;
	resultOffsetWord: number;
	/**
	 * The word is 1 when a native call has put a block there. The block belongs to the heap until the caller sets the
	 * word to 0.
	 */
	resultPendingWord: number;
	/**
	 * The allocations that have failed for lack of memory since memory last came back: a bit for each class, in two
	 * words…
	 */
	failedClassesWord: number;
	/** …and the length in units from which on runs have failed. */
	failedUnitsWord: number;
	/** The word becomes 1 when as much is in use as was said to kindWatch. */
	pressureWord: number;
	/** Bytes of a segment. */
	segmentSize: number;
	/**
	 * The length of a chunk in bytes. The sizes of kinds are multiples of it. Storage comes and goes in chunks as a
	 * rule (native/heap/commit_map.h).
	 */
	chunkSize: number;
	/**
	 * Indexes of words in a slab's descriptor (native/heap/slab_allocator.h), and the length of a descriptor in words.
	 */
	slabStart: number;
	slabShape: number;
	slabFree: number;
	slabGroup: number;
	descriptorWords: number;
	/** log2 of the numbers of places that share an entry in `classes` and `slabs` (native/heap/places.h). */
	groupShift: number;
	/** These two say how a unit's number as a place is made: see native/heap/places.h. */
	spreadShift: number;
	lineShift: number;
	/** log2 of the shortest unit of runs, in bytes. */
	leastUnitShift: number;
	/** How many bits of a state are the generation of its handle. */
	rawGenerationBits: number;
	/** In the word `slabShape` the lowest bits are the class, and those above them the number of slots. */
	slabClassBits: number;
	slabSlotsBits: number;
	/** In the word `slabFree`, a number below `slabOwners`, from this bit on, says whose the slab is. */
	slabOwnerShift: number;
	slabOwners: number;
	/** This owner stands for several owners. Then each slot has its own. */
	manyOwners: number;
	/** The bit in the state of a place that says that its raw handle is out. */
	handleOut: number;
	/** For kindReference: who can reach the block. See native/heap/references.h. */
	referenceShared: number;
	referenceCollected: number;
	referenceGuarded: number;
	/** In an entry of the unit map (native/heap/run_allocator.h), the bits from this one on are the tag. */
	unitTagShift: number;
	largeTag: number;
	slabTag: number;
}
