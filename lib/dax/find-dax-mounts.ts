// Which mounts of this machine have DAX.
import { requireBoolean, requireOptions } from '../arguments.ts';
import { attempt } from '../attempt.ts';
import { badBlocksUnder } from '../media/index.ts';
import type { MountInfo } from '../mountinfo.ts';
import { readMounts } from '../mounts.ts';
import type { StatxResult } from '../native/syscalls.ts';
import { native } from '../native.ts';
import type { BlockDevice } from './block-device.ts';
import { inspect } from './inspect.ts';
import { daxOption } from './modes.ts';
import { mountReport } from './mount-report.ts';
import type { DaxMountReport } from './report.ts';

/** A mount of a file system that has DAX. */
export interface DaxMount extends DaxMountReport {
	/** The kernel's name of its block device: pmem0, pmem0p1, dm-0. Undefined for virtiofs. */
	device: string | undefined;
	/**
	 * Whether a file that this process makes at the top of the mount is on DAX at once. Undefined if the process can make
	 * no file there, or if it is not known.
	 */
	newFiles: boolean | undefined;
	/** Why this process can make no file there: EROFS, EACCES… */
	newFilesError: string | undefined;
	/**
	 * How many ranges of its device the kernel lists as bad, and how many bytes they have. Undefined where no list can be
	 * read, for example for virtiofs.
	 */
	badBlocks: { ranges: number; bytes: number } | undefined;
}

export interface FindDaxMountsOptions {
	/**
	 * Find also mounts of file systems that have DAX where DAX is off or impossible: see `effectiveMode`. Default false.
	 */
	all?: boolean;
}

/** Whether this status is one of that mount. Another mount may cover its mount point. */
const isOf = (status: StatxResult, mount: MountInfo): boolean =>
	status.mountId === 0
		? status.deviceMajor === mount.deviceMajor && status.deviceMinor === mount.deviceMinor
		: status.mountId === mount.id;

/** These rules suffice to recognise the file systems that have DAX. */
const anyKernel = { perFile: true, driver: undefined };

function badBlocksOf({ major, minor }: BlockDevice): DaxMount['badBlocks'] {
	const { ranges, bytes, sources } = badBlocksUnder('block', major, minor);
	return sources.length === 0 ? undefined : { ranges, bytes };
}

/** Whether a file that is made at the top of a mount is on DAX, or why no file can be made there. */
function newFilesAt(mountPoint: string): Pick<DaxMount, 'newFiles' | 'newFilesError'> {
	const { value, error } = attempt(() => native.statxTemporary(mountPoint));
	const newFiles = value && (value.dax ?? inspect(mountPoint).dax);
	return { newFiles, newFilesError: error };
}

/**
 * Finds the mounts in which files can be on DAX, in the order of mountinfo: those whose effective mode is `always` or
 * `inode`, and overlays over such a mount. Mounts of which this is not known are found, too: their `effectiveMode` is
 * undefined (as without /sys), or it is an overlay whose `newFiles` is undefined. A mount that another one covers is
 * left out, and so is one that this process cannot reach.
 *
 * It asks mountinfo, sysfs, statx and statfs, and makes a nameless file at the top of each mount for a moment. It is
 * synchronous: the thread waits for these file systems.
 *
 * @throws TypeError ERR_INVALID_ARG_TYPE. SystemError of `open` or `read` if the table of mounts cannot be read, as
 * without /proc; EMFILE or ENFILE if the process or the system has no descriptor left.
 * @example
 * const mount = findDaxMounts().find(({ newFiles }) => newFiles);
 * const directory = mount?.mountPoint ?? os.tmpdir();
 */
export function findDaxMounts(options?: FindDaxMountsOptions): DaxMount[] {
	const { all = false } = requireOptions('options', options, ['all']);
	requireBoolean('options.all', all);
	const mounts = readMounts();
	return mounts.flatMap((mount) => {
		// Other mounts are not even asked for their status. Asking would trigger a mount on demand (autofs), or wait for a
		// server that is away.
		const isCandidate = mount.fsType === 'overlay' || daxOption(mount, anyKernel).mode !== 'unsupported';
		if (!isCandidate) return [];
		const { value: status } = attempt(() => native.statx(mount.mountPoint));
		if (!status || !isOf(status, mount)) return [];
		const { mount: report, device } = mountReport(mount, mount.mountPoint, status, mounts);
		const { mode, effectiveMode } = report;
		const has = all ? mode !== 'unsupported' : effectiveMode !== 'never' && effectiveMode !== 'unsupported';
		if (!has && mount.fsType !== 'overlay') return [];
		const found = newFilesAt(mount.mountPoint);
		// An overlay has what its upper directory has.
		const mayHave = found.newFiles ?? found.newFilesError === undefined;
		if (!has && !mayHave) return [];
		return [{ ...report, device: device?.name, ...found, badBlocks: device && badBlocksOf(device) }];
	});
}
