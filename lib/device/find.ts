// Finds the device that a caller names, by its name or its node.
import { constants } from 'node:fs';
import { basename } from 'node:path';
import { requirePath } from '../arguments.ts';
import { attempt } from '../attempt.ts';
import { refusal } from '../errors.ts';
import { native } from '../native.ts';
import { machine, type Tree } from '../tree.ts';
import { type DaxDevice, deviceIn } from './device.ts';
import { deviceDirectories } from './devices.ts';

/** The directory in sysfs of a device that a caller named: dax0.0, /dev/dax0.0, or another node of it. */
export function directoryOf(tree: Tree, given: string): string | undefined {
	if (!given.includes('/')) return deviceDirectories(tree).find((directory) => basename(directory) === given);
	if (tree.root !== '') return directoryOf(tree, basename(given));
	const node = attempt(() => native.statx(given)).value;
	if (node !== undefined && (node.mode & constants.S_IFMT) !== constants.S_IFCHR) return undefined;
	if (node === undefined) {
		// The node can be missing because the device has no driver.
		return /^\/dev\/dax\d+\.\d+$/.test(given) ? directoryOf(tree, basename(given)) : undefined;
	}
	const directory = tree.resolve(`/sys/dev/char/${node.representsMajor}:${node.representsMinor}`);
	return deviceDirectories(tree).find((known) => known === directory);
}

/**
 * The device that a caller named, as sysfs has it now.
 *
 * @throws Error ERR_DAXKIND_NO_DEVICE with the names of the devices that exist.
 */
export function requireDevice(tree: Tree, given: unknown, options?: { hasMemory?: boolean }): DaxDevice {
	const name = requirePath('device', given);
	const directory = directoryOf(tree, name);
	if (directory !== undefined) return deviceIn(tree, directory, options);
	const names = deviceDirectories(tree).map((known) => basename(known));
	const remedy =
		names.length === 0
			? 'make one from an nvdimm, because this machine has none: ndctl create-namespace --mode=devdax'
			: `name one of ${names.join(', ')}`;
	throw refusal('ERR_DAXKIND_NO_DEVICE', name, `There is no device-DAX device ${name}`, remedy);
}

/**
 * The device with these numbers of a character device. Undefined if they are not those of a device-DAX device, or there
 * is no sysfs.
 */
export function deviceOf(major: number, minor: number): DaxDevice | undefined {
	const tree = machine;
	const directory = tree.resolve(`/sys/dev/char/${major}:${minor}`);
	const subsystem = directory === undefined ? undefined : tree.resolve(`${directory}/subsystem`);
	if (directory === undefined || subsystem === undefined || basename(subsystem) !== 'dax') return undefined;
	return deviceIn(tree, directory);
}

/**
 * The device with this name or node, as sysfs has it now.
 *
 * @param device dax0.0, or its node: /dev/dax0.0, or another node with the same numbers.
 * @throws Error ERR_DAXKIND_NO_DEVICE with `path` and `remedy`; TypeError ERR_INVALID_ARG_TYPE.
 */
export function getDevice(device: string | URL): DaxDevice {
	return requireDevice(machine, device);
}
