// The types of the report of inspect(): what it finds out about a path.

import type { DaxDevice } from '../device/index.ts';
import type { BadBlocksUnder } from '../media/index.ts';
import type { MountInfo } from '../mountinfo.ts';
import type { BlockDevice } from './block-device.ts';
import type { DaxHugePages } from './huge-pages.ts';
import type { DaxMode } from './modes.ts';
import type { PmemNamespace, PmemRegion } from './nvdimm.ts';

/** What about a file keeps it off DAX, whatever its flag, its mount and its device say. */
export type DaxExclusion =
	/** ext4: its data are in the inode. */
	| 'inline data'
	/** erofs: its last part shares a block with its inode. */
	| 'packed tail'
	/** fscrypt. */
	| 'encryption'
	/** fs-verity. */
	| 'verity'
	/** ext4: its data go through the journal, `chattr +j`. */
	| 'data journalling'
	/** erofs, btrfs. */
	| 'compression'
	/** XFS: another file shares blocks with it, as after `cp --reflink`. */
	| 'shared blocks';

export type DaxFileType = 'file' | 'directory' | 'block device' | 'character device' | 'FIFO' | 'socket' | 'unknown';

/** The file, or directory, at the path. */
export interface DaxFileReport {
	/**
	 * Its path without symbolic links. It is the path as given where that cannot be found out, or where there is no such
	 * path: a deleted file by /proc/self/fd, a file of another mount namespace by /proc/PID/root.
	 */
	realPath: string;
	type: DaxFileType;
	/** Bytes. */
	size: number;
	/** How many names the file has. */
	links: number;
	/**
	 * STATX_ATTR_DAX: whether the file is on DAX now. Never true of a directory. Undefined where the kernel does not say.
	 */
	dax: boolean | undefined;
	/** The error code if statx is refused, for example by a sandbox. Undefined if it is not refused. */
	refusal: string | undefined;
	/** STATX_ATTR_ bits. `attributesMask` has the bits that the kernel reports of this file at all. */
	attributes: bigint;
	attributesMask: bigint;
	/** FS_XFLAG_DAX, the persistent flag. Undefined where there is no such flag or it cannot be read. */
	flag: boolean | undefined;
	/** FS_XFLAG_ bits (FS_IOC_FSGETXATTR), or why they cannot be read: ENOTTY, EACCES… */
	xflags: number | undefined;
	xflagsError: string | undefined;
	/** The extent size hint in bytes. 0: no hint. */
	extentSizeHint: number;
	/** FS_ bits of FS_IOC_GETFLAGS, as lsattr(1) shows them. */
	inodeFlags: number | undefined;
	exclusions: DaxExclusion[];
}

/** The directory at the path, or the one that the file is in. */
export interface DaxDirectoryReport {
	path: string;
	/**
	 * FS_XFLAG_DAX of the directory. What is made in it inherits the flag. Undefined where there is no such flag or it
	 * cannot be read.
	 */
	flag: boolean | undefined;
}

/**
 * A nameless file that was made in the directory at the path and then let go. Absent if the path is not a directory.
 */
export interface DaxNewFileReport {
	/** Whether it was on DAX. Undefined if no file could be made, or the kernel does not say. */
	dax: boolean | undefined;
	/** Why no file could be made: EROFS, EACCES, EOPNOTSUPP… */
	error: string | undefined;
}

/** The mount that the path is really in. */
export interface DaxMountReport extends MountInfo {
	/**
	 * The options as mountinfo shows them. data=journal is among them also where it is ext4's default, which mountinfo
	 * does not show.
	 */
	superOptions: string[];
	/** The driver behind fsType: ext4 for an ext2 that it serves. */
	driver: string;
	/** The option about DAX as the kernel shows it. Undefined if it shows no such option. */
	daxOption: string | undefined;
	/** What that option means on this file system and kernel. */
	mode: DaxMode;
	/**
	 * The mode that is in effect. `unsupported` where the device, the partition or the block size exclude DAX. Undefined
	 * where it is not known whether the device can do DAX.
	 */
	effectiveMode: DaxMode | undefined;
	/** Whether FS_XFLAG_DAX decides in mode `inode`. On virtiofs the server decides. */
	byFlag: boolean;
	/** Where the same file system is mounted, this mount included, and which directory of it (not / for bind mounts). */
	mounts: Pick<MountInfo, 'mountPoint' | 'root'>[];
	/**
	 * For XFS on a partition: where other XFS file systems of the same disk are mounted. Only the one that was mounted
	 * first has DAX.
	 */
	rivals: string[];
	/** overlayfs: the directory that files are written to. */
	upperDirectory: string | undefined;
}

