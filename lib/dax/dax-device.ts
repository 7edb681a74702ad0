// What a device-DAX node, /dev/daxX.Y, is to who asks about files: what lib/device knows of it, and what it is used for instead.
import { existsSync } from 'node:fs';
import { type DaxDevice, deviceOf } from '../device/index.ts';
import type { StatxResult } from '../native.ts';

/** The device's name by its node's, for where there is no sysfs. */
const nodeName = /^\/dev\/(dax\d+\.\d+)$/;

/** The device-DAX device that a character device stands for; undefined if it is none. */
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

/** What a device-DAX device is used for instead of files, and how to have files on its memory. */
export function forFiles({ name, namespace }: DaxDevice): string {
	return namespace === undefined
		? `it is no nvdimm namespace, so there can be no file system on it; use it by DeviceKind, or as ordinary memory: daxkind reconfigure-device --mode=system-ram ${name}`
		: `for files on it, make its namespace fsdax, which destroys its contents: ndctl create-namespace -f -e ${namespace} --mode=fsdax`;
}
