// The native addon: every export of it is declared and documented here, once. No other file asks for it (see addon.ts).
// Importing this file never fails: where the addon cannot be loaded, the first use of it throws, saying why and what to do.
import { markAsUntransferable } from 'node:worker_threads';
import { loadAddon } from './addon.ts';
import { systemError } from './errors.ts';

/** What the kernel says of a file: the result of statx, in plain values. */
export interface StatxResult {
	/**
	 * The code with which statx itself is refused: EPERM or the like by a sandbox, such as the seccomp profile of a container runtime, or
	 * ENOSYS, also of a kernel before 4.11. Then all this is what stat says, and the rest is 0 or undefined. Undefined if it is not.
	 */
	refusal: string | undefined;
	/** Which fields the kernel filled in (STATX_ bits). */
	mask: number;
	/** STATX_ATTR_ bits that are set; only those in {@link attributesMask} mean anything. */
	attributes: bigint;
	/** STATX_ATTR_ bits that this file system reports. */
	attributesMask: bigint;
	/**
	 * Whether the file is in the DAX state now (STATX_ATTR_DAX). Never true of a directory; undefined where the kernel does not say, as
	 * before 5.8.
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
	/** The device that the file stands for, if it is a device node. */
	representsMajor: number;
	representsMinor: number;
	/** The number of the mount in mountinfo; 0 on kernels before 5.8. */
	mountId: number;
	/** Alignment of memory for direct I/O, in bytes; 0 where not reported. */
	directIoMemoryAlignment: number;
	/** Alignment of offsets for direct I/O, in bytes; 0 where not reported. */
	directIoOffsetAlignment: number;
}

/** A file's extended flags and what travels with them: the kernel's struct fsxattr. */
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

/** A file or directory in a tree that could not be changed, and what the kernel says of it that may be why. */
export interface TreeFailure {
	/** From the top on, as bytes, for a name need not be UTF-8; empty for the top itself. */
	path: Buffer;
	/** Negative. */
	errno: number;
	syscall: string;
	/** FS_…_FL bits; 0 where they could not be read, as are the others. */
	inodeFlags: number;
	/** STATX_ATTR_ bits. */
	attributes: bigint;
	/** The owner. */
	uid: number;
}

/** What changing the flags of a tree came to. */
export interface TreeChange {
	/** How many were reached, the top included. */
	files: number;
	directories: number;
	/** How many did not have the flags as wanted, and have now. */
	changed: number;
	failures: TreeFailure[];
}

