// What badBlocksAsync() finds out: the types of its report.

import type { ByteRange } from '../byte-ranges.ts';
import type { SystemError } from '../errors.ts';
import type { BadBlockList } from './device-list.ts';

/** A part of a file that is on bad blocks: it cannot be read. In bytes, whole blocks of the file system. */
export interface BadPart extends ByteRange {
	/** The file, or directory. Bytes that are not UTF-8 are shown as \xff. */
	path: string;
	type: 'file' | 'directory';
	/** How many names the file has. */
	links: number;
	/** Of the file. */
	size: number;
	/** The block device that its file system is on: pmem0, pmem0p1, dm-0. */
	device: string;
	/** Where the part is on that device. */
	deviceOffset: number;
	/** Nobody has written there yet: it reads as zeros, and nothing is lost. */
	unwritten: boolean;
	/** Another file has the same blocks, too (reflink). */
	shared: boolean;
}

/** The bad blocks under a path. Offsets and lengths are bytes. */
export interface BadBlocks {
	/** As it was given. */
	path: string;
	/** `mount`: the top of a whole file system. */
	type: 'file' | 'directory' | 'mount' | 'block device' | 'DAX device';
	/** The device at the path, or below it; undefined where the file system is on none. */
	device: BadBlockList | undefined;
	/** What of files and directories is bad. Those of a device are found where its file systems are mounted. */
	parts: BadPart[];
	/**
	 * Bad ranges of the device that no file was found on: free space, the file system's own data, or a file that no name leads to. Only of
	 * a mount and of a block device, otherwise undefined.
	 */
	unowned: ByteRange[] | undefined;
	/** How many files and directories were looked at: none where the device has no bad blocks. */
	files: number;
	directories: number;
	/** The files of sysfs that were read. */
	sources: string[];
	/** Why there may be more than is said here, as clauses; empty if there are not. */
	doubts: string[];
	/** What could not be looked at. */
	failures: SystemError[];
}

/** How far a walk for bad blocks is. */
export interface BadBlocksProgress {
	files: number;
	directories: number;
	/** Of those, the ones on bad blocks. */
	found: number;
}
