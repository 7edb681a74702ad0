// All device-DAX devices of a machine, in both of the kernel's device models.
import { requireOptions } from '../arguments.ts';
import { type Tree, treeOf } from '../tree.ts';
import { type DaxDevice, deviceIn } from './device.ts';

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
export interface DeviceLookOptions {
	/**
	 * A directory that holds the sys, dev and proc of another machine, or of an image. Default: those of this machine.
	 */
	root?: string;
}

/** Sorts dax2.0 before dax10.0. */
export const byName = new Intl.Collator('en', { numeric: true });

/** The tree in which a caller wants to look. */
export function treeFor(options: DeviceLookOptions | undefined): Tree {
	const given = requireOptions<DeviceLookOptions>('options', options, ['root']);
	return treeOf(given.root);
}

/**
 * Lists all device-DAX devices of this machine, in either device model, whatever their driver is. It reads sysfs alone,
 * on the calling thread. It needs no privileges, starts no process and changes nothing. What only root may see is
 * undefined for others, and `reasons` says so.
 *
 * @returns The devices, sorted by name. Empty where there are no devices, or no /sys.
 * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE for an unknown option or an empty `root`; ENOENT
 * (realpath) if `root` does not exist.
 * @example
 * for (const { name, mode, size, targetNode } of listDevices()) console.log(name, mode, size, targetNode);
 */
export function listDevices(options?: DeviceLookOptions): DaxDevice[] {
	const tree = treeFor(options);
	return deviceDirectories(tree)
		.map((directory) => deviceIn(tree, directory))
		.sort((one, other) => byName.compare(one.name, other.name));
}