/** A file system's kind and room: the result of statfs. */
export interface FileSystemStatus {
	/** One of the magic numbers in {@link Constants}, or another. */
	type: number;
	/** Bytes per block; the block counts are in this unit. */
	blockSize: number;
	blocks: number;
	blocksFree: number;
	/** What is left for an ordinary user. */
	blocksAvailable: number;
	/** How many files there can be, and how many more. */
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
 * The bits of the masks that callers get, by their names in the kernel's headers. The STATX_ATTR_ bits are BigInts, because they belong to
 * a 64-bit mask.
 */
export type DaxConstants = Readonly<
	Record<AttributeBits, bigint> & Record<FieldBits | FlagBits | InodeFlagBits | ExtentBits, number>
>;

/** Those, magic numbers, and this machine's sizes: bytes per page, bytes that one PMD entry maps, bytes per cache line. */
export type Constants = DaxConstants &
	Readonly<Record<MagicNumbers | 'PAGE_SIZE' | 'HUGE_PAGE_SIZE' | 'CACHE_LINE_SIZE', number>>;

/** Why memory is lost. */
export type MediaErrorCause = 'media' | 'truncated' | 'no-space' | 'removed' | 'unknown';

/** A part of a mapping or a kind that the guard has put zeros in place of. */
export interface LostPart {
	/** Bytes from its start. */
	offset: number;
	length: number;
	cause: MediaErrorCause;
}

/** What was in a lost part of a kind. */
export interface LostPlace {
	sort: 'free' | 'block' | 'referenced' | 'raw';
	/** The block, or the free memory: in bytes of the kind. */
	offset: number;
	length: number;
	/** Of a raw handle that is out. */
	handle?: number;
	/** Of a block with a generation: whether a script has a reference, its Buffer's place behind `offset` and its length. */
	isShared?: boolean;
	generation?: number;
	zone?: number;
	bytes?: number;
}

/** What native code tells of a lost part. */
export interface NativeLoss extends LostPart {
	isMapping: boolean;
	/** Of the mapping, or of the hold on the kind. */
	id: number;
	/** Whether a hold on the kind, in any thread, has a listener; and whether this one is the first that is told. */
	isHeard: boolean;
	isFirst: boolean;
	/** Of a kind. */
	places: LostPlace[];
}

/** A file or directory that is on bad blocks of its device. */
export interface BadFile {
	/** From the top of the walk on, as bytes; empty for the top itself. */
	path: Buffer;
	isDirectory: boolean;
	inode: bigint;
	/** How many names it has. */
	links: number;
	/** Bytes. */
	size: number;
	/** Four numbers each: offset in the file, length, offset on the device, all in bytes, and FIEMAP_EXTENT_ bits. */
	parts: Float64Array;
}

/** What a walk for bad blocks has found. */
export interface BadFiles {
	/** How many were looked at. */
	files: number;
	directories: number;
	hits: BadFile[];
	/** What could not be looked at: `errno` is negative. */
	failures: { path: Buffer; errno: number; syscall: string }[];
	/** Whether there are files of which the file system does not tell where they are. */
	isSilent: boolean;
	/** Whether some are on the realtime device of XFS, and were left out. */
	hasRealtime: boolean;
}

/**
 * `healthy`: can be read, left alone; `rewritten`: written anew, reads as written; `unwritten`: the same, and nobody had written there yet;
 * `uncleared`: the medium does not take it; `failed`: otherwise; `beyond-end`: behind the file's end; `refused`: there is neither a backup
 * nor leave to write zeros.
 */
export type PageOutcome = 'healthy' | 'rewritten' | 'unwritten' | 'uncleared' | 'failed' | 'beyond-end' | 'refused';

/** What was done with pages beside one another. Bytes. */
export interface RepairedPages {
	offset: number;
	length: number;
	outcome: PageOutcome;
	/** Bytes that are zeros now, and were data. */
	lost: number;
	/** Whether they are on other blocks than before. */
	isMoved: boolean;
	/** Of `uncleared` and `failed`: a negative errno and the call. */
	errno: number;
	syscall: string;
}

/** An instruction that writes a cache line back to memory. */
export type FlushInstruction = 'clflush' | 'clflushopt' | 'clwb' | 'dc cvac' | 'dc cvap';

/** Files, flags and file systems. All throw a {@link SystemError} that names the call. */
interface Syscalls {
	/** The kernel's constants. */
	constants: Constants;
	/** statx of a path, following symbolic links; stat where statx itself is refused. So are the two below. */
	statx(path: string): StatxResult;
	/** statx of an open file. */
	statxDescriptor(fd: number): StatxResult;
	/**
	 * What a file would be that is made in this directory: makes a nameless one, asks statx, lets it go. Where there are no nameless
	 * files it has a name for a moment, or, with `onlyNameless`, the answer is ENOTSUP.
	 */
	statxTemporary(directory: string, onlyNameless?: boolean): StatxResult;
	/** statfs of the file system that the path is on. */
	statfs(path: string): FileSystemStatus;
	/**
	 * FS_IOC_FSGETXATTR. ELOOP for a symbolic link, unless `followsLink`; ENOTTY for anything but a file or directory, which is not
	 * opened.
	 */
	getFsxattr(path: string, followsLink?: boolean): Fsxattr;
	/** FS_IOC_FSSETXATTR after FS_IOC_FSGETXATTR: sets, then clears these bits and keeps all others. Gives the new state. */
	changeFsxattrFlags(path: string, set: number, clear: number): Fsxattr;
	/**
	 * changeFsxattrFlags of a file or directory, and if `recursive`, of all files and directories below it on the same mount, a
	 * directory before its entries. Follows no symbolic links. Throws what keeps it from the top, or holds for the whole file system.
	 */
	changeFsxattrTree(top: string, set: number, clear: number, recursive: boolean): TreeChange;
	changeFsxattrTreeAsync(top: string, set: number, clear: number, recursive: boolean): NativeJob<TreeChange>;
	/** FS_IOC_GETFLAGS: FS_…_FL bits, what lsattr(1) shows. Errors as of getFsxattr. */
	getInodeFlags(path: string, followsLink?: boolean): number;
	/**
	 * Whether mmap takes MAP_SHARED_VALIDATE|MAP_SYNC: 0 or its negative errno. Asked of the file at this path, or of a nameless
	 * one made in the directory; throws if that cannot be opened. `onlyNameless` as of statxTemporary. Symbolic links are followed.
	 */
	tryMapSync(path: string, temporary: boolean, onlyNameless?: boolean): number;
	/**
	 * FS_IOC_FIEMAP: the first `most` extents of a file or directory, four numbers each: offset in the file, offset on the
	 * device, length, all in bytes, and FIEMAP_EXTENT_ bits. Symbolic links are followed. ENOTSUP where the file system does not tell.
	 */
	fileExtents(path: string, most: number): { extents: Float64Array; complete: boolean };
	/** open, O_CLOEXEC and never blocking; O_RDWR if `writable`, else O_RDONLY. Close it with {@link closeDescriptor}. */
	openFile(path: string, writable: boolean): number;
	/** close. */
	closeDescriptor(fd: number): void;
	/**
	 * fallocate(KEEP_SIZE): gives the holes in a range blocks. A failed one makes holes again of what it took. `path` is for the error
	 * only.
	 */
	allocateOrNothing(fd: number, offset: number, length: number, path?: string): void;
	/** getcpu: the NUMA node of the processor that this thread runs on now; 0 where the call is refused. */
	currentNode(): number;
}

/** Bad blocks. Lists of ranges are the bytes of Float64Arrays: pairs of an offset and a length, in bytes. */
interface BadBlockCalls {
	/**
	 * The bad ranges of a block device, or of a device-DAX device, as the kernel lists them now: four numbers each, in order: offset on the
	 * device, length, the number of its list in `sources`, and its offset on what that list is of. `doubt`: why they may not be all;
	 * empty if they are. No sources: there is no list. `sys`: where sysfs is.
	 */
	badBlocksOf(
		major: number,
		minor: number,
		isDaxDevice: boolean,
		sys?: string,
	): { ranges: Float64Array; sources: string[]; doubt: string };
	/**
	 * Which bytes of a file are on bad bytes of its device. `extents`: the bytes of what {@link Syscalls.fileExtents} gives. Pairs of
	 * offset and length in the file's order, whole multiples of `unit`.
	 */
	badRangesIn(bad: Uint8Array, extents: Uint8Array, unit: number): Float64Array;
	/**
	 * Walks through a file or a tree on one mount, and finds what is on these bad bytes of the device (FS_IOC_FIEMAP). Its control has
	 * behind `isAborted` the numbers of files, of directories, and of those that were found.
	 */
	scanBadBlocksAsync(top: string, bad: Uint8Array, unit: number): NativeJob<BadFiles>;
	/**
	 * Writes pages anew that are on bad blocks, of a file or of a block device, and reads them back; media/page_repair.h. Its control has
	 * the bytes done and in all.
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
	 * Copies what can be read of a file to a new one, which takes its name, while the file is kept as `keptAs`; media/quarantine.h. Its
	 * control has the bytes done and in all. ESTALE: somebody has changed the file meanwhile; EREMOTEIO: the copy's blocks are bad, too;
	 * EMLINK: the file has other names; EIO: a page cannot be read, and there is neither a backup nor leave to write zeros.
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
	 * mmap: MAP_SHARED, or with `sync` MAP_SHARED_VALIDATE|MAP_SYNC, or if not `writable` copy-on-write (MAP_PRIVATE), so that a store
	 * by a script can neither kill the process nor reach the file. MADV_DONTFORK. Aligned to 2 MiB as the file is, if that long. The
	 * addresses are unmapped when the ArrayBuffer and its memory are garbage, never before: no operation that is under way uses them
	 * then. The file must be as long as the mapping. `path` is for the error only. `knownBad`: which pages are on bad blocks of the
	 * device, by the kernel's list, where the file is on DAX.
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
	 * Lets go of the file: puts empty private memory in its place, so that whoever still uses the addresses reads zeros. The caller
	 * detaches the ArrayBuffer. False if that was done already.
	 */
	releaseMapping(id: number): boolean;
	/** The parts that are lost, in bytes from the mapping's start. */
	mappingErrors(id: number): LostPart[];
}

/** Bringing stores out of the processor's caches. Ranges are checked against the view. */
interface Persistence {
	/** The instructions that this processor has, the best first. Empty on architectures that daxkind knows none of. */
	flushInstructions: readonly FlushInstruction[];
	/**
	 * Writes back the cache lines of a range, without waiting, by the best instruction or the one named. EFAULT if the guard has put
	 * zeros in place of a page of it, which are on no medium.
	 */
	flush(view: Uint8Array, offset: number, length: number, instruction?: FlushInstruction): void;
	/** Waits for what this thread has flushed: sfence, DSB. */
	drain(): void;
	/**
	 * msync(MS_SYNC) of the pages of a range; the view must be of a mapped file to mean anything. EFAULT of msync as with flush; of
	 * madvise if the file has been truncated and the last page is gone, which a kernel before 5.14 does not tell.
	 */
	syncPages(view: Uint8Array, offset: number, length: number, path?: string): void;
}

/** A thread's hold on a kind, as native code hands it over. */
export interface KindHold {
	/** What the calls below know it by, in this thread, until kindClose; never used again for another. */
	id: number;
	/** What the whole process knows the kind by; never used again for another. */
	number: number;
	/** By which number the heap knows whose this thread's blocks are. */
	owner: number;
	/** This thread's cache of free blocks: an Int32Array's memory, laid out as native/heap/thread_cache.h says. */
	cache: ArrayBuffer;
	/** Bytes that the kind can hold. */
	capacity: number;
	/** log2 of the unit of blocks that are longer than a slab's, in bytes. */
	unitShift: number;
	type: 'pmem' | 'fixed' | 'device' | 'node';
	path: string;
	/** MAP_SYNC. */
	sync: boolean;
	debug: boolean;
	/** STATX_ATTR_DAX of the kind's file; where that is not reported, true if MAP_SYNC is accepted, and else undefined. */
	dax: boolean | undefined;
	/** Of a node kind: the NUMA nodes that its memory is to come from, and NodeKindRequest's number of the policy. */
	nodes: number[];
	policy: number;
	/** The device that the file is on, or that it is. */
	deviceMajor: number;
	deviceMinor: number;
}

/** What kindCreate makes. */
export type KindRequest = [
	directory: string,
	/** Bytes, a multiple of `chunkSize`; 0: the size of the file system. */
	maxSize: number,
	/** Give each whole free chunk back at once. */
	conservative: boolean,
	/** Else, the milliseconds after which it goes back: 1 to a day's. */
	decayMs: number,
	/** MAP_SHARED_VALIDATE|MAP_SYNC. */
	sync: boolean,
	/** fallocate and madvise(MADV_POPULATE_WRITE) of all. */
	prefault: boolean,
	debug: boolean,
];

/** What kindCreateDevice makes. Sizes in bytes, multiples of `align`. */
export type DeviceKindRequest = [
	path: string,
	offset: number,
	size: number,
	/** The device's alignment. */
	align: number,
	/** Overwrite all of it with zeros. */
	scrub: boolean,
	/** madvise(MADV_POPULATE_WRITE) of all. */
	prefault: boolean,
	debug: boolean,
];

/** What kindCreateNode makes. */
export type NodeKindRequest = [
	/** For messages. */
	path: string,
	/** The nodes' numbers, as a Uint16Array has them. */
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
 * A call that a thread of its own makes. Rejects with a {@link SystemError}: ECANCELED if it was aborted, EAGAIN of
 * pthread_create if there is no thread to be had.
 */
export interface NativeJob<Result> {
	promise: Promise<Result>;
	/**
	 * Doubles: set the first to 1 to abort; the others say how far it is. For kinds: the bytes done, the bytes in all. For trees of
	 * files: the files, the directories, those changed, those that failed.
	 */
	control: ArrayBuffer;
}

/** What the fast path of lib/kind shares with native/heap: tables, and places in the thread cache, in words. */
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
	/** How many magazines runs share, by the low bits of their length; they follow the classes' magazines. */
	runMagazines: number;
	/** The code without its low `unitsShift` bits is a length in units; those bits are the number of the magazine. */
	unitsShift: number;
	/**
	 * log2 of a magazine's length in words. Its first word is the top: the newest block is at words top (segment) and top + 1
	 * (offset), the one before at top - 2, and with a top of 0 there is none. Before the first kindRefill or kindDrain for it a
	 * magazine is all zeros.
	 */
	magazineShift: number;
	/** The word that says the most that top may be. */
	magazineLimit: number;
	/** The word that says for blocks of which code the magazine is. */
	magazineCode: number;
	/** A segment of this number says that what follows is not an offset, but the number of the block's place. */
	byNumber: number;
	/** Units of all runs in the cache, and behind it the most there may be. */
	cachedUnitsWord: number;
	cachedUnitsLimitWord: number;
	/** Where kindAllocateRun puts the block. */
	resultSegmentWord: number;
	resultOffsetWord: number;
	/** 1 when a native call has put a block there, until the caller sets it to 0: then it is the caller's, else the heap's. */
	resultPendingWord: number;
	/** What has failed for want of memory since memory last came back: a bit for each class, in two words… */
	failedClassesWord: number;
	/** …and the length in units from which on runs fail. */
	failedUnitsWord: number;
	/** Becomes 1 when as much is in use as kindWatch says. */
	pressureWord: number;
	/** Bytes of a segment. */
	segmentSize: number;
	/** Kinds are created, committed and decay in multiples of this many bytes. */
	chunkSize: number;
	/** Words of a slab's descriptor (native/heap/slab_allocator.h), and how long descriptors are in words. */
	slabStart: number;
	slabShape: number;
	slabFree: number;
	slabGroup: number;
	descriptorWords: number;
	/** log2 of the numbers of places that share an entry in `classes` and `slabs` (native/heap/places.h). */
	groupShift: number;
	/** Of a unit's number: see native/heap/places.h. */
	spreadShift: number;
	lineShift: number;
	/** log2 of the shortest unit of runs, in bytes. */
	leastUnitShift: number;
	/** Bits of a state for the generation of its handle. */
	rawGenerationBits: number;
	/** The lowest bits of the shape are the class, those above them the number of slots. */
	slabClassBits: number;
	slabSlotsBits: number;
	/** In a slab's word `slabFree`, a number below `slabOwners` from this bit on says whose the slab is. */
	slabOwnerShift: number;
	slabOwners: number;
	/** This owner stands for several; each slot has its own then. */
	manyOwners: number;
	/** In the state of a place: a raw handle of it is out. */
	handleOut: number;
	/** For kindReference: who can reach the block, see native/heap/references.h. */
	referenceShared: number;
	referenceCollected: number;
	referenceGuarded: number;
	/** The bits from here on of an entry in the unit map (native/heap/run_allocator.h) are its tag. */
	unitTagShift: number;
	largeTag: number;
	slabTag: number;
}

/** Bookkeeping of the heap for raw handles, see lib/kind/raw-tables.ts; as much of it as is in use now, and more. */
export interface RawTables {
	/** The first number of the kind's range, and how many it has. */
	firstHandle: number;
	mostHandles: number;
	unitMap: ArrayBuffer;
	descriptors: ArrayBuffer;
	/** By the number of a place: of a unit, or behind those of a slot. */
	states: ArrayBuffer;
	/** By group of numbers: the class of the slab there, and 1; 0 for units. */
	classes: ArrayBuffer;
	/** By group: the index of the slab's descriptor. */
	slabs: ArrayBuffer;
	/** By number: whose the block is. Empty while no other thread has held the kind. */
	owners: ArrayBuffer;
}

/**
 * The slow paths of kinds. Statuses are 0 or a negative errno: -ENOMEM when no free memory is long enough, what
 * fallocate answered when the file system refused (see isOutOfRoom).
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
	/** A kind over the range of a mapping of this thread, which cannot be released until the kind is closed. */
	kindCreateFixed(mappingId: number, path: string, debug: boolean): KindHold;
	/** Puts at least one block of the class into its empty magazine. */
	kindRefill(id: number, code: number): number;
	/** Makes room for a block of the code in its magazine, if the cache holds such blocks at all. */
	kindDrain(id: number, code: number): number;
	/** Takes a run of so many units; its place is in the cache's result words, see `resultPendingWord`. */
	kindAllocateRun(id: number, units: number, alignment: number): number;
	/** Frees a block that is in no cache. */
	kindFree(id: number, segment: number, offset: number): number;
	/**
	 * Frees a block of which a raw handle is out with the state `out`, also another thread's, after it has filled it with
	 * the byte `fill` unless that is negative. `number` is that of its place. -EINVAL if the handle is not out.
	 */
	kindFreeRaw(id: number, number: number, out: number, fill: number): number;
	/** Makes a run shorter or longer where it is. */
	kindResizeRun(id: number, segment: number, offset: number, units: number): number;
	/** The same with a block of the same class in a slab that is as full or fuller, if there is one. */
	kindTakeFuller(id: number, segment: number, offset: number): number;
	/**
	 * An ArrayBuffer over a part of the kind's memory, cut at its end. Its addresses stay mapped until it and its memory are garbage,
	 * as those of a mapping; until then the blocks that this hold leaves behind when it is closed are not freed.
	 */
	kindWindow(id: number, segment: number, offset: number, length: number): ArrayBuffer;
	/** An ArrayBuffer over a block; the block of that generation is freed when it is garbage. */
	kindCollectedWindow(id: number, segment: number, offset: number, length: number, generation: number): ArrayBuffer;

