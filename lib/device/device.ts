// What sysfs says of one device-DAX device, /dev/daxX.Y (Documentation/ABI/testing/sysfs-bus-dax).
import type { Stats } from 'node:fs';
import { basename } from 'node:path';
import { deviceNumbers, parseNumber } from '../sysfs.ts';
import { refused, type Tree } from '../tree.ts';
import { type AddressRange, type DeviceMemory, memoryIn } from './memory.ts';
import { isClassDevice, isDynamic, natural, originOf, ownerOf } from './origin.ts';

/**
 * The mode as daxctl names it, by the driver that has the device. `devdax`: whoever opens the node can map it.
 * `system-ram`: it is ordinary memory of a NUMA node. `famfs`: it is for that file system. `disabled`: it has no
 * driver. `unknown`: it has another driver, or sysfs does not tell.
 */
export type DaxDeviceMode = 'devdax' | 'system-ram' | 'famfs' | 'disabled' | 'unknown';

/** A range of physical addresses that a device has. */
export interface DaxMapping {
	/** Where in the device the range begins, in pages. */
	pageOffset: number | undefined;
	/** Its first physical address, and its last one. Only root sees them. */
	start: number | undefined;
	end: number | undefined;
	/** Bytes. */
	size: number | undefined;
}

/** A device-DAX device. */
export interface DaxDevice {
	/** dax0.0. */
	name: string;
	/** Its node, /dev/dax0.0. Undefined where there is no node. */
	path: string | undefined;
	/** Who may open its node. */
	permissions: { mode: number; uid: number; gid: number } | undefined;
	/** The numbers of the character device. */
	major: number | undefined;
	minor: number | undefined;
	mode: DaxDeviceMode;
	/** The driver: device_dax, kmem… */
	driver: string | undefined;
	/** Bytes. */
	size: number | undefined;
	/** Mappings have to be multiples of this many bytes. */
	align: number | undefined;
	/** The physical address at which its memory begins. Only root sees it. */
	start: number | undefined;
	/** The ranges that its memory consists of. Empty where the kernel does not list them (before 5.10). */
	mappings: DaxMapping[];
	/** The nearest NUMA node that has memory. Undefined if the kernel does not say. */
	numaNode: number | undefined;
	/** The NUMA node that its memory is, or would be, as system RAM. Undefined if it has no such node. */
	targetNode: number | undefined;
	/** The region that it is a part of, as in `DaxRegion.name`. */
	region: string | undefined;
	/** What found its memory, as in `DaxRegion.provider`. */
	provider: string | undefined;
	/** The nvdimm namespace that it is. Undefined for other memory, for example that of CXL. */
	namespace: string | undefined;
	/** As in `DaxRegion.persistenceDomain`. */
	persistenceDomain: string | undefined;
	/** Whether it can be resized and removed, and others can be made beside it. Undefined where that is not known. */
	dynamic: boolean | undefined;
	/** The kernel's device model in which it was found. */
	model: 'bus' | 'class' | undefined;
	/**
	 * Its memory blocks, if it is system RAM. Only root sees them, because only root may see the addresses by which they
	 * are found.
	 */
	memory: DeviceMemory | undefined;
	/** Why a field is undefined, where something refused to say: `{ start: 'EACCES: only root may read /sys/…/resource' }`. */
	reasons: Partial<Record<'start' | 'memory' | 'mappings' | 'path', string>>;
}

const modes: ReadonlyMap<string, DaxDeviceMode> = new Map([
	['device_dax', 'devdax'],
	['kmem', 'system-ram'],
	// daxctl 85 and later recognise famfs by this driver.
	['fsdev_dax', 'famfs'],
]);

function mappingsOf(tree: Tree, directory: string): { mappings: DaxMapping[]; error: string | undefined } {
	let error: string | undefined;
	const mappings = tree
		.list(directory)
		.filter((name) => /^mapping\d+$/.test(name))
		.map((name) => {
			const at = `${directory}/${name}`;
			const [pageOffset, start, end] = ['page_offset', 'start', 'end'].map((attribute) => {
				const reading = tree.number(`${at}/${attribute}`);
				if (reading.error !== undefined) error ??= refused(reading.error, `${at}/${attribute}`);
				return reading.value;
			});
			const size = start === undefined || end === undefined || end < start ? undefined : end - start + 1;
			return { pageOffset, start, end, size };
		});
	return { mappings, error };
}

