// What a disk is used for: the file system on it, where that is mounted, and whether it has DAX there.
import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { attempt } from '../../attempt.ts';
import { type DaxExplanation, explain } from '../../dax/index.ts';
import type { MountInfo } from '../../mountinfo.ts';
import { readMounts } from '../../mounts.ts';
import type { Tree } from '../../tree.ts';

/** What is on a disk. */
export interface Content {
	/**
	 * `ext4`, `xfs`, or what else blkid knows: `btrfs`, `LVM2_member`, `gpt`. Undefined if nothing is there, or it is not
	 * known.
	 */
	type: string | undefined;
	/** Whether `type` is known. */
	isKnown: boolean;
}

/** Where a file system of a disk is mounted. */
export interface MountedAt {
	mount: MountInfo;
	/** Undefined where the mount point cannot be reached. */
	explanation: DaxExplanation | undefined;
}

/** How to ask a machine. */
export interface Asking {
	contentOf(path: string): Content;
	explain(path: string): DaxExplanation | undefined;
}

/** blkid's exit status where nothing is on a device (blkid(8)). */
const nothingFound = 2;

/**
 * What blkid finds on a device. blkid says the same of an empty device and of one that it may not read, so the
 * permission is checked first.
 */
function contentOf(path: string): Content {
	const isReadable = attempt(() => accessSync(path, constants.R_OK)).error === undefined;
	if (!isReadable) return { type: undefined, isKnown: false };
	try {
		const output = execFileSync('blkid', ['-p', '-o', 'export', path], {
			encoding: 'utf8',
			stdio: ['ignore', 'pipe', 'ignore'],
			env: { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin` },
		});
		const type = /^(?:TYPE|PTTYPE)=(.*)$/m.exec(output)?.[1];
		return { type, isKnown: type !== undefined };
	} catch (error) {
		return { type: undefined, isKnown: (error as { status?: number }).status === nothingFound };
	}
}

/** Asks this machine itself. It starts blkid, and blocks the thread until blkid has ended. */
export const thisMachine: Asking = { contentOf, explain: (path) => attempt(() => explain(path)).value };

/** A disk, its partitions, and what is made of any of them. */
function devicesOn(tree: Tree, disk: string): string[] {
	const names = [disk];
	for (const name of names) {
		const directory = `/sys/class/block/${name}`;
		const partitions = tree.list(directory).filter((entry) => tree.stat(`${directory}/${entry}/partition`));
		const above = [...partitions, ...tree.list(`${directory}/holders`)];
		names.push(...above.filter((other) => !names.includes(other)));
	}
	return names;
}

/** Where the file systems of a disk are mounted, those with DAX first. @throws As {@link readMounts} */
export function mountsOf(tree: Tree, disk: string, asking: Asking): MountedAt[] {
	const names = devicesOn(tree, disk);
	const numbers = names.flatMap((name) => tree.read(`/sys/class/block/${name}/dev`).value ?? []);
	const sources = names.map((name) => `/dev/${name}`);
	const isOn = ({ deviceMajor, deviceMinor, source }: MountInfo) =>
		numbers.includes(`${deviceMajor}:${deviceMinor}`) || sources.includes(source);
	const found = readMounts(tree)
		.filter(isOn)
		.map((mount) => ({ mount, explanation: asking.explain(mount.mountPoint) }));
	const rank = ({ explanation }: MountedAt) => (explanation?.dax === true ? 0 : 1);
	return found.sort((one, other) => rank(one) - rank(other));
}
