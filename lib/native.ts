// The native addon. Every export of it is declared and documented here, once. No other file loads it (see addon.ts).
// Importing this file never fails. If the addon cannot be loaded, its first use throws, and says why and what to do.
import { markAsUntransferable } from 'node:worker_threads';
import { loadAddon } from './addon.ts';
import { systemError } from './errors.ts';

/** What the kernel says of a file: the result of statx, in plain values. */
export interface StatxResult {
	/**
	 * The code of the error if statx itself is refused: EPERM or the like by a sandbox, such as the seccomp profile of
	 * a container runtime, or ENOSYS, also by a kernel before 4.11. Then the other fields are from stat, and those that
	 * stat does not have are 0 or undefined. undefined if statx is not refused.
	 */
	refusal: string | undefined;
	/** Which fields the kernel filled in (STATX_ bits). */
	mask: number;
	/** STATX_ATTR_ bits that are set. Only those in {@link attributesMask} mean anything. */
	attributes: bigint;
	/** STATX_ATTR_ bits that this file system reports. */
	attributesMask: bigint;
	/**
	 * Whether the file is in the DAX state now (STATX_ATTR_DAX). Never true for a directory. undefined where the kernel
	 * does not say, as before 5.8.
	 */
	dax: boolean | undefined;
	/** The preferred size of reads and writes, in bytes. */
	blockSize: number;
	/** How many names the file has. */
	links: number;
	uid: number;
	gid: number;
	/** Type and permission bits. */
	mode: number;
	inode: bigint;
	/** Bytes. */
	size: number;
	/** Blocks in use, of 512 bytes each. */
	blocks: number;
	/** Nanoseconds since 1970, as are the other times. */
	accessTimeNs: bigint;
	/** 0 where the file system keeps none. */
	birthTimeNs: bigint;
	changeTimeNs: bigint;
	modifyTimeNs: bigint;
	/** The device that the file is on, or that it is. */
	deviceMajor: number;
	deviceMinor: number;
	/** The device that the file stands for, if the file is a device node. */
	representsMajor: number;
	representsMinor: number;
	/** The number of the mount in mountinfo; 0 on kernels before 5.8. */
	mountId: number;
	/** Alignment of memory for direct I/O, in bytes; 0 where it is not reported. */
	directIoMemoryAlignment: number;
	/** Alignment of offsets for direct I/O, in bytes; 0 where it is not reported. */
	directIoOffsetAlignment: number;
}

/** A file's extended flags and the rest of the kernel's struct fsxattr. */
export interface Fsxattr {
	/** FS_XFLAG_ bits. */
	flags: number;
	/** The extent size hint in bytes, if FS_XFLAG_EXTSIZE is set. */
	extentSize: number;
	/** How many extents the file has. */
	extents: number;
	projectId: number;
	/** The extent size hint for copied blocks in bytes, if FS_XFLAG_COWEXTSIZE is set. */
	copyExtentSize: number;
}

/**
 * A file or directory in a tree that could not be changed, and what the kernel says about it that may be the reason.
 */
export interface TreeFailure {
	/** The path from the top on, as bytes because a name need not be UTF-8. Empty for the top itself. */
	path: Buffer;
	/** Negative. */
	errno: number;
	syscall: string;
	/** FS_…_FL bits. 0 if they could not be read, and so are the fields below. */
	inodeFlags: number;
	/** STATX_ATTR_ bits. */
	attributes: bigint;
	/** The owner. */
	uid: number;
}

/** The result of changing the flags of a tree. */
export interface TreeChange {
	/** How many files and directories were reached, the top included. */
	files: number;
	directories: number;
	/** How many did not have the wanted flags before, and have them now. */
	changed: number;
	failures: TreeFailure[];
}

/** A file system's kind and room: the result of statfs. */
export interface FileSystemStatus {
	/** One of the magic numbers in {@link Constants}, or another. */
	type: number;
	/** Bytes per block. The block counts are in this unit. */
	blockSize: number;
	blocks: number;
	blocksFree: number;
	/** Free blocks that an ordinary user may have. */
	blocksAvailable: number;
	/** How many files there can be, and how many of these do not exist yet. */
	files: number;
	filesFree: number;
	/** ST_RDONLY, ST_NOSUID… */
	mountFlags: number;
}

