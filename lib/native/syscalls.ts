// What the addon does with files, flags and file systems.
import type { Constants } from './constants.ts';
import type { NativeJob } from './job.ts';

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

/** Files, flags and file systems. All of these throw a {@link SystemError} that names the call. */
export interface Syscalls {
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
	 * fcntl(F_OFD_SETLK) of a byte far behind the end: locks a file or a device as a whole, among those who ask in this
	 * way, until the descriptor is closed. False if another open descriptor of any process has the lock.
	 */
	lockDescriptor(fd: number): boolean;
	/**
	 * fallocate(KEEP_SIZE): gives blocks to the holes in a range. If it fails, it makes holes again of the blocks that
	 * it took. `path` is for the error only.
	 */
	allocateOrNothing(fd: number, offset: number, length: number, path?: string): void;
	/** getcpu: the NUMA node of the processor that this thread runs on now; 0 where the call is refused. */
	currentNode(): number;
}
