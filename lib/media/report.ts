// The types of what badBlocksAsync() reports.

import type { ByteRange } from '../byte-ranges.ts';
import type { SystemError } from '../errors.ts';
import type { BadBlockList } from './device-list.ts';

/** A part of a file that is on bad blocks and cannot be read. In bytes; it is whole blocks of the file system. */
export interface BadPart extends ByteRange {
	/** The file, or directory. Bytes that are not UTF-8 are shown as \xff. */
	path: string;
	type: 'file' | 'directory';
	/** How many names the file has. */
	links: number;
	/** The size of the file. */
	size: number;
	/** The block device that its file system is on: pmem0, pmem0p1, dm-0. */
	device: string;
	/** Where the part is on that device. */
	deviceOffset: number;
	/** Whether nobody has written there yet. If so, it reads as zeros, and nothing is lost. */
	unwritten: boolean;
	/** Whether another file has the same blocks, too (reflink). */
	shared: boolean;
}

/** The bad blocks under a path. Offsets and lengths are bytes. */
export interface BadBlocks {
	/** The path as the caller gave it. */
	path: string;
	/** `mount`: the top of a whole file system. */
	type: 'file' | 'directory' | 'mount' | 'block device' | 'DAX device';
	/** The device at the path, or below it. Undefined where the file system is not on a device. */
	device: BadBlockList | undefined;
	/** The bad parts of files and directories. For a device, they are found where its file systems are mounted. */
	parts: BadPart[];
	/**
	 * Bad ranges of the device on which no file was found: free space, the file system's own data, or a file that no name
	 * leads to. Undefined unless the path is a mount or a block device.
	 */
	unowned: ByteRange[] | undefined;
	/** How many files and directories were looked at. 0 if the device has no bad blocks. */
	files: number;
	directories: number;
	/** The files in sysfs that were read. */
	sources: string[];
	/** Why there may be more than this report says, as clauses. Empty if there is no reason to doubt it. */
	doubts: string[];
	/** What could not be looked at. */
	failures: SystemError[];
}

/** How far a walk for bad blocks has come. */
export interface BadBlocksProgress {
	files: number;
	directories: number;
	/** How many of those are on bad blocks. */
	found: number;
}