type AttributeBits =
	`STATX_ATTR_${'COMPRESSED' | 'IMMUTABLE' | 'APPEND' | 'NODUMP' | 'ENCRYPTED' | 'AUTOMOUNT' | 'MOUNT_ROOT' | 'VERITY' | 'DAX'}`;
type FieldBits = `STATX_${'BASIC_STATS' | 'BTIME' | 'MNT_ID' | 'DIOALIGN'}`;
type FlagBits =
	`FS_XFLAG_${'REALTIME' | 'PREALLOC' | 'IMMUTABLE' | 'APPEND' | 'SYNC' | 'NOATIME' | 'NODUMP' | 'RTINHERIT' | 'PROJINHERIT' | 'NOSYMLINKS' | 'EXTSIZE' | 'EXTSZINHERIT' | 'NODEFRAG' | 'FILESTREAM' | 'DAX' | 'COWEXTSIZE' | 'HASATTR'}`;
type InodeFlagBits =
	`FS_${'COMPR' | 'SYNC' | 'IMMUTABLE' | 'APPEND' | 'NODUMP' | 'NOATIME' | 'ENCRYPT' | 'INDEX' | 'JOURNAL_DATA' | 'EXTENT' | 'VERITY' | 'NOCOW' | 'DAX' | 'INLINE_DATA' | 'PROJINHERIT'}_FL`;
type ExtentBits = `FIEMAP_EXTENT_${'UNKNOWN' | 'ENCODED' | 'DATA_INLINE' | 'DATA_TAIL' | 'SHARED' | 'UNWRITTEN'}`;
type MagicNumbers =
	| `${'EXT4' | 'XFS' | 'FUSE' | 'OVERLAYFS' | 'BTRFS'}_SUPER_MAGIC`
	| 'EROFS_SUPER_MAGIC_V1'
	| 'TMPFS_MAGIC'
	| 'HUGETLBFS_MAGIC';

/**
 * The bits of the masks that callers get, by their names in the kernel's headers. The STATX_ATTR_ bits are BigInts,
 * because they belong to a 64-bit mask.
 */
export type DaxConstants = Readonly<
	Record<AttributeBits, bigint> & Record<FieldBits | FlagBits | InodeFlagBits | ExtentBits, number>
>;

/**
 * Those bits, the magic numbers, and this machine's sizes: bytes per page, bytes that one PMD entry maps, bytes per
 * cache line.
 */
export type Constants = DaxConstants &
	Readonly<Record<MagicNumbers | 'PAGE_SIZE' | 'HUGE_PAGE_SIZE' | 'CACHE_LINE_SIZE', number>>;

/** Why memory is lost. */
export type MediaErrorCause = 'media' | 'truncated' | 'no-space' | 'removed' | 'unknown';

/** A part of a mapping or a kind that the guard has replaced by zeros. */
export interface LostPart {
	/** Where the part begins: bytes from the start of the mapping or the kind. */
	offset: number;
	length: number;
	cause: MediaErrorCause;
}

/** A block, or free memory, that was in a lost part of a kind. */
export interface LostPlace {
	sort: 'free' | 'block' | 'referenced' | 'raw';
	/** Where the block or the free memory begins, in bytes of the kind. */
	offset: number;
	length: number;
	/** The raw handle, if it is out. */
	handle?: number;
	/**
	 * Of a block with a generation: whether a script has a reference to it, the generation, the red zone between
	 * `offset` and the Buffer, and the Buffer's length.
	 */
	isShared?: boolean;
	generation?: number;
	zone?: number;
	bytes?: number;
}

/** Native code's report of a lost part. */
export interface NativeLoss extends LostPart {
	isMapping: boolean;
	/** The number of the mapping, or of the hold on the kind. */
	id: number;
	/** Whether a hold on the kind, in any thread, has a listener; and whether this hold is the first that is told. */
	isHeard: boolean;
	isFirst: boolean;
	/** Only of a kind. */
	places: LostPlace[];
}

/** A file or directory that is on bad blocks of its device. */
export interface BadFile {
	/** The path from the top of the walk on, as bytes. Empty for the top itself. */
	path: Buffer;
	isDirectory: boolean;
	inode: bigint;
	/** How many names it has. */
	links: number;
	/** Bytes. */
	size: number;
	/**
	 * Four numbers for each part: offset in the file, length, offset on the device, all in bytes, and FIEMAP_EXTENT_
	 * bits.
	 */
	parts: Float64Array;
}

