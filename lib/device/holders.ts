// Says who uses a device: the processes that map it, and the mounts on it. Unbinding its driver would kill those
// processes.
import { readFileSync, statSync } from 'node:fs';
import { attempt } from '../attempt.ts';
import { readMounts } from '../mounts.ts';
import { deviceNumbers } from '../sysfs.ts';
import { machine, type Tree } from '../tree.ts';
import type { DaxDevice } from './device.ts';

/** A process that maps a device. */
export interface DeviceHolder {
	pid: number;
	/** Its name, as ps shows it. */
	command: string;
}

/**
 * The fields of a line of /proc/PID/maps: addresses, permissions, offset, device, inode, path (proc_pid_maps(5)). Only
 * shared mappings match, because a device cannot be mapped otherwise.
 */
const line = /^([\da-f]+-[\da-f]+) \S{3}s \S+ ([\da-f]+:[\da-f]+) (\d+) +(.*)$/;

/** How the node of a device is recognised in the maps of a process. */
interface Node extends Pick<DaxDevice, 'name' | 'major' | 'minor'> {
	/** The file system and the inode of its node in /dev. Undefined where there is no node. */
	file: string | undefined;
}

function nodeOf(tree: Tree, { name, path, major, minor }: DaxDevice): Node {
	const stats = path === undefined ? undefined : tree.stat(path);
	if (stats === undefined) return { name, major, minor, file: undefined };
	const on = deviceNumbers(Number(stats.dev));
	const hex = (number: number) => number.toString(16).padStart(2, '0');
	return { name, major, minor, file: `${hex(on.major)}:${hex(on.minor)} ${stats.ino}` };
}

/**
 * Whether a process maps the device. Three things tell: the node's name, even if something else has that name where the
 * process is; the node's inode, whatever its name is there; and the numbers of what is mapped, for another node, which
 * only root can see.
 */
function maps(tree: Tree, pid: string, text: string, { name, file, major, minor }: Node): boolean {
	return text.split('\n').some((entry) => {
		const [, range, on, inode, mapped = ''] = line.exec(entry) ?? [];
		if (range === undefined) return false;
		if (mapped.replace(/ \(deleted\)$/, '') === `/dev/${name}` || `${on} ${inode}` === file) return true;
		const stats = attempt(() => statSync(`${tree.root}/proc/${pid}/map_files/${range}`)).value;
		if (!stats?.isCharacterDevice()) return false;
		const numbers = deviceNumbers(stats.rdev);
		return numbers.major === major && numbers.minor === minor;
	});
}

/** Does what {@link holdersOf} does, in a tree. */
export function holdersIn(tree: Tree, device: DaxDevice): DeviceHolder[] {
	const node = nodeOf(tree, device);
	return tree
		.list('/proc')
		.filter((name) => /^\d+$/.test(name))
		.flatMap((pid) => {
			const text = attempt(() => readFileSync(`${tree.root}/proc/${pid}/maps`, 'utf8')).value;
			if (text === undefined || !maps(tree, pid, text, node)) return [];
			return { pid: Number(pid), command: tree.read(`/proc/${pid}/comm`).value ?? '?' };
		});
}

/**
 * The processes that map a device, as far as this user may see them. Root sees all. It reads /proc/PID/maps of each
 * process on the calling thread, which takes milliseconds where there are many.
 *
 * @param device What `getDevice` or `listDevices` gave.
 */
export function holdersOf(device: DaxDevice): DeviceHolder[] {
	return holdersIn(machine, device);
}

/**
 * The places where a file system is mounted on a device.
 *
 * @throws As {@link readMounts}, because a device that may be in use must not lose its driver.
 */
export function mountsOf(tree: Tree, { name }: DaxDevice): string[] {
	return readMounts(tree)
		.filter(({ source }) => source === `/dev/${name}`)
		.map(({ mountPoint }) => mountPoint);
}
