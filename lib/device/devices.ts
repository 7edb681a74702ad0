// What sysfs says of device-DAX devices, /dev/daxX.Y, and of the regions that they are parts of (Documentation/ABI/testing/sysfs-bus-dax).
import { basename, dirname } from 'node:path';
import { requireKnownOptions, requireOptions, requirePath } from '../arguments.ts';
import { parseNumber } from '../sysfs.ts';
import { type DeviceMemory, memoryIn } from './memory.ts';
import { type Tree, treeAt } from './tree.ts';

/**
 * As daxctl names it, by the driver that has the device: `devdax` is mapped by whoever opens the node, `system-ram` is ordinary memory of a
 * NUMA node, `famfs` is for that file system, `disabled` has no driver; `unknown` is another driver, and where sysfs does not tell.
 */
export type DaxDeviceMode = 'devdax' | 'system-ram' | 'famfs' | 'disabled' | 'unknown';

/** A range of physical addresses that a device has. */
export interface DaxMapping {
	/** Where in the device it begins, in pages. */
	pageOffset: number | undefined;
	/** Its first physical address, and its last one. For root. */
	start: number | undefined;
	end: number | undefined;
	/** Bytes. */
	size: number | undefined;
}

/** A device-DAX device. */
export interface DaxDevice {
	/** dax0.0. */
	name: string;
	/** Its node, /dev/dax0.0; undefined where there is none. */
	path: string | undefined;
	/** Of its node: who may open it. */
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
	/** The physical address at which its memory begins. For root. */
	start: number | undefined;
	/** The ranges that its memory consists of; empty where the kernel does not list them (before 5.10). */
	mappings: DaxMapping[];
	/** The nearest NUMA node with memory of its own; undefined if the kernel does not say. */
	numaNode: number | undefined;
	/** The NUMA node that its memory is, or would be, as system RAM; undefined if it has none. */
	targetNode: number | undefined;
	/** The region that it is a part of, as {@link DaxRegion.name}. */
	region: string | undefined;
	/** What found its memory, as {@link DaxRegion.provider}. */
	provider: string | undefined;
	/** The nvdimm namespace that it is; undefined for other memory, as that of CXL. */
	namespace: string | undefined;
	/** As {@link DaxRegion.persistenceDomain}. */
	persistenceDomain: string | undefined;
	/** Whether it can be resized and removed, and others made beside it; undefined where that is not known. */
	dynamic: boolean | undefined;
	/** Which of the kernel's two device models it was found in. */
	model: 'bus' | 'class' | undefined;
	/** Its memory blocks, where it is system RAM. For root: only root may see the addresses by which they are known. */
	memory: DeviceMemory | undefined;
	/** Why a field is undefined, where something refused to say: `{ start: 'EACCES: /sys/…/resource is for root' }`. */
	reasons: Partial<Record<'start' | 'memory' | 'mappings' | 'path', string>>;
}

/** A region: memory that device-DAX devices are parts of. */
export interface DaxRegion {
	/** The kernel's number. */
	id: number | undefined;
	/** region0 of an nvdimm, hmem.0 of Soft Reserved memory, dax_region0 of CXL. */
	name: string;
	/** Its directory below /sys/devices, as daxctl names it. */
	path: string;
	/**
	 * What found the memory: the provider of an nvdimm bus as the kernel names it (e820, ACPI.NFIT, virtio-pmem, CXL…), `hmem` (what the
	 * firmware calls Soft Reserved), `cxl` (volatile memory of CXL devices); undefined for anything else.
	 */
	provider: string | undefined;
	/** Bytes. */
	size: number | undefined;
	/** Bytes in no device; undefined for a static region. */
	availableSize: number | undefined;
	/** Bytes that its devices begin at multiples of. */
	align: number | undefined;
	/** Whether devices can be made in it, resized and removed. */
	dynamic: boolean;
	numaNode: number | undefined;
	targetNode: number | undefined;
	/** Until where stores have to come to survive a power failure: `cpu_cache`, `memory_controller`; undefined where the platform does not say. */
	persistenceDomain: string | undefined;
	/** The names of its devices. */
	devices: string[];
}

const modes: ReadonlyMap<string, DaxDeviceMode> = new Map([
	['device_dax', 'devdax'],
	['kmem', 'system-ram'],
	// daxctl 85 and later know it by this driver.
	['fsdev_dax', 'famfs'],
]);