/** The result of a walk that looks for files on bad blocks. */
export interface BadFiles {
	/** How many files and directories were looked at. */
	files: number;
	directories: number;
	hits: BadFile[];
	/** The files and directories that could not be looked at. `errno` is negative. */
	failures: { path: Buffer; errno: number; syscall: string }[];
	/** Whether there are files whose place the file system does not tell. */
	isSilent: boolean;
	/** Whether some files are on the realtime device of XFS. They were left out. */
	hasRealtime: boolean;
}

/**
 * - `healthy`: it can be read, and was left alone.
 * - `rewritten`: it was written anew, and reads as it was written.
 * - `unwritten`: the same, for a page that nobody had written yet.
 * - `uncleared`: the medium does not take the write.
 * - `failed`: something else failed.
 * - `beyond-end`: it is behind the file's end.
 * - `refused`: there is no backup, and zeros may not be written.
 */
export type PageOutcome = 'healthy' | 'rewritten' | 'unwritten' | 'uncleared' | 'failed' | 'beyond-end' | 'refused';

/** The outcome for a range of neighbouring pages. Sizes are in bytes. */
export interface RepairedPages {
	offset: number;
	length: number;
	outcome: PageOutcome;
	/** How many bytes are zeros now, and were data before. */
	lost: number;
	/** Whether the pages are on other blocks than before. */
	isMoved: boolean;
	/** For `uncleared` and `failed`: a negative errno, and the call. */
	errno: number;
	syscall: string;
}

/** An instruction that writes a cache line back to memory. */
export type FlushInstruction = 'clflush' | 'clflushopt' | 'clwb' | 'dc cvac' | 'dc cvap';

/** Files, flags and file systems. All of these throw a {@link SystemError} that names the call. */
interface Syscalls {
	/** The kernel's constants. */
	constants: Constants;
	/**
	 * statx of a path. It follows symbolic links. If statx itself is refused it calls stat, and so do the two calls
	 * below.
	 */
	statx(path: string): StatxResult;
	/** statx of an open file. */
	statxDescriptor(fd: number): StatxResult;
	/**
	 * The status that a new file in this directory would have: makes a nameless file, asks statx, lets it go. If the
	 * file system has no nameless files, the file has a name for a moment, or, with `onlyNameless`, the error is
	 * ENOTSUP.
	 */
	statxTemporary(directory: string, onlyNameless?: boolean): StatxResult;
	/** statfs of the file system that the path is on. */
	statfs(path: string): FileSystemStatus;
	/**
	 * FS_IOC_FSGETXATTR. ELOOP for a symbolic link, unless `followsLink`. ENOTTY for anything but a file or directory;
	 * such a node is not opened.
	 */
	getFsxattr(path: string, followsLink?: boolean): Fsxattr;
	/**
	 * FS_IOC_FSSETXATTR after FS_IOC_FSGETXATTR: sets some bits, then clears others, and keeps the rest. Returns the
	 * new state.
	 */
	changeFsxattrFlags(path: string, set: number, clear: number): Fsxattr;
	/**
	 * changeFsxattrFlags of a file or directory. If `recursive`, also of all files and directories below it on the same
	 * mount, a directory before its entries. It follows no symbolic links. It throws an error that concerns the top, or
	 * the whole file system; other errors are in `failures`.
	 */
	changeFsxattrTree(top: string, set: number, clear: number, recursive: boolean): TreeChange;
	changeFsxattrTreeAsync(top: string, set: number, clear: number, recursive: boolean): NativeJob<TreeChange>;
	/** FS_IOC_GETFLAGS: the FS_…_FL bits, which lsattr(1) shows. The errors are those of getFsxattr. */
	getInodeFlags(path: string, followsLink?: boolean): number;
	/**
	 * Whether mmap takes MAP_SHARED_VALIDATE|MAP_SYNC: 0 or its negative errno. It tries the file at this path, or a
	 * nameless file made in the directory, and throws if that cannot be opened. `onlyNameless` is as in statxTemporary.
	 * Symbolic links are followed.
	 */
	tryMapSync(path: string, temporary: boolean, onlyNameless?: boolean): number;
	/**
	 * FS_IOC_FIEMAP: the first `most` extents of a file or directory. Each has four numbers: offset in the file, offset
	 * on the device, length, all in bytes, and FIEMAP_EXTENT_ bits. Symbolic links are followed. ENOTSUP if the file
	 * system does not tell.
	 */
	fileExtents(path: string, most: number): { extents: Float64Array; complete: boolean };
	/**
	 * open with O_CLOEXEC; it never blocks. O_RDWR if `writable`, else O_RDONLY. Close it with {@link closeDescriptor}.
	 */
	openFile(path: string, writable: boolean): number;
	/** close. */
	closeDescriptor(fd: number): void;
	/**
	 * fallocate(KEEP_SIZE): gives blocks to the holes in a range. If it fails, it makes holes again of the blocks that
	 * it took. `path` is for the error only.
	 */
	allocateOrNothing(fd: number, offset: number, length: number, path?: string): void;
	/** getcpu: the NUMA node of the processor that this thread runs on now; 0 where the call is refused. */
	currentNode(): number;
}