	/**
	 * Lets other threads ask this one for what its cache holds. Gives the number that tells this process from others, and the kind's
	 * secret.
	 */
	kindShare(id: number): [process: number, secret: string];
	/** Joins a kind of this process; undefined if nobody holds it any more, or the secret is another. */
	kindAttach(process: number, number: number, secret: string): KindHold | undefined;
	/** The number of a NUMA node and the bytes of the kind that are on it, for each node; undefined where that is not known. */
	kindNodes(id: number): Float64Array | undefined;
	/** Says that this hold is about to be closed. Whether it is the last one that has not left. */
	kindLeave(id: number): boolean;
	/** This hold has somebody who listens to the kind's losses: {@link NativeLoss.isHeard}. */
	kindListen(id: number): void;
	/** Gives a block a generation, in place of the one that it may have. */
	kindReference(id: number, segment: number, offset: number, length: number, zone: number, sort: number): number;
	/** All threads may know the block of that generation from now on. -ESTALE if it has been freed. */
	kindShareBlock(id: number, segment: number, offset: number, generation: number): number;
	/** Tells the new length of the block of that generation. -ESTALE if it has been freed. */
	kindRelength(id: number, segment: number, offset: number, generation: number, length: number): number;
	/** What the block of that generation is; undefined if it has been freed. */
	kindDereference(
		id: number,
		segment: number,
		offset: number,
		generation: number,
	): [code: number, units: number, length: number, zone: number] | undefined;
	/** Takes a block's generation away; it is still to be freed. -ESTALE if it has none, or another. */
	kindUnreference(id: number, segment: number, offset: number, generation: number): number;
	/** The same, and detaches the ArrayBuffer; the block will be freed by kindFree, or at the end of this thread. */
	kindQuarantine(id: number, segment: number, offset: number, generation: number, buffer: ArrayBuffer): number;
	/** Frees the block of that generation and detaches its own ArrayBuffer. -ESTALE if that was done already. */
	kindFreeReferenced(id: number, segment: number, offset: number, generation: number, buffer?: ArrayBuffer): number;
	/** Throws ERR_DAXKIND_TOO_MANY_HANDLES when open kinds have all numbers for handles. */
	kindRawTables(id: number): RawTables;
	/** Whether a kind of this process, maybe a closed one, has this number for its raw handles. */
	kindIsHandle(number: number): boolean;

