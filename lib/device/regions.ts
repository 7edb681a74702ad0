// The regions that device-DAX devices are parts of.
import { basename } from 'node:path';
import { refused, type Tree } from '../tree.ts';
import { byName, type DeviceLookOptions, deviceDirectories, treeFor } from './devices.ts';
import { type DeviceOrigin, isDynamic, natural, ndRegionOf, originOf, ownerOf } from './origin.ts';

/** A region: memory that device-DAX devices are parts of. */
export interface DaxRegion extends DeviceOrigin {
	/** The kernel's number of the region. */
	id: number | undefined;
	/** Its directory below /sys/devices, as daxctl names it. */
	path: string;
	/** Bytes. */
	size: number | undefined;
	/** Bytes that are in no device. Undefined for a static region. */
	availableSize: number | undefined;
	/** Its devices begin at multiples of this many bytes. */
	align: number | undefined;
	/** Whether devices can be made in it, resized and removed. */
	dynamic: boolean;
	numaNode: number | undefined;
	targetNode: number | undefined;
	/** The names of its devices. */
	devices: string[];
	/** Why a field is undefined, where something refused to say: `{ align: 'EACCES: only root may read /sys/…/align' }`. */
	reasons: Partial<Record<'id' | 'size' | 'availableSize' | 'align', string>>;
}

/** The regions that have devices, and those that have no device. */
function regionOwners(tree: Tree): Map<string, string[]> {
	const owners = new Map<string, string[]>();
	for (const directory of deviceDirectories(tree)) {
		const owner = ownerOf(tree, directory);
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
	const dynamic = isDynamic(tree, owner);
	const reasons: DaxRegion['reasons'] = {};
	const number = (field: keyof DaxRegion['reasons'], name: string) => {
		const { value, error } = tree.number(`${at}/${name}`);
		if (error !== undefined && error !== 'ENOENT') reasons[field] = refused(error, `${at}/${name}`);
		return natural(value);
	};
	return {
		id: number('id', 'id'),
		path: owner.replace(/^\/sys\/devices/, ''),
		...originOf(tree, owner),
		size: number('size', 'size'),
		availableSize: dynamic ? number('availableSize', 'available_size') : undefined,
		align: number('align', 'align'),
		dynamic,
		numaNode: natural(tree.number(`${ndRegion ?? first}/numa_node`).value),
		targetNode: natural(tree.number(`${ndRegion ?? first}/target_node`).value),
		devices: devices.sort(byName.compare),
		reasons,
	};
}

/**
 * Lists the regions that device-DAX devices are parts of. It reads sysfs alone, as {@link listDevices} does.
 *
 * @returns The regions, sorted by the kernel's number. A static region (of an nvdimm) is there only while it has a
 * device.
 * @throws As {@link listDevices}.
 */
export function listRegions(options?: DeviceLookOptions): DaxRegion[] {
	const tree = treeFor(options);
	return [...regionOwners(tree)]
		.map(([owner, devices]) => regionIn(tree, owner, devices))
		.sort((one, other) => byName.compare(`${one.id} ${one.path}`, `${other.id} ${other.path}`));
}