/** The file system. */
export interface DaxFileSystemReport {
	/** Bytes. 0 if statfs does not say. */
	blockSize: number;
	/**
	 * What its allocator aligns large files to, in bytes (ext4's stripe, XFS's sunit). 0 if the file system shows
	 * nothing.
	 */
	allocationUnit: number;
	/** virtiofs: whether the share has a DAX window. */
	daxWindow?: boolean | undefined;
}

/** Whether MAP_SYNC is possible. */
export interface DaxMapSyncReport {
	/** Undefined if MAP_SYNC could not be tried. */
	supported: boolean | undefined;
	/** What was mapped. */
	tried: 'the file' | 'a temporary file' | undefined;
	/** The error of mmap if it refused (as a rule ENOTSUP), or why MAP_SYNC could not be tried. */
	error: string | undefined;
}

/** What this kernel was found to have. */
export interface DaxKernelReport {
	/** Bytes. */
	pageSize: number;
	/** How many bytes one PMD entry maps. */
	hugePageSize: number;
	/**
	 * Whether it reports STATX_ATTR_DAX and so has DAX by file: Linux 5.8 and later. Undefined where statx is refused.
	 */
	perFileDax: boolean | undefined;
	/** Whether it knows MAP_SYNC: 4.15 and later. Undefined if that could not be tried. */
	mapSync: boolean | undefined;
}

/**
 * How it is known whether a path is on DAX. `statx`: by STATX_ATTR_DAX. `MAP_SYNC`: STATX_ATTR_DAX is not reported, but
 * MAP_SYNC is accepted, and only DAX accepts it. `rules`: by what follows from the mount, the medium, the flag and the
 * contents. `driver`: by the driver of a device-DAX node.
 */
export type DaxKnownBy = 'statx' | 'MAP_SYNC' | 'rules' | 'driver';

/** Everything that decides whether a path is on DAX, as it was read. */
export interface DaxReport {
	/** The path as the caller gave it. */
	path: string;
	/**
	 * Whether the file is on DAX now. For a directory: whether a file that is made in it is. Where no file can be made in
	 * the directory, or the kernel does not say, it is what follows from the rest of the report. For a device-DAX node:
	 * whether it can be mapped. Undefined if it is not known.
	 */
	dax: boolean | undefined;
	/** How `dax` is known. Undefined if it is not known. */
	knownBy: DaxKnownBy | undefined;
	file: DaxFileReport;
	directory: DaxDirectoryReport;
	newFile?: DaxNewFileReport;
	/** Absent only if the mount is not in this process's table of mounts. */
	mount?: DaxMountReport;
	/** Why the table of mounts cannot be read: ENOENT without /proc… Absent if it can be read. */
	mountsError?: string;
	fileSystem: DaxFileSystemReport;
	/** Absent if the file system is not on a block device: tmpfs, overlayfs, virtiofs… */
	device?: BlockDevice;
	/** Present if the path is a device-DAX node. */
	daxDevice?: DaxDevice;
	/** Present if the device is persistent memory. */
	namespace?: PmemNamespace;
	region?: PmemRegion;
	/**
	 * What the kernel lists as bad of the device, or device-DAX device, and of the file. Present if the path is on such a
	 * device.
	 */
	badBlocks?: BadBlocksUnder;
	kernel: DaxKernelReport;
	mapSync: DaxMapSyncReport;
	hugePages: DaxHugePages;
}