type Extent = Pick<DaxDevice, 'start' | 'size' | 'mappings'>;

/** The addresses of a device's memory, as far as this user may see them. */
export function rangesOf({ start, size, mappings }: Extent): AddressRange[] {
	const ranges = mappings.flatMap(({ start, end }) =>
		start === undefined || end === undefined ? [] : [{ start, end: end + 1 }],
	);
	if (ranges.length === 0 && start !== undefined && size !== undefined) ranges.push({ start, end: start + size });
	return ranges;
}

/** The memory blocks of a device, or why they are not known. */
function memoryOf(tree: Tree, extent: Extent): { memory: DeviceMemory | undefined; reason?: string } {
	const ranges = rangesOf(extent);
	if (ranges.length === 0)
		return { memory: undefined, reason: 'its blocks are found by its addresses, which only root can read' };
	const memory = memoryIn(tree, ranges);
	return memory === undefined ? { memory, reason: 'the kernel has no memory blocks' } : { memory };
}

/**
 * Whether a node has other device numbers. Such a node was left behind by a device that is gone, or was made by hand.
 */
function isOfOther(stats: Stats | undefined, major: number | undefined, minor: number | undefined): boolean {
	if (!stats?.isCharacterDevice() || major === undefined || minor === undefined) return false;
	const numbers = deviceNumbers(stats.rdev);
	return numbers.major !== major || numbers.minor !== minor;
}

/**
 * The device at a directory of sysfs whose links are all resolved.
 *
 * @param options `hasMemory`: whether its memory blocks are to be read. A large machine has thousands of them. Default
 * true.
 */
export function deviceIn(tree: Tree, directory: string, { hasMemory = true } = {}): DaxDevice {
	const isClass = isClassDevice(tree, directory);
	const owner = ownerOf(tree, directory);
	const name = basename(directory);
	const driver = tree.resolve(`${directory}/driver`);
	const driverName = driver === undefined ? undefined : basename(driver);
	const mode = isClass ? 'devdax' : driverName === undefined ? 'disabled' : (modes.get(driverName) ?? 'unknown');
	const { name: region, provider, persistenceDomain } = originOf(tree, owner);
	const [major, minor] = (tree.read(`${directory}/dev`).value ?? '')
		.split(':')
		.map((part) => natural(parseNumber(part)));
	const node = `/dev/${name}`;
	const found = tree.stat(node) as Stats | undefined;
	const stats = isOfOther(found, major, minor) ? undefined : found;
	const resource = tree.number(`${directory}/resource`);
	const { mappings, error: mappingsError } = mappingsOf(tree, directory);
	const size = natural(tree.number(`${directory}/size`).value);
	const start = natural(resource.value ?? mappings[0]?.start);
	const { memory, reason } = mode === 'system-ram' && hasMemory ? memoryOf(tree, { start, size, mappings }) : {};
	return {
		name,
		path: stats === undefined ? undefined : node,
		permissions: stats === undefined ? undefined : { mode: stats.mode & 0o7777, uid: stats.uid, gid: stats.gid },
		major,
		minor,
		mode,
		driver: driverName,
		size,
		align: natural(tree.number(`${directory}/align`).value),
		start,
		mappings,
		numaNode: natural(tree.number(`${directory}/numa_node`).value),
		targetNode: natural(tree.number(`${directory}/target_node`).value),
		region,
		provider,
		namespace: tree.read(`${owner}/namespace`).value || undefined,
		persistenceDomain,
		dynamic: tree.isDirectory(`${owner}/dax_region`) ? isDynamic(tree, owner) : isClass ? false : undefined,
		model: isClass ? 'class' : 'bus',
		memory,
		reasons: {
			...(stats === undefined && {
				path: found === undefined ? `there is no ${node}` : `${node} belongs to another device`,
			}),
			...(start === undefined &&
				resource.error !== undefined && { start: refused(resource.error, `${directory}/resource`) }),
			...(mappingsError !== undefined && { mappings: mappingsError }),
			...(reason !== undefined && { memory: reason }),
		},
	};
}
