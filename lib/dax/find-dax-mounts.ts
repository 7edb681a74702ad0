// Which mounts of this machine have DAX.
import { requireBoolean, requireOptions } from '../arguments.ts';
import { attempt } from '../attempt.ts';
import { badBlocksUnder } from '../media/index.ts';
import type { MountInfo } from '../mountinfo.ts';
import { readMounts } from '../mounts.ts';
import { native, type StatxResult } from '../native.ts';
import type { BlockDevice } from './block-device.ts';
import { inspect } from './inspect.ts';
import { daxOption } from './modes.ts';
import { mountReport } from './mount-report.ts';
import type { DaxMountReport } from './report.ts';

/** A mount of a file system that has DAX. */
export interface DaxMount extends DaxMountReport {
	/** The kernel's name of its block device: pmem0, pmem0p1, dm-0; undefined for virtiofs. */
	device: string | undefined;
	/**
	 * Whether a file that this process makes at its top is on DAX at once. Undefined if it can make none there, and where that is not
	 * known.
	 */
	newFiles: boolean | undefined;
	/** Why it can make none there: EROFS, EACCES… */
	newFilesError: string | undefined;
	/**
	 * How many ranges of its device the kernel lists as bad, and their bytes; undefined where there is no list to be read, as of virtiofs.
	 */
	badBlocks: { ranges: number; bytes: number } | undefined;
}

export interface FindDaxMountsOptions {
	/** Also those of file systems that have DAX, where it is off or cannot be: see `effectiveMode`. Default false. */
	all?: boolean;
}

/** Whether the status at a mount's place is that of this mount: another may cover it. */
const isOf = (status: StatxResult, mount: MountInfo): boolean =>
	status.mountId === 0
		? status.deviceMajor === mount.deviceMajor && status.deviceMinor === mount.deviceMinor
		: status.mountId === mount.id;

/** Enough to tell the file systems that have DAX. */
const anyKernel = { perFile: true, driver: undefined };

function badBlocksOf({ major, minor }: BlockDevice): DaxMount['badBlocks'] {
	const { ranges, bytes, sources } = badBlocksUnder('block', major, minor);
	return sources.length === 0 ? undefined : { ranges, bytes };
}

/** Whether a file made at the top of a mount is on DAX, or why none can be made. */
function newFilesAt(mountPoint: string): Pick<DaxMount, 'newFiles' | 'newFilesError'> {
	const { value, error } = attempt(() => native.statxTemporary(mountPoint));
	const newFiles = value && (value.dax ?? inspect(mountPoint).dax);
	return { newFiles, newFilesError: error };
}

/**
 * Finds the mounts in which files can be on DAX: those whose effective mode is `always` or `inode`, and overlays over such a one, in the
 * order of mountinfo; also those of which that is not known (`effectiveMode` undefined, as without /sys; an overlay with `newFiles`
 * undefined). A mount that another covers is not among them, nor is one that this process cannot reach.
 *
 * Asks mountinfo, sysfs, statx and statfs, and makes a nameless file at the top of each for a moment.
 *
 * @throws TypeError ERR_INVALID_ARG_TYPE; SystemError of `open` or `read` if the table of mounts cannot be read, as without /proc; EMFILE
 * or ENFILE if there is no descriptor left to look with.
 * @example
 * const mount = findDaxMounts().find(({ newFiles }) => newFiles);
 * const directory = mount?.mountPoint ?? os.tmpdir();
 */
export function findDaxMounts(options?: FindDaxMountsOptions): DaxMount[] {
	const { all = false } = requireOptions('options', options, ['all']);
	requireBoolean('options.all', all);
	const mounts = readMounts();
	return mounts.flatMap((mount) => {
		// Not even asked for their status: that would mount what is to be mounted on demand (autofs), and wait for a server that is away.
		const isCandidate = mount.fsType === 'overlay' || daxOption(mount, anyKernel).mode !== 'unsupported';
		if (!isCandidate) return [];
		const { value: status } = attempt(() => native.statx(mount.mountPoint));
		if (!status || !isOf(status, mount)) return [];
		const { mount: report, device } = mountReport(mount, mount.mountPoint, status, mounts);
		const { mode, effectiveMode } = report;
		const has = all ? mode !== 'unsupported' : effectiveMode !== 'never' && effectiveMode !== 'unsupported';
		if (!has && mount.fsType !== 'overlay') return [];
		const found = newFilesAt(mount.mountPoint);
		// What an overlay's upper directory has, it has.
		const mayHave = found.newFiles ?? found.newFilesError === undefined;
		if (!has && !mayHave) return [];
		return [{ ...report, device: device?.name, ...found, badBlocks: device && badBlocksOf(device) }];
	});
}
