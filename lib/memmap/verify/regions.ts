// The regions that the kernel made of persistent memory in the e820 table, with their namespaces and disks. sysfs shows
// them below /sys/bus/nd/devices (Documentation/driver-api/nvdimm/nvdimm.rst, drivers/nvdimm/e820.c).
import { basename, dirname } from 'node:path';
import { type NamespaceMode, namespaceMode } from '../../namespace-mode.ts';
import type { Tree } from '../../tree.ts';

/** A block device. */
export interface Disk {
	/** pmem0. */
	name: string;
	/** Its node in /dev, and whether the node exists: a container may have none. */
	path: string;
	hasNode: boolean;
	/** Bytes. */
	size: number | undefined;
}

/** The namespace of a region. The kernel makes one for each region. */
export interface EmulatedNamespace {
	/** namespace0.0, as ndctl names it. */
	name: string;
	/** How it is used. Undefined while no driver has it. */
	mode: NamespaceMode | undefined;
	/** Whether it has an information block of ndctl's, which takes a part of its space. */
	hasInfoBlock: boolean;
	disk: Disk | undefined;
	/** The name of the device-DAX device that it is: dax0.0. */
	daxDevice: string | undefined;
}

/** A region. */
export interface EmulatedRegion {
	/** region0; a disk has the same number. */
	name: string;
	number: number;
	/** Its physical address. Undefined for everyone but root. */
	start: number | undefined;
	/** Bytes. */
	size: number | undefined;
	/** Whether its driver has it. */
	enabled: boolean;
	namespace: EmulatedNamespace | undefined;
}

/** sysfs gives the `size` of a block device in this unit. */
const sysfsSector = 512;

function diskOf(tree: Tree, owner: string): Disk | undefined {
	const name = tree.list(`${owner}/block`)[0];
	if (name === undefined) return undefined;
	const sectors = tree.number(`${owner}/block/${name}/size`).value;
	const path = `/dev/${name}`;
	const hasNode = tree.stat(path) !== undefined;
	return { name, path, hasNode, size: sectors === undefined ? undefined : sectors * sysfsSector };
}

/** The device-DAX device of a holder. It is on the bus or, one level deeper, in the class. */
const daxDeviceOf = (tree: Tree, owner: string): string | undefined =>
	[...tree.list(owner), ...tree.list(`${owner}/dax`)].find((name) => /^dax\d+\.\d+$/.test(name));

function namespaceOf(tree: Tree, region: string): EmulatedNamespace | undefined {
	const name = tree.list(region).find((entry) => /^namespace\d+\.0$/.test(entry));
	if (name === undefined) return undefined;
	const directory = `${region}/${name}`;
	// If ndctl has set up a namespace, the driver has the device that the information block describes, and not the
	// namespace itself.
	const holder = tree.read(`${directory}/holder`).value || undefined;
	const owner = holder === undefined ? directory : `${region}/${holder}`;
	const isEnabled = tree.resolve(`${owner}/driver`) !== undefined;
	const mode = namespaceMode(holder, tree.read(`${directory}/mode`).value ?? 'raw');
	return {
		name,
		mode: isEnabled ? mode : undefined,
		hasInfoBlock: holder !== undefined,
		disk: diskOf(tree, owner),
		daxDevice: mode === 'devdax' ? daxDeviceOf(tree, owner) : undefined,
	};
}

/** The regions of the e820 table, by number. */
export function emulatedRegions(tree: Tree): EmulatedRegion[] {
	return tree.list('/sys/bus/nd/devices').flatMap((name) => {
		const number = /^region(\d+)$/.exec(name)?.[1];
		const directory = tree.resolve(`/sys/bus/nd/devices/${name}`);
		if (number === undefined || directory === undefined) return [];
		if (tree.read(`${dirname(directory)}/provider`).value !== 'e820') return [];
		return [
			{
				name: basename(directory),
				number: Number(number),
				start: tree.number(`${directory}/resource`).value,
				size: tree.number(`${directory}/size`).value,
				enabled: tree.resolve(`${directory}/driver`) !== undefined,
				namespace: namespaceOf(tree, directory),
			},
		];
	});
}
