// What sysfs says of a device-DAX node, /dev/daxX.Y (Documentation/ABI/testing/sysfs-bus-dax): what drives its memory, and to what that
// belongs.
import { basename, dirname } from 'node:path';
import type { FileStatus } from '../native.ts';
import { readAttribute, readNumber, resolveLink } from './sysfs.ts';

/** A device-DAX device. */
export interface DaxDevice {
	/** dax0.0. */
	name: string;
	/**
	 * As daxctl names it: `devdax` is mapped by whoever opens the node, `system-ram` is ordinary memory of a NUMA node, `disabled` has no
	 * driver. Undefined for another driver, and where sysfs does not tell.
	 */
	mode: 'devdax' | 'system-ram' | 'disabled' | undefined;
	/** The driver: device_dax, kmem… */
	driver: string | undefined;
	/** The nvdimm namespace that it is; undefined for other memory, as that of CXL. */
	namespace: string | undefined;
	/** The NUMA node that its memory makes up as system RAM; undefined if it has none. */
	targetNode: number | undefined;
	/** Bytes. */
	size: number | undefined;
	/** Mappings have to be multiples of this many bytes. */
	align: number | undefined;
}

const modes: ReadonlyMap<string, DaxDevice['mode']> = new Map([
	['device_dax', 'devdax'],
	['kmem', 'system-ram'],
]);

/** The device's name by its node's, for where there is no sysfs. */
const nodeName = /^\/dev\/(dax\d+\.\d+)$/;

/** The device-DAX device that a character device stands for; undefined if it is none. */
export function daxDevice(
	path: string,
	{ representsMajor, representsMinor }: Pick<FileStatus, 'representsMajor' | 'representsMinor'>,
): DaxDevice | undefined {
	const directory = resolveLink(`/sys/dev/char/${representsMajor}:${representsMinor}`);
	if (directory === undefined) {
		const name = nodeName.exec(path)?.[1];
		const unknown = { mode: undefined, driver: undefined, namespace: undefined, targetNode: undefined };
		return name === undefined ? undefined : { name, ...unknown, size: undefined, align: undefined };
	}
	const subsystem = resolveLink(`${directory}/subsystem`);
	if (subsystem === undefined || basename(subsystem) !== 'dax') return undefined;
	// Before 5.1, and later by choice, it is a class: its devices are a level deeper, are always devdax, and have no driver to be seen.
	const isClass = subsystem.includes('/class/');
	const owner = dirname(isClass ? dirname(directory) : directory);
	const driver = resolveLink(`${directory}/driver`);
	const name = driver === undefined ? undefined : basename(driver);
	const targetNode = readNumber(`${directory}/target_node`);
	return {
		name: basename(directory),
		mode: isClass ? 'devdax' : name === undefined ? 'disabled' : modes.get(name),
		driver: name,
		namespace: readAttribute(`${owner}/namespace`) || undefined,
		targetNode: targetNode === -1 ? undefined : targetNode,
		size: readNumber(`${directory}/size`),
		align: readNumber(`${directory}/align`),
	};
}

/** What a device-DAX device is used for instead of files, and how to have files on its memory. */
export function forFiles({ name, namespace }: DaxDevice): string {
	return namespace === undefined
		? `it is no nvdimm namespace, so there can be no file system on it; use it as ordinary memory: daxctl reconfigure-device --mode=system-ram ${name}`
		: `for files on it, make its namespace fsdax, which destroys its contents: ndctl create-namespace -f -e ${namespace} --mode=fsdax`;
}
