// Which mounts of this machine have DAX.
import { native } from '../native.ts';
import { attempt } from './attempt.ts';
import { daxOption } from './modes.ts';
import { mountReport } from './mount-report.ts';
import { readMounts } from './mounts.ts';
import type { MountReport } from './report.ts';

/** A mount of a file system that has DAX. */
export interface DaxMount extends MountReport {
	/** The kernel's name of its block device: pmem0, pmem0p1, dm-0; undefined for virtiofs. */
	device: string | undefined;
	/**
	 * Whether a file that this process makes at its top is on DAX at once. Undefined if it can make none there: a read-only mount, no
	 * permission.
	 */
	newFiles: boolean | undefined;
}

export interface FindDaxMountsOptions {
	/** Also those of file systems that have DAX, where it is off or cannot be: see `effectiveMode`. Default false. */
	all?: boolean;
}

/** Enough to tell the file systems that have DAX. */
const anyKernel = { perFile: true, driver: undefined };

/**
 * Finds the mounts in which files can be on DAX: those whose effective mode is `always` or `inode`, and overlays over such a one, in the
 * order of mountinfo. A mount that another covers is not among them, nor is one that this process cannot reach.
 *
 * Asks mountinfo, sysfs, statx and statfs, and makes a nameless file at the top of each for a moment.
 *
 * @example
 * const mount = findDaxMounts().find(({ newFiles }) => newFiles);
 * const directory = mount?.mountPoint ?? os.tmpdir();
 */
export function findDaxMounts({ all = false }: FindDaxMountsOptions = {}): DaxMount[] {
	const mounts = readMounts();
	return mounts.flatMap((mount) => {
		// Not even asked for their status: that would mount what is to be mounted on demand (autofs), and wait for a server that is away.
		const isCandidate = mount.fsType === 'overlay' || daxOption(mount, anyKernel).mode !== 'unsupported';
		if (!isCandidate) return [];
		const { value: status } = attempt(() => native.statx(mount.mountPoint));
		// Another mount may cover this one at the same place.
		if (!status || (status.mountId !== 0 && status.mountId !== mount.id)) return [];
		const { mount: report, device } = mountReport(mount, mount.mountPoint, status, mounts);
		const has = all ? report.mode !== 'unsupported' : ['always', 'inode'].includes(report.effectiveMode);
		if (!has && mount.fsType !== 'overlay') return [];
		const newFiles = attempt(() => native.statxTemporary(mount.mountPoint)).value?.dax;
		// What an overlay's upper directory has, it has.
		return has || newFiles ? [{ ...report, device: device?.name, newFiles }] : [];
	});
}
