// Says where the memory of a device-DAX region comes from, by its place in /sys/devices.
import { basename, dirname } from 'node:path';
import type { Tree } from '../tree.ts';

/** -1 stands for no node. Any other number below 0 is no valid number either. */
export const natural = (value: number | undefined): number | undefined =>
	value === undefined || value < 0 ? undefined : value;

/**
 * Whether a device is of the class model: before 5.1, and later by choice. The directory of such a device is one level
 * deeper. It is always devdax, and shows no driver.
 */
export const isClassDevice = (tree: Tree, directory: string): boolean =>
	tree.resolve(`${directory}/subsystem`)?.includes('/class/') ?? basename(dirname(directory)) === 'dax';

/** The directory of a region, by the directory of one of its devices. */
export const ownerOf = (tree: Tree, directory: string): string =>
	dirname(isClassDevice(tree, directory) ? dirname(directory) : directory);

/** Whether devices can be made in a region. */
export const isDynamic = (tree: Tree, owner: string): boolean => tree.list(`${owner}/dax_region`).includes('create');

/** The nd region above the owner of a DAX region, if the region is an nvdimm's. */
export function ndRegionOf(tree: Tree, owner: string): string | undefined {
	const directory = dirname(owner);
	return /^region\d+$/.test(basename(directory)) && tree.read(`${dirname(directory)}/provider`).value !== undefined
		? directory
		: undefined;
}

/** Where the memory of a region comes from. */
export interface DeviceOrigin {
	/** The region's name: region0 of an nvdimm, hmem.0 of Soft Reserved memory, dax_region0 of CXL. */
	name: string;
	/**
	 * What found the memory. For an nvdimm: the provider of its bus as the kernel names it (e820, ACPI.NFIT, virtio-pmem,
	 * CXL…). `hmem`: the firmware calls it Soft Reserved. `cxl`: volatile memory of CXL devices. Undefined for anything
	 * else.
	 */
	provider: string | undefined;
	/**
	 * How far stores have to come to survive a power failure: `cpu_cache`, `memory_controller`. Undefined where the
	 * platform does not say.
	 */
	persistenceDomain: string | undefined;
}

/** Where the memory of a region comes from, by the region's directory in /sys/devices. */
export function originOf(tree: Tree, owner: string): DeviceOrigin {
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
