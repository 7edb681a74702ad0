// What sysfs says of the block device under a file system (Documentation/ABI/stable/sysfs-block): whether it can do
// DAX, where its partition begins, and what it is made of.
import { basename, dirname } from 'node:path';
import { parseSwitch } from '../sysfs.ts';
import { machine } from '../tree.ts';

/** sysfs gives `start` and `size` in this unit, whatever the sectors of the device are. */
const sysfsSector = 512;

/** What a device is made of, as far as the kernel tells. */
export type BlockDeviceLayer =
	| { type: 'loop'; name: string; dax: boolean | undefined; backingFile: string | undefined }
	/** `mapping` is the device-mapper's name, `uuid` says who made it: CRYPT-…, LVM-…, mpath-…; often empty. */
	| { type: 'device-mapper'; name: string; dax: boolean | undefined; mapping: string; uuid: string }
	/** `level` is raid0, raid1, linear… */
	| { type: 'md'; name: string; dax: boolean | undefined; level: string }
	| { type: 'disk'; name: string; dax: boolean | undefined };

/** A block device. */
export interface BlockDevice {
	/** The kernel's name: pmem0, pmem0p1, sda2, dm-0… */
	name: string;
	major: number;
	minor: number;
	/** The whole disk's name. It is the same as `name` if the device is not a partition. */
	disk: string;
	/** Whether it can do DAX: queue/dax of the disk. Undefined where the kernel does not say. */
	dax: boolean | undefined;
	/** Bytes. */
	size: number | undefined;
	/** Its place on the disk, if it is a partition. */
	partition: { number: number; start: number } | undefined;
	/** queue/logical_block_size, queue/physical_block_size: bytes. */
	logicalSector: number | undefined;
	physicalSector: number | undefined;
	/** The disk itself, then what it is made of, down to the last: the layers between a file system and the medium. */
	layers: BlockDeviceLayer[];
	/** The disk's directory in sysfs. */
	sysfs: string;
}

/** No sensible system has so many layers. The limit guards against a loop of names. */
const maxLayers = 16;

function layerOf(name: string): BlockDeviceLayer {
	const directory = `/sys/class/block/${name}`;
	const dax = parseSwitch(machine.read(`${directory}/queue/dax`).value);
	const mapping = machine.read(`${directory}/dm/name`).value;
	if (mapping !== undefined) {
		return { type: 'device-mapper', name, dax, mapping, uuid: machine.read(`${directory}/dm/uuid`).value ?? '' };
	}
	const level = machine.read(`${directory}/md/level`).value;
	if (level !== undefined) return { type: 'md', name, dax, level };
	if (/^loop\d/.test(name)) {
		return { type: 'loop', name, dax, backingFile: machine.read(`${directory}/loop/backing_file`).value };
	}
	return { type: 'disk', name, dax };
}

/** A partition's disk, or the device itself. */
function diskOf(name: string): string {
	const directory = machine.resolve(`/sys/class/block/${name}`);
	return directory !== undefined && machine.read(`${directory}/partition`).value !== undefined
		? basename(dirname(directory))
		: name;
}

function layersOf(disk: string): BlockDeviceLayer[] {
	const layers: BlockDeviceLayer[] = [];
	const seen = new Set<string>();
	const waiting = [disk];
	while (waiting.length > 0 && layers.length < maxLayers) {
		const name = waiting.shift()!;
		if (seen.has(name)) continue;
		seen.add(name);
		layers.push(layerOf(name));
		waiting.push(...machine.list(`/sys/class/block/${name}/slaves`).map(diskOf));
	}
	return layers;
}

/**
 * The block device with these numbers. Undefined if there is no such device, as under tmpfs, btrfs or a network file
 * system.
 */
export function blockDevice(major: number, minor: number): BlockDevice | undefined {
	const directory = machine.resolve(`/sys/dev/block/${major}:${minor}`);
	if (directory === undefined) return undefined;
	const number = machine.number(`${directory}/partition`).value;
	const sysfs = number === undefined ? directory : dirname(directory);
	const size = machine.number(`${directory}/size`).value;
	const layers = layersOf(basename(sysfs));
	return {
		name: basename(directory),
		major,
		minor,
		disk: basename(sysfs),
		dax: layers[0]!.dax,
		size: size === undefined ? undefined : size * sysfsSector,
		partition:
			number === undefined
				? undefined
				: { number, start: (machine.number(`${directory}/start`).value ?? 0) * sysfsSector },
		logicalSector: machine.number(`${sysfs}/queue/logical_block_size`).value,
		physicalSector: machine.number(`${sysfs}/queue/physical_block_size`).value,
		layers,
		sysfs,
	};
}
