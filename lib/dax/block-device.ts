// What sysfs says of the block device under a file system. queue/dax answers whether the device can do DAX; a partition has no queue of
// its own and shares its disk's.
import { readFileSync, realpathSync } from 'node:fs';
import { basename, dirname } from 'node:path';

/** The units of `start` in sysfs, whatever the device's sectors are (Documentation/ABI/stable/sysfs-block). */
const sysfsSector = 512;

/** A block device. */
export interface BlockDevice {
	/** The kernel's name: pmem0, pmem0p1, sda2, dm-0… */
	name: string;
	/** The whole disk's name; the same if it is not a partition. */
	disk: string;
	/** Whether it can do DAX; undefined where the kernel does not say. */
	dax: boolean | undefined;
	/** Where a partition starts on its disk, in bytes; 0 for a whole disk. */
	start: number;
}

function read(path: string): string | undefined {
	try {
		return readFileSync(path, 'utf8').trim();
	} catch {
		return undefined;
	}
}

/** The block device of these numbers; undefined if there is none, as under tmpfs, btrfs or a network file system. */
export function blockDevice(major: number, minor: number): BlockDevice | undefined {
	let directory: string;
	try {
		directory = realpathSync(`/sys/dev/block/${major}:${minor}`);
	} catch {
		return undefined;
	}
	const isPartition = read(`${directory}/partition`) !== undefined;
	const disk = isPartition ? dirname(directory) : directory;
	const dax = read(`${disk}/queue/dax`);
	return {
		name: basename(directory),
		disk: basename(disk),
		dax: dax === undefined ? undefined : dax === '1',
		start: isPartition ? Number(read(`${directory}/start`) ?? 0) * sysfsSector : 0,
	};
}
