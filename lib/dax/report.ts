// What inspect() finds out about a path: the types of its report.

import type { DaxDevice } from '../device/index.ts';
import type { BadBlocksUnder } from '../media/index.ts';
import type { MountInfo } from '../mountinfo.ts';
import type { BlockDevice } from './block-device.ts';
import type { DaxHugePages } from './huge-pages.ts';
import type { DaxMode } from './modes.ts';
import type { PmemNamespace, PmemRegion } from './nvdimm.ts';

/** What of a file keeps it off DAX, whatever its flag, its mount and its device say. */
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
	/** XFS: blocks that another file has, too, as after `cp --reflink`. */
	| 'shared blocks';

export type DaxFileType = 'file' | 'directory' | 'block device' | 'character device' | 'FIFO' | 'socket' | 'unknown';

/** The file, or directory, at the path. */
export interface DaxFileReport {
	/**
	 * Its path without symbolic links; the path as given where that cannot be found out, or there is none: a deleted file by
	 * /proc/self/fd, one of another mount namespace by /proc/PID/root.
	 */
	realPath: string;
	type: DaxFileType;
	/** Bytes. */
	size: number;
	/** How many names it has. */
	links: number;
	/** STATX_ATTR_DAX: whether the file is on DAX now. Never true of a directory; undefined where the kernel does not say. */
	dax: boolean | undefined;
	/** The code with which statx is refused, as by a sandbox; undefined if it is not. */
	refusal: string | undefined;
	/** STATX_ATTR_ bits, and those that the kernel reports of this file at all. */
	attributes: bigint;
	attributesMask: bigint;
	/** FS_XFLAG_DAX, the persistent flag; undefined where there is none or it cannot be read. */
	flag: boolean | undefined;
	/** FS_XFLAG_ bits (FS_IOC_FSGETXATTR), or why they cannot be read: ENOTTY, EACCES… */
	xflags: number | undefined;
	xflagsError: string | undefined;
	/** The extent size hint in bytes; 0: none. */
	extentSizeHint: number;
	/** FS_ bits of FS_IOC_GETFLAGS, as of lsattr(1). */
	inodeFlags: number | undefined;
	exclusions: DaxExclusion[];
}

/** The directory at the path, or the one that the file is in. */
export interface DaxDirectoryReport {
	path: string;
	/** FS_XFLAG_DAX of it, which what is made in it inherits; undefined where there is none or it cannot be read. */
	flag: boolean | undefined;
}

/** A nameless file that was made in the directory at the path, and let go. Not there if the path is no directory. */
export interface DaxNewFileReport {
	/** Whether it was on DAX; undefined if none could be made, or the kernel does not say. */
	dax: boolean | undefined;
	/** Why none could be made: EROFS, EACCES, EOPNOTSUPP… */
	error: string | undefined;
}

/** The mount that the path is really in. */
export interface DaxMountReport extends MountInfo {
	/** As mountinfo shows them, and data=journal also where it is ext4's default, which is not shown. */
	superOptions: string[];
	/** The driver behind fsType: ext4 for an ext2 that it serves. */
	driver: string;
	/** The option about DAX as the kernel shows it; undefined: none is shown. */
	daxOption: string | undefined;
	/** What that means on this file system and kernel. */
	mode: DaxMode;
	/**
	 * What is in effect: `unsupported` where the device, the partition or the block size exclude DAX; undefined where it is not known
	 * whether the device can do DAX.
	 */
	effectiveMode: DaxMode | undefined;
	/** Whether FS_XFLAG_DAX decides in mode `inode`; on virtiofs the server does. */
	byFlag: boolean;
	/** Where the same file system is mounted, this mount among them, and which directory of it: not / for bind mounts. */
	mounts: Pick<MountInfo, 'mountPoint' | 'root'>[];
	/** XFS on a partition: where other XFS file systems on the same disk are mounted. Only the one mounted first has DAX. */
	rivals: string[];
	/** overlayfs: the directory that files are written to. */
	upperDirectory: string | undefined;
}

/** The file system. */
export interface DaxFileSystemReport {
	/** Bytes; 0: statfs does not say. */
	blockSize: number;
	/** What its allocator aligns large files to, in bytes (ext4's stripe, XFS's sunit); 0: nothing is shown. */
	allocationUnit: number;
	/** virtiofs: whether the share has a DAX window. */
	daxWindow?: boolean | undefined;
}

/** Whether MAP_SYNC is possible. */
export interface DaxMapSyncReport {
	/** Undefined if it could not be tried. */
	supported: boolean | undefined;
	/** What was mapped. */
	tried: 'the file' | 'a temporary file' | undefined;
	/** How mmap refused, ENOTSUP as a rule, or why it could not be tried. */
	error: string | undefined;
}

/** What this kernel was seen to have. */
export interface DaxKernelReport {
	/** Bytes. */
	pageSize: number;
	/** What one PMD entry maps, in bytes. */
	hugePageSize: number;
	/** It reports STATX_ATTR_DAX and so has DAX by file: Linux 5.8 and later. Undefined where statx is refused. */
	perFileDax: boolean | undefined;
	/** It knows MAP_SYNC: 4.15 and later; undefined if that could not be tried. */
	mapSync: boolean | undefined;
}

/**
 * How it is known whether a path is on DAX: STATX_ATTR_DAX (`statx`); where that is not reported, that MAP_SYNC is accepted, which only
 * DAX does; what the mount, the medium, the flag and the contents make of it (`rules`); of a device-DAX node, its `driver`.
 */
export type DaxKnownBy = 'statx' | 'MAP_SYNC' | 'rules' | 'driver';

/** Everything that decides whether a path is on DAX, as it was read. */
export interface DaxReport {
	/** As it was given. */
	path: string;
	/**
	 * Whether the file is on DAX now, or for a directory, whether a file made in it is. Of a directory in which none can be made, and
	 * where the kernel does not say: what follows from the rest. Of a device-DAX node, whether it can be mapped. Undefined if it is not
	 * known.
	 */
	dax: boolean | undefined;
	/** How that is known; undefined if it is not. */
	knownBy: DaxKnownBy | undefined;
	file: DaxFileReport;
	directory: DaxDirectoryReport;
	newFile?: DaxNewFileReport;
	/** Not there only if it is not in this process's table of mounts. */
	mount?: DaxMountReport;
	/** Why the table of mounts cannot be read: ENOENT without /proc… Not there if it can. */
	mountsError?: string;
	fileSystem: DaxFileSystemReport;
	/** Not there if the file system is on none: tmpfs, overlayfs, virtiofs… */
	device?: BlockDevice;
	/** There if the path is a device-DAX node. */
	daxDevice?: DaxDevice;
	/** There if the device is persistent memory. */
	namespace?: PmemNamespace;
	region?: PmemRegion;
	/** What the kernel lists as bad of the device, or device-DAX device, and of the file. There if the path is on one. */
	badBlocks?: BadBlocksUnder;
	kernel: DaxKernelReport;
	mapSync: DaxMapSyncReport;
	hugePages: DaxHugePages;
}