/** -1 stands for no node; what else is below 0 is none of these numbers. */
const natural = (value: number | undefined): number | undefined =>
	value === undefined || value < 0 ? undefined : value;

/** The directory of a region by that of one of its devices. In the class model, and under nvdimms, there is a level between. */
const ownerOf = (directory: string, isClass: boolean): string => dirname(isClass ? dirname(directory) : directory);

/** The nd region above the owner of a DAX region, if it is an nvdimm's. */
function ndRegionOf(tree: Tree, owner: string): string | undefined {
	const directory = dirname(owner);
	return /^region\d+$/.test(basename(directory)) && tree.read(`${dirname(directory)}/provider`).value !== undefined
		? directory
		: undefined;
}

/** What a region is of, by its directory in /sys/devices. */
function originOf(tree: Tree, owner: string): Pick<DaxRegion, 'name' | 'provider' | 'persistenceDomain'> {
	const ndRegion = ndRegionOf(tree, owner);
	if (ndRegion !== undefined) {
		return {
			name: basename(ndRegion),
			provider: tree.read(`${dirname(ndRegion)}/provider`).value || undefined,
			persistenceDomain: tree.read(`${ndRegion}/persistence_domain`).value || undefined,
		};
	}
	const name = basename(owner);
	const provider = /^hmem\b/.test(name) ? 'hmem' : /^dax_region\d+$/.test(name) ? 'cxl' : undefined;
	return { name, provider, persistenceDomain: undefined };
}

const refused = (error: string, path: string) =>
	error === 'EACCES' || error === 'EPERM' ? `${error}: ${path} is for root` : `${error}: ${path}`;

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

/** The blocks of a device's memory, or why they are not known. */
function memoryOf(
	tree: Tree,
	{ start, size, mappings }: Pick<DaxDevice, 'start' | 'size' | 'mappings'>,
): { memory: DeviceMemory | undefined; reason?: string } {
	const ranges = mappings.flatMap(({ start, end }) =>
		start === undefined || end === undefined ? [] : [{ start, end: end + 1 }],
	);
	if (ranges.length === 0 && start !== undefined && size !== undefined) ranges.push({ start, end: start + size });
	if (ranges.length === 0)
		return { memory: undefined, reason: 'its addresses, by which its blocks are known, are for root' };
	const memory = memoryIn(tree, ranges);
	return memory === undefined ? { memory, reason: 'the kernel has no memory blocks' } : { memory };
}

/** The device of a directory of sysfs, all links resolved. */
export function deviceIn(tree: Tree, directory: string): DaxDevice {
	// Before 5.1, and later by choice, it is a class: its devices are a level deeper, are always devdax, and have no driver to be seen.
	const isClass = tree.resolve(`${directory}/subsystem`)?.includes('/class/') ?? false;
	const owner = ownerOf(directory, isClass);
	const name = basename(directory);
	const driver = tree.resolve(`${directory}/driver`);
	const driverName = driver === undefined ? undefined : basename(driver);
	const mode = isClass ? 'devdax' : driverName === undefined ? 'disabled' : (modes.get(driverName) ?? 'unknown');
	const { name: region, provider, persistenceDomain } = originOf(tree, owner);
	const [major, minor] = (tree.read(`${directory}/dev`).value ?? '')
		.split(':')
		.map((part) => natural(parseNumber(part)));
	const node = `/dev/${name}`;
	const stats = tree.stat(node);
	const resource = tree.number(`${directory}/resource`);
	const { mappings, error: mappingsError } = mappingsOf(tree, directory);
	const size = natural(tree.number(`${directory}/size`).value);
	const start = natural(resource.value ?? mappings[0]?.start);
	const { memory, reason } = mode === 'system-ram' ? memoryOf(tree, { start, size, mappings }) : {};
	return {
		name,
		path: stats === undefined ? undefined : node,
		permissions:
			stats === undefined
				? undefined
				: { mode: Number(stats.mode) & 0o7777, uid: Number(stats.uid), gid: Number(stats.gid) },
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
		dynamic: tree.isDirectory(`${owner}/dax_region`)
			? tree.list(`${owner}/dax_region`).includes('create')
			: isClass
				? false
				: undefined,
		model: isClass ? 'class' : 'bus',
		memory,
		reasons: {
			...(stats === undefined && { path: `there is no ${node}` }),
			...(start === undefined &&
				resource.error !== undefined && { start: refused(resource.error, `${directory}/resource`) }),
			...(mappingsError !== undefined && { mappings: mappingsError }),
			...(reason !== undefined && { memory: reason }),
		},
	};
}

