// The slow paths of kinds. The fast path is in lib/kind, on memory that both share: see layout.ts.
import type { NativeJob } from './job.ts';
import type { KindLayout } from './layout.ts';
import type { NativeLoss } from './losses.ts';

/** A thread's hold on a kind, as native code returns it. */
export interface KindHold {
	/**
	 * The number of the hold in this thread, for the calls below, until kindClose. It is never used again for another
	 * hold.
	 */
	id: number;
	/** The number of the kind in the whole process. It is never used again for another kind. */
	number: number;
	/** The number by which the heap knows which blocks are this thread's. */
	owner: number;
	/**
	 * This thread's cache of free blocks: the memory of an Int32Array, with the layout in native/heap/thread_cache.h.
	 */
	cache: ArrayBuffer;
	/** Bytes that the kind can hold. */
	capacity: number;
	/** log2 of the kind's unit, in bytes. Blocks that are too long for a slab have whole units. */
	unitShift: number;
	type: 'pmem' | 'fixed' | 'device' | 'node';
	path: string;
	/** MAP_SYNC. */
	sync: boolean;
	debug: boolean;
	/** STATX_ATTR_DAX of the kind's file. If that is not reported: true if MAP_SYNC is accepted, undefined if not. */
	dax: boolean | undefined;
	/**
	 * Of a node kind: the NUMA nodes that its memory is to come from, and the number of its policy as in
	 * NodeKindRequest.
	 */
	nodes: number[];
	policy: number;
	/** The device that the file is on, or that it is. */
	deviceMajor: number;
	deviceMinor: number;
}

/** The arguments of kindCreate. */
export type KindRequest = [
	directory: string,
	/** Bytes, a multiple of `chunkSize`; 0: the size of the file system. */
	maxSize: number,
	/** Give each whole free chunk back at once. */
	conservative: boolean,
	/** If not conservative: after how many milliseconds free memory goes back, from 1 to as many as a day has. */
	decayMs: number,
	/** MAP_SHARED_VALIDATE|MAP_SYNC. */
	sync: boolean,
	/** fallocate and madvise(MADV_POPULATE_WRITE) of the whole kind. */
	prefault: boolean,
	debug: boolean,
];

/** The arguments of kindCreateDevice. Sizes are in bytes, and multiples of `align`. */
export type DeviceKindRequest = [
	path: string,
	offset: number,
	size: number,
	/** The device's alignment. */
	align: number,
	/** Overwrite all of it with zeros. */
	scrub: boolean,
	/** madvise(MADV_POPULATE_WRITE) of the whole kind. */
	prefault: boolean,
	debug: boolean,
];

/** The arguments of kindCreateNode. */
export type NodeKindRequest = [
	/** For messages. */
	path: string,
	/** The numbers of the nodes: the bytes of a Uint16Array. */
	nodes: Uint8Array,
	/** 0: MPOL_BIND; 1: MPOL_PREFERRED_MANY; 2: MPOL_INTERLEAVE. */
	policy: number,
	/** 0: as the machine is set up; 1: MADV_HUGEPAGE; 2: MADV_NOHUGEPAGE. */
	hugePages: number,
	/** Bytes, a multiple of `chunkSize`; 0: what the nodes have. */
	maxSize: number,
	prefault: boolean,
	debug: boolean,
];

/**
 * The heap's tables that raw handles need: see lib/kind/raw-tables.ts. Each shows the part that is in use now, and
 * more.
 */
export interface RawTables {
	/** The first number of the kind's range, and how many numbers it has. */
	firstHandle: number;
	mostHandles: number;
	unitMap: ArrayBuffer;
	descriptors: ArrayBuffer;
	/** By the number of a place: first the units', then the slots'. */
	states: ArrayBuffer;
	/** By group of numbers: the class of the slab there plus 1; 0 for units. */
	classes: ArrayBuffer;
	/** By group: the index of the slab's descriptor. */
	slabs: ArrayBuffer;
	/** By number: the owner of the block. Empty until another thread has held the kind. */
	owners: ArrayBuffer;
}

/**
 * The slow paths of kinds. A status is 0 or a negative errno: -ENOMEM when no free memory is long enough, or the error
 * of fallocate when the file system refused (see isOutOfRoom).
 */
export interface Kinds {
	kindLayout: KindLayout;
	/** open(O_TMPFILE), statx, ftruncate, mmap, madvise(MADV_DONTFORK). Throws a {@link SystemError}. */
	kindCreate(...request: KindRequest): KindHold;
	kindCreateAsync(...request: KindRequest): NativeJob<KindHold>;
	kindCreateDevice(...request: DeviceKindRequest): KindHold;
	kindCreateDeviceAsync(...request: DeviceKindRequest): NativeJob<KindHold>;
	kindCreateNode(...request: NodeKindRequest): KindHold;
	kindCreateNodeAsync(...request: NodeKindRequest): NativeJob<KindHold>;
	/** Makes a kind over a mapping of this thread. The mapping cannot be released until the kind is closed. */
	kindCreateFixed(mappingId: number, path: string, debug: boolean): KindHold;
	/** Puts at least one block of the class into its empty magazine. */
	kindRefill(id: number, code: number): number;
	/** Makes room for a block of the code in its magazine, if the cache holds such blocks at all. */
	kindDrain(id: number, code: number): number;
	/** Takes a run of that many units. Its place is in the cache's result words: see `resultPendingWord`. */
	kindAllocateRun(id: number, units: number, alignment: number): number;
	/** Frees a block that is not in a cache. */
	kindFree(id: number, segment: number, offset: number): number;
	/**
	 * Frees a block whose raw handle is out with the state `out`. The block may be another thread's. It is first filled
	 * with the byte `fill`, unless that is negative. `number` is that of its place. -EINVAL if the handle is not out.
	 */
	kindFreeRaw(id: number, number: number, out: number, fill: number): number;
	/** Makes a run shorter or longer at its place. */
	kindResizeRun(id: number, segment: number, offset: number, units: number): number;
	/**
	 * Takes a block of the same class in a slab that is as full or fuller, if there is one. Its place is in the result
	 * words.
	 */
	kindTakeFuller(id: number, segment: number, offset: number): number;
	/**
	 * An ArrayBuffer over a part of the kind's memory, cut off at the kind's end. Its addresses stay mapped until it
	 * and its memory are garbage, as with mappings. Until then the blocks that this hold leaves behind when it is
	 * closed are not freed.
	 */
	kindWindow(id: number, segment: number, offset: number, length: number): ArrayBuffer;
	/** An ArrayBuffer over a block. When it is garbage, the block of that generation is freed. */
	kindCollectedWindow(id: number, segment: number, offset: number, length: number, generation: number): ArrayBuffer;

