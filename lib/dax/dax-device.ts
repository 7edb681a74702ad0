// What a report on files says of a device-DAX node, /dev/daxX.Y: what lib/device knows of the device, and what it is
// used for.
import { existsSync } from 'node:fs';
import { type DaxDevice, deviceOf } from '../device/index.ts';
import type { StatxResult } from '../native/syscalls.ts';

/** Where there is no sysfs, the node's name gives the device's name. */
const nodeName = /^\/dev\/(dax\d+\.\d+)$/;

/** The device-DAX device that a character device stands for. Undefined if it stands for another device. */
export function daxDevice(
	path: string,
	{ representsMajor, representsMinor }: Pick<StatxResult, 'representsMajor' | 'representsMinor'>,
): DaxDevice | undefined {
	const device = deviceOf(representsMajor, representsMinor);
	const name = nodeName.exec(path)?.[1];
	if (device !== undefined || name === undefined || existsSync('/sys/dev/char')) return device;
	return { ...nothingKnown, name, path, major: representsMajor, minor: representsMinor };
}

const nothingKnown: Omit<DaxDevice, 'name'> = {
	path: undefined,
	permissions: undefined,
	major: undefined,
	minor: undefined,
	mode: 'unknown',
	driver: undefined,
	size: undefined,
	align: undefined,
	start: undefined,
	mappings: [],
	numaNode: undefined,
	targetNode: undefined,
	region: undefined,
	provider: undefined,
	namespace: undefined,
	persistenceDomain: undefined,
	dynamic: undefined,
	model: undefined,
	memory: undefined,
	reasons: {},
};

/** Says what a device-DAX device is used for, and how to have files on its memory instead. */
export function forFiles({ name, namespace }: DaxDevice): string {
	return namespace === undefined
		? `it is not an nvdimm namespace, so no file system can be on it; use it with DeviceKind, or as ordinary memory: daxkind reconfigure-device --mode=system-ram ${name}`
		: `for files on it, make its namespace fsdax, which destroys its contents: ndctl create-namespace -f -e ${namespace} --mode=fsdax`;
}
