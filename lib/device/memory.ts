// The memory blocks of a device in system-ram mode (Documentation/admin-guide/mm/memory-hotplug.rst). A block is the
// part that the kernel takes on- or offline.
import { parseNumber } from '../sysfs.ts';
import type { Tree } from '../tree.ts';

/** One block. */
export interface MemoryBlock {
	/** memory34: its directory in /sys/devices/system/memory. */
	name: string;
	/** Its physical address. */
	start: number;
	state: 'online' | 'offline' | 'going-offline' | 'unknown';
	/**
	 * The zone that it is in while it is online: Normal, Movable… Undefined while it is offline, and where the kernel
	 * does not say.
	 */
	zone: string | undefined;
	/** The zones in which it could come online; the kernel's own choice is the first. Empty while it is online. */
	possibleZones: string[];
	/** Whether the kernel says that it could be taken offline. Newer kernels say yes without having tried. */
	removable: boolean | undefined;
}

/** All of a device's blocks. */
export interface DeviceMemory {
	/** Bytes of one block. */
	blockSize: number;
	/** How many blocks there are. The parts of the device that are not whole blocks are lost while it is system RAM. */
	total: number;
	/** How many of them are online. */
	online: number;
	/**
	 * The zone of the blocks that are online. `mixed` if they are in several zones; undefined if no block is online or it
	 * is not known.
	 */
	zone: string | undefined;
	/**
	 * Whether everything that is online is in zone Movable, and so can be taken offline. Undefined if no block is online
	 * or it is not known.
	 */
	movable: boolean | undefined;
	/** Whether the kernel calls all of them removable. */
	removable: boolean | undefined;
	blocks: MemoryBlock[];
}

/** A range of physical addresses: its first address, and the first one behind it. */
export interface AddressRange {
	start: number;
	end: number;
}

export const memoryDirectory = '/sys/devices/system/memory';

/** A number that the kernel writes in hexadecimal without 0x. */
function parseHex(text: string | undefined): number | undefined {
	return text === undefined || !/^[\da-f]+$/i.test(text) ? undefined : parseNumber(`0x${text}`);
}

const states = ['online', 'offline', 'going-offline'] as const;

/** The physical address of a block. */
function startOf(tree: Tree, name: string, blockSize: number): number | undefined {
	const index = parseHex(tree.read(`${memoryDirectory}/${name}/phys_index`).value);
	return index === undefined || !Number.isSafeInteger(index * blockSize) ? undefined : index * blockSize;
}

function blockAt(tree: Tree, name: string, start: number): MemoryBlock {
	const path = `${memoryDirectory}/${name}`;
	const said = tree.read(`${path}/state`).value;
	const state = states.find((known) => known === said) ?? 'unknown';
	// "none" stands for a block that the kernel could not bring online in one zone.
	const zones = (tree.read(`${path}/valid_zones`).value ?? '')
		.split(/\s+/)
		.filter((zone) => zone !== '' && zone !== 'none');
	const removable = tree.read(`${path}/removable`).value;
	return {
		name,
		start,
		state,
		zone: state === 'offline' ? undefined : zones[0],
		possibleZones: state === 'offline' ? zones : [],
		removable: removable === '1' ? true : removable === '0' ? false : undefined,
	};
}

/** The size of a memory block in bytes. Undefined where the kernel has no memory blocks. */
export const blockSizeOf = (tree: Tree): number | undefined =>
	parseHex(tree.read(`${memoryDirectory}/block_size_bytes`).value) || undefined;

const one = <T>(values: readonly T[]): T | undefined => (new Set(values).size === 1 ? values[0] : undefined);

/** Whether all values are true: false if one is false, undefined if one is unknown or there are no values. */
const every = (values: readonly (boolean | undefined)[]): boolean | undefined =>
	values.includes(false) ? false : values.length === 0 || values.includes(undefined) ? undefined : true;

/** The blocks that lie in ranges of addresses. Undefined where the kernel has no memory blocks. */
export function memoryIn(tree: Tree, ranges: readonly AddressRange[]): DeviceMemory | undefined {
	const blockSize = blockSizeOf(tree);
	if (blockSize === undefined) return undefined;
	const blocks = tree
		.list(memoryDirectory)
		.filter((name) => /^memory\d+$/.test(name))
		.flatMap((name) => {
			const start = startOf(tree, name, blockSize);
			// Most blocks of a machine are other memory, so nothing more is read of them. A block of which only a part is in
			// the range does not belong to the device.
			const isIn =
				start !== undefined && ranges.some((range) => start >= range.start && start + blockSize <= range.end);
			return isIn ? blockAt(tree, name, start) : [];
		});
	const online = blocks.filter(({ state }) => state !== 'offline');
	const zones = online.map(({ zone }) => zone);
	return {
		blockSize,
		total: blocks.length,
		online: online.length,
		zone: zones.length === 0 ? undefined : (one(zones) ?? (zones.includes(undefined) ? undefined : 'mixed')),
		movable: every(zones.map((zone) => (zone === undefined ? undefined : zone === 'Movable'))),
		removable: every(blocks.map(({ removable }) => removable)),
		blocks,
	};
}

/** How many whole memory blocks a range has. */
export function wholeBlocks({ start, end }: AddressRange, blockSize: number): number {
	return Math.max(0, Math.floor(end / blockSize) - Math.ceil(start / blockSize));
}