/** Bad blocks. A list of ranges is the bytes of a Float64Array: pairs of an offset and a length, in bytes. */
interface BadBlockCalls {
	/**
	 * The bad ranges of a block device, or of a device-DAX device, as the kernel lists them now. Each has four numbers,
	 * and they are in order: offset on the device, length, the index of its list in `sources`, and its offset on the
	 * device of that list. `doubt` says why there may be more of them; it is empty if these are all. Without `sources`
	 * the kernel has no list. `sys` is the path of sysfs.
	 */
	badBlocksOf(
		major: number,
		minor: number,
		isDaxDevice: boolean,
		sys?: string,
	): { ranges: Float64Array; sources: string[]; doubt: string };
	/**
	 * The bytes of a file that are on bad bytes of its device. `extents` has the bytes of the array that
	 * {@link Syscalls.fileExtents} returns. The result has pairs of offset and length in the file's order, whole
	 * multiples of `unit`.
	 */
	badRangesIn(bad: Uint8Array, extents: Uint8Array, unit: number): Float64Array;
	/**
	 * Walks through a file or a tree on one mount, and finds the files on these bad bytes of the device
	 * (FS_IOC_FIEMAP). In its control, the numbers of files, of directories, and of those that were found follow the
	 * word that aborts it.
	 */
	scanBadBlocksAsync(top: string, bad: Uint8Array, unit: number): NativeJob<BadFiles>;
	/**
	 * Writes pages anew that are on bad blocks, of a file or of a block device, and reads them back:
	 * media/page_repair.h. Its control has the bytes that are done, and all bytes.
	 */
	repairPagesAsync(
		path: string,
		isDevice: boolean,
		ranges: Uint8Array,
		unit: number,
		zeros: boolean,
		reallocates: boolean,
		backup?: string,
	): NativeJob<RepairedPages[]>;
	/**
	 * Copies the readable bytes of a file to a new file, which takes its name. The old file is kept as `keptAs`:
	 * media/quarantine.h. Its control has the bytes that are done, and all bytes. ESTALE: somebody has changed the file
	 * meanwhile. EREMOTEIO: the copy's blocks are bad, too. EMLINK: the file has other names. EIO: a page cannot be
	 * read, there is no backup, and zeros may not be written.
	 */
	quarantineFileAsync(
		path: string,
		keptAs: string,
		unit: number,
		zeros: boolean,
		backup?: string,
	): NativeJob<RepairedPages[]>;
}

/** Mappings of files as ArrayBuffers. */
interface Mappings {
	/**
	 * mmap with MADV_DONTFORK: MAP_SHARED, or with `sync` MAP_SHARED_VALIDATE|MAP_SYNC. If not `writable` it is
	 * copy-on-write (MAP_PRIVATE), so that a store by a script can neither kill the process nor reach the file. A
	 * mapping that is long enough has the alignment to 2 MiB that the file has.
	 *
	 * The addresses are unmapped when the ArrayBuffer and its memory are garbage, and never before, because operations
	 * that are under way use them until then. The file must be as long as the mapping. `path` is for the error only.
	 * `knownBad` has the pages that are on bad blocks of the device, by the kernel's list, if the file is on DAX.
	 */
	mapDescriptor(
		fd: number,
		offset: number,
		length: number,
		writable: boolean,
		sync: boolean,
		path?: string,
	): { id: number; arrayBuffer: ArrayBuffer; knownBad: LostPart[] };
	/**
	 * Lets go of the file: puts empty private memory in its place, so that an operation that still uses the addresses
	 * reads zeros. The caller detaches the ArrayBuffer. False if that was done already.
	 */
	releaseMapping(id: number): boolean;
	/** The parts that are lost, in bytes from the mapping's start. */
	mappingErrors(id: number): LostPart[];
}

