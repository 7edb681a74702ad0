// All device-DAX devices of a machine, in both of the kernel's device models.
import { requireKnownOptions, requireOptions } from '../arguments.ts';
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
	/** A directory that holds the sys, dev and proc of another machine, or of an image. Default: this machine's own. */
	root?: string;
}

/** dax2.0 before dax10.0. */
export const byName = new Intl.Collator('en', { numeric: true });

/** Where a caller wants to look. */
export function treeFor(options: DeviceLookOptions | undefined): Tree {
	const given = requireOptions<DeviceLookOptions>('options', options);
	requireKnownOptions('options', given, ['root']);
	return treeOf(given.root);
}

/**
 * All device-DAX devices of this machine, in either device model, whatever has them. It reads sysfs alone, needs no privileges, starts no
 * process and changes nothing. What is for root is undefined for others, and `reasons` says so.
 *
 * @returns By name; empty where there are none, or no /sys.
 * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE for an unknown option or an empty `root`; ENOENT (realpath) if there is no `root`.
 * @example
 * for (const { name, mode, size, targetNode } of listDevices()) console.log(name, mode, size, targetNode);
 */
export function listDevices(options?: DeviceLookOptions): DaxDevice[] {
	const tree = treeFor(options);
	return deviceDirectories(tree)
		.map((directory) => deviceIn(tree, directory))
		.sort((one, other) => byName.compare(one.name, other.name));
}