	/** Empties the thread's cache and has a thread punch out what is free; bytes, those so far after two seconds without progress. */
	kindPurge(id: number): number;
	kindPurgeAsync(id: number): NativeJob<number>;
	/** Commits everything and faults it in. */
	kindPrefaultAsync(id: number): NativeJob<undefined>;
	/** Which part of the capacity, or of what the file system has, is in use when the pressure word becomes 1. */
	kindWatch(id: number, part: number): void;
	/** Bytes in blocks that the garbage collector frees, if that part of it is in use; else, and of a closed kind, 0. */
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
	 * For each class, and then for all runs: slabs, slots, blocks, their bytes, cached blocks, their bytes. Of the blocks, maybe without
	 * those that the garbage collector frees.
	 */
	kindClassUse(id: number, isWithoutCollected: boolean): Float64Array;
	/** Lets go of the kind. ArrayBuffers over it that were not detached read zeros from then on. */
	kindClose(id: number): void;
	/** The same once all ArrayBuffers over its memory are garbage. Whether it had not been closed. */
	kindForget(id: number): boolean;
	kindCloseAsync(id: number): NativeJob<undefined>;
}

/** ArrayBuffers over memory of the addon, whatever scripts have done to them. */
interface ArrayBuffers {
	/** napi_detach_arraybuffer: every view of it has length 0 from then on. Also of one that markAsUntransferable has marked. */
	detachArrayBuffer(buffer: ArrayBuffer): void;
	/** Whether it can do that to marked ones in this runtime. Where it cannot, it ends the process, and none is to be marked. */
	detachesMarked: boolean;
}

/** The addon's exports. */
export interface Native extends Syscalls, BadBlockCalls, Mappings, Persistence, Kinds, ArrayBuffers {
	/** Is called with each loss of this thread's kinds and mappings, in turns of its event loop. It must not throw. */
	setLossHandler(handler: (loss: NativeLoss) => void): void;
	/** Puts the process's SIGBUS handler back where somebody has set another one; what is there goes on getting what is not ours. */
	armGuard(): void;
	/** Whether the guard has put zeros in place of a page of it. */
	isLost(view: Uint8Array): boolean;
	/**
	 * Registers what makes the errors of failed system calls, and whether markAsUntransferable keeps everybody from detaching an
	 * ArrayBuffer; done here, once for each thread.
	 */
	init(options: { systemError: typeof systemError; areMarksKeys: boolean }): void;
}

/** Whether markAsUntransferable sets a key without which nobody can detach an ArrayBuffer, as since Node 24. */
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

/** The addon. Using it throws ERR_DAXKIND_NATIVE where it could not be loaded. */
export const native: Native = loadAddon((addon: Native) => addon.init({ systemError, areMarksKeys: areMarksKeys() }));