/** Brings stores out of the processor's caches. Ranges are checked against the view. */
interface Persistence {
	/**
	 * The instructions that this processor has, the best one first. Empty on an architecture of which daxkind knows
	 * none.
	 */
	flushInstructions: readonly FlushInstruction[];
	/**
	 * Writes back the cache lines of a range by the best instruction, or by the named one, and does not wait. EFAULT if
	 * the guard has put zeros in place of a page of the range. These zeros are on no medium.
	 */
	flush(view: Uint8Array, offset: number, length: number, instruction?: FlushInstruction): void;
	/** Waits until the ranges that this thread has flushed are persistent: sfence, DSB. */
	drain(): void;
	/**
	 * msync(MS_SYNC) of the pages of a range. The view must be of a mapped file. EFAULT of msync if the guard has put
	 * zeros in place of a page. EFAULT of madvise if the file has been truncated and the last page is gone; a kernel
	 * before 5.14 does not tell that.
	 */
	syncPages(view: Uint8Array, offset: number, length: number, path?: string): void;
}

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
 * A call that another thread works on. It rejects with a {@link SystemError}: ECANCELED if it was aborted, EAGAIN of
 * pthread_create if no thread can be started.
 */
export interface NativeJob<Result> {
	promise: Promise<Result>;
	/**
	 * The bytes of a Float64Array. Set the first number to 1 to abort the job. The others say how far it is. For kinds:
	 * the bytes that are done, and all bytes. For trees of files: the files, the directories, those changed, those that
	 * failed.
	 */
	control: ArrayBuffer;
}

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
interface Kinds {
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
	kindReference(id: number, segment: number, offset: number, length: number, zone: number, sort: number): number;
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
	): [code: number, units: number, length: number, zone: number] | undefined;
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

/** Detaches ArrayBuffers over memory of the addon, whatever scripts have done to them. */
interface ArrayBuffers {
	/**
	 * napi_detach_arraybuffer: every view of it has length 0 from then on. It works also on one that
	 * markAsUntransferable has marked.
	 */
	detachArrayBuffer(buffer: ArrayBuffer): void;
	/**
	 * Whether it can detach marked ArrayBuffers in this runtime. If it cannot, the attempt ends the process, so none
	 * may be marked.
	 */
	detachesMarked: boolean;
}

/** The addon's exports. */
export interface Native extends Syscalls, BadBlockCalls, Mappings, Persistence, Kinds, ArrayBuffers {
	/**
	 * Sets the function that is called with each loss of this thread's kinds and mappings, in turns of its event loop.
	 * The function must not throw.
	 */
	setLossHandler(handler: (loss: NativeLoss) => void): void;
	/**
	 * Installs the guard's SIGBUS handler again if somebody has set another one. The other handler still gets the
	 * faults that are not the guard's.
	 */
	armGuard(): void;
	/** Whether the guard has put zeros in place of a page of the view. */
	isLost(view: Uint8Array): boolean;
	/**
	 * Registers the function that makes the errors of failed system calls, and whether markAsUntransferable keeps
	 * everybody from detaching an ArrayBuffer. It is called here, once for each thread.
	 */
	init(options: { systemError: typeof systemError; areMarksKeys: boolean }): void;
}

/** Whether markAsUntransferable sets a key without which nobody can detach an ArrayBuffer, as it does since Node 24. */
function areMarksKeys(): boolean {
	const probe = new ArrayBuffer(0) as ArrayBuffer & { transfer?: () => ArrayBuffer };
	if (probe.transfer === undefined) return false;
	markAsUntransferable(probe);
	try {
		probe.transfer();
		return false;
	} catch {
		return true;
	}
}

/** The addon. If it could not be loaded, every use throws ERR_DAXKIND_NATIVE. */
export const native: Native = loadAddon((addon: Native) => addon.init({ systemError, areMarksKeys: areMarksKeys() }));
