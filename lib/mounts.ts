// Reads the table of mounts, and finds the mount that a file is in.
import { readFileSync } from 'node:fs';
import { type SystemError, systemError } from './errors.ts';
import { type MountInfo, parseMountinfo } from './mountinfo.ts';
import type { StatxResult } from './native/syscalls.ts';
import { machine, type Tree } from './tree.ts';

/** Where the table is. */
export const mountinfo = '/proc/self/mountinfo';

const ENODATA = -61;

/**
 * The mounts that this process sees in its own mount namespace and root, or those that a tree of files has.
 *
 * @throws SystemError of `open` or `read` if the table cannot be read, for example without /proc, or if it is empty.
 */
export function readMounts(tree: Tree = machine): MountInfo[] {
	let text: string;
	try {
		text = readFileSync(tree.place(mountinfo), 'utf8');
	} catch (error) {
		const { code, errno, syscall } = error as SystemError;
		if (code !== 'ENOENT') throw error;
		throw systemError(errno, syscall, mountinfo, 'the table of mounts is missing; mount /proc');
	}
	const mounts = parseMountinfo(text);
	if (mounts.length > 0) return mounts;
	throw systemError(
		ENODATA,
		'read',
		mountinfo,
		'the table of mounts is empty, as in a chroot that is not a mount point',
	);
}

/**
 * The mount that a file is really in, whatever is mounted over or beside it. It is found by the mount's number in the
 * file's status. Without a number (kernels before 5.8, or statx is refused) it is the last mount of the file's device.
 */
export function mountOf(
	status: Pick<StatxResult, 'mountId' | 'deviceMajor' | 'deviceMinor'>,
	mounts: readonly MountInfo[],
): MountInfo | undefined {
	return (
		mounts.find(({ id }) => id === status.mountId) ??
		mounts.findLast((m) => m.deviceMajor === status.deviceMajor && m.deviceMinor === status.deviceMinor)
	);
}
