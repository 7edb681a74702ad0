// Who uses a device: the processes that map it, which unbinding its driver would kill, and the mounts on it.
import { readFileSync } from 'node:fs';
import { attempt } from '../attempt.ts';
import { parseMountinfo } from '../mountinfo.ts';
import type { DaxDevice } from './device.ts';
import { type Tree, treeAt } from './tree.ts';

/** A process that maps a device. */
export interface Holder {
	pid: number;
	/** Its name, as ps shows it. */
	command: string;
}

/** The fields of a line of /proc/PID/maps: address, permissions, offset, device, inode, path. */
const line = /^\S+ \S+ \S+ \S+ (\d+) +(.*)$/;

/** Whether a process's maps have a device in them, by its node's name, or by its inode where that has been given another. */
function maps(text: string, { path, name }: Pick<DaxDevice, 'path' | 'name'>, inode: number | undefined): boolean {
	return text.split('\n').some((entry) => {
		const [, number, file = ''] = line.exec(entry) ?? [];
		const where = file.replace(/ \(deleted\)$/, '');
		return where === (path ?? `/dev/${name}`) || (where.endsWith(`/${name}`) && Number(number) === inode);
	});
}

/** The processes that map a device, as far as this user may see: root sees all. */
export function holdersOf(device: DaxDevice, tree = treeAt()): Holder[] {
	const inode = device.path === undefined ? undefined : Number(tree.stat(device.path)?.ino);
	return tree
		.list('/proc')
		.filter((name) => /^\d+$/.test(name))
		.flatMap((pid) => {
			const text = attempt(() => readFileSync(`${tree.root}/proc/${pid}/maps`, 'utf8')).value;
			if (text === undefined || !maps(text, device, inode)) return [];
			return { pid: Number(pid), command: tree.read(`/proc/${pid}/comm`).value ?? '?' };
		});
}

/** Where a file system is mounted on a device. */
export function mountsOf(tree: Tree, { name }: DaxDevice): string[] {
	return parseMountinfo(tree.read('/proc/self/mountinfo').value ?? '')
		.filter(({ source }) => source === `/dev/${name}`)
		.map(({ mountPoint }) => mountPoint);
}
