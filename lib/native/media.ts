// What the addon finds and repairs on bad blocks.
import type { NativeJob } from './job.ts';
import type { Syscalls } from './syscalls.ts';

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

/** Bad blocks. A list of ranges is the bytes of a Float64Array: pairs of an offset and a length, in bytes. */
export interface BadBlockCalls {
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