const deviceName = /^dax\d+\.\d+$/;
const models = ['/sys/bus/dax/devices', '/sys/class/dax'];

/** The directories of all devices, in both models. */
export function deviceDirectories(tree: Tree): string[] {
	const found = models.flatMap((model) =>
		tree
			.list(model)
			.filter((name) => deviceName.test(name))
			.flatMap((name) => tree.resolve(`${model}/${name}`) ?? []),
	);
	return [...new Set(found)];
}

/** Where to look. */
export interface LookOptions {
	/** A directory that holds the sys, dev and proc of another machine, or of an image. Default: this machine's own. */
	root?: string;
}

const byName = new Intl.Collator('en', { numeric: true });

/** The regions above devices, and those that have none. */
function regionOwners(tree: Tree): Map<string, string[]> {
	const owners = new Map<string, string[]>();
	for (const directory of deviceDirectories(tree)) {
		const isClass = tree.resolve(`${directory}/subsystem`)?.includes('/class/') ?? false;
		const owner = ownerOf(directory, isClass);
		owners.set(owner, [...(owners.get(owner) ?? []), basename(directory)]);
	}
	const others = [
		...tree
			.list('/sys/devices/platform')
			.flatMap((name) => (/^hmem\.\d+$/.test(name) ? `/sys/devices/platform/${name}` : [])),
		...tree
			.list('/sys/bus/cxl/devices')
			.flatMap((name) => (/^dax_region\d+$/.test(name) ? `/sys/bus/cxl/devices/${name}` : [])),
	];
	for (const path of others) {
		const owner = tree.resolve(path);
		if (owner !== undefined && !owners.has(owner) && tree.isDirectory(`${owner}/dax_region`)) owners.set(owner, []);
	}
	return owners;
}

function regionIn(tree: Tree, owner: string, devices: string[]): DaxRegion {
	const at = `${owner}/dax_region`;
	const ndRegion = ndRegionOf(tree, owner);
	const first = devices.length === 0 ? owner : `${owner}/${devices[0]}`;
	const dynamic = tree.list(at).includes('create');
	return {
		id: tree.number(`${at}/id`).value,
		path: owner.replace(/^\/sys\/devices/, ''),
		...originOf(tree, owner),
		size: natural(tree.number(`${at}/size`).value),
		availableSize: dynamic ? natural(tree.number(`${at}/available_size`).value) : undefined,
		align: natural(tree.number(`${at}/align`).value),
		dynamic,
		numaNode: natural(tree.number(`${ndRegion ?? first}/numa_node`).value),
		targetNode: natural(tree.number(`${ndRegion ?? first}/target_node`).value),
		devices: devices.sort(byName.compare),
	};
}

function checked(options: LookOptions | undefined): Tree {
	const given = requireOptions<LookOptions>('options', options);
	requireKnownOptions('options', given, ['root']);
	return treeAt(given.root === undefined ? undefined : requirePath('options.root', given.root));
}

/**
 * All device-DAX devices of this machine, in either device model, whatever has them. It reads sysfs alone, needs no privileges, starts no
 * process and changes nothing. What is for root is undefined for others, and `reasons` says so.
 *
 * @returns By name; empty where there are none, or no /sys.
 * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE for an unknown option; ENOENT (realpath) if there is no `root`.
 * @example
 * for (const { name, mode, size, targetNode } of listDevices()) console.log(name, mode, size, targetNode);
 */
export function listDevices(options?: LookOptions): DaxDevice[] {
	const tree = checked(options);
	return deviceDirectories(tree)
		.map((directory) => deviceIn(tree, directory))
		.sort((one, other) => byName.compare(one.name, other.name));
}

/**
 * The regions that device-DAX devices are parts of. It reads sysfs alone, as {@link listDevices}.
 *
 * @returns By the kernel's number. A static region (of an nvdimm) is there only while it has a device.
 * @throws As {@link listDevices}.
 */
export function listRegions(options?: LookOptions): DaxRegion[] {
	const tree = checked(options);
	return [...regionOwners(tree)]
		.map(([owner, devices]) => regionIn(tree, owner, devices))
		.sort((one, other) => byName.compare(`${one.id} ${one.path}`, `${other.id} ${other.path}`));
}
