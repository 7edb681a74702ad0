// Reads the table of mounts, and finds the one that a file is in.
import type { FileStatus } from '../native.ts';
import { type Mount, parseMountinfo } from './mountinfo.ts';
import { readAttribute } from './sysfs.ts';

/** The mounts that this process sees, of its own mount namespace and root; none where there is no /proc. */
export function readMounts(): Mount[] {
	return parseMountinfo(readAttribute('/proc/self/mountinfo') ?? '');
}

/**
 * The mount that a file is really in, whatever is mounted over or beside it: by the mount's number in its status, and on kernels before
 * 5.8, which do not give it, the last mount of its device.
 */
export function mountOf(
	status: Pick<FileStatus, 'mountId' | 'deviceMajor' | 'deviceMinor'>,
	mounts: readonly Mount[],
): Mount | undefined {
	return (
		mounts.find(({ id }) => id === status.mountId) ??
		mounts.findLast((m) => m.deviceMajor === status.deviceMajor && m.deviceMinor === status.deviceMinor)
	);
}