	/**
	 * Lets other threads ask this one to give back the free blocks in its cache. Returns the number that tells this
	 * process from others, and the kind's secret.
	 */
	kindShare(id: number): [process: number, secret: string];
	/** Joins a kind of this process. undefined if nobody holds it any more, or the secret is wrong. */
	kindAttach(process: number, number: number, secret: string): KindHold | undefined;
	/** For each node, its number and the bytes of the kind that are on it. undefined where that is not known. */
	kindNodes(id: number): Float64Array | undefined;
	/** Says that this hold is about to be closed. Returns whether it is the last hold that has not said so. */
	kindLeave(id: number): boolean;
	/** Says that this hold has a listener for the kind's losses: {@link NativeLoss.isHeard}. */
	kindListen(id: number): void;
	/** Gives a block a new generation. If it has one, the new one replaces it. */
	kindReference(id: number, segment: number, offset: number, length: number, redZone: number, sort: number): number;
	/** Says that all threads may know the block of that generation from now on. -ESTALE if it has been freed. */
	kindShareBlock(id: number, segment: number, offset: number, generation: number): number;
	/** Tells the heap the new length of the block of that generation. -ESTALE if it has been freed. */
	kindRelength(id: number, segment: number, offset: number, generation: number, length: number): number;
	/** The heap's entry of the block of that generation. undefined if it has been freed. */
	kindDereference(
		id: number,
		segment: number,
		offset: number,
		generation: number,
	): [code: number, units: number, length: number, redZone: number] | undefined;
	/**
	 * Takes a block's generation away. The block has still to be freed. -ESTALE if it has no generation, or another
	 * one.
	 */
	kindUnreference(id: number, segment: number, offset: number, generation: number): number;
	/** The same, and detaches the ArrayBuffer. The block is freed by kindFree, or at the end of this thread. */
	kindQuarantine(id: number, segment: number, offset: number, generation: number, buffer: ArrayBuffer): number;
	/** Frees the block of that generation and detaches its own ArrayBuffer. -ESTALE if that was done already. */
	kindFreeReferenced(id: number, segment: number, offset: number, generation: number, buffer?: ArrayBuffer): number;
	/** Returns the tables. Throws ERR_DAXKIND_TOO_MANY_HANDLES when the open kinds have all numbers for handles. */
	kindRawTables(id: number): RawTables;
	/** Whether a kind of this process, open or closed, has this number among those for its raw handles. */
	kindIsHandle(number: number): boolean;

	/**
	 * Empties the thread's cache and gives back the storage of all free memory. For a file on DAX another thread does
	 * that, and this one stops waiting after two seconds without progress. Returns the bytes given back so far.
	 */
	kindPurge(id: number): number;
	kindPurgeAsync(id: number): NativeJob<number>;
	/** Commits all of the kind's memory and faults it in. */
	kindPrefaultAsync(id: number): NativeJob<undefined>;
	/** Sets which part of the capacity, or of what the file system has, is in use when the pressure word becomes 1. */
	kindWatch(id: number, part: number): void;
	/**
	 * Bytes in blocks that the garbage collector frees, if that part of the capacity, or of what the file system has,
	 * is in use. Else, and for a closed kind, 0.
	 */
	kindCollectable(id: number, part: number): number;
	kindStats(
		id: number,
	): Record<
		| 'capacity'
		| 'resident'
		| 'committed'
		| 'active'
		| 'allocated'
		| 'blocks'
		| 'cached'
		| 'free'
		| 'largestFree'
		| 'lost'
		| 'highWater',
		number
	>;
	/**
	 * For each class, and then for all runs: slabs, slots, blocks, their bytes, cached blocks, their bytes. With
	 * `isWithoutCollected` the blocks are without those that the garbage collector frees.
	 */
	kindClassUse(id: number, isWithoutCollected: boolean): Float64Array;
	/**
	 * Lets go of the kind. ArrayBuffers over it that were not detached read zeros from then on. If this was the last
	 * hold, the storage goes back before the call returns, unless a job still uses the kind.
	 */
	kindClose(id: number): void;
	/** The same, once all ArrayBuffers over its memory are garbage. Returns whether the hold had not been closed. */
	kindForget(id: number): boolean;
	kindCloseAsync(id: number): NativeJob<undefined>;
}
