// The links of the file system and how it is mounted.
import type { DaxReport, MountReport } from '../report.ts';
import { type Check, check, type Evidence, elsewhere, type Judge, mountinfo, quoted, sourceOf } from './check.ts';

/** Whether the path is something that can be on DAX at all. */
export const pathLink: Judge = ({ file: { type, realPath } }) => {
	const evidence = [{ value: type, source: 'statx' }];
	if (type === 'file' || type === 'directory') return check('path', 'ok', `it is a ${type}`, evidence);
	if (type === 'block device') {
		const remedy = 'name a file or a directory of the file system on it';
		return check(
			'path',
			'broken',
			'it is a block device; files of the file system on it can be on DAX',
			evidence,
			remedy,
		);
	}
	if (type === 'character device' && realPath.startsWith('/dev/dax')) {
		return check(
			'path',
			'broken',
			'it is a device-DAX node: memory to be mapped, always directly accessed, and no file of a file system',
			evidence,
			'for files on it, make its namespace fsdax: ndctl create-namespace -f -e NAMESPACE --mode=fsdax',
		);
	}
	return check('path', 'broken', `it is neither a file nor a directory, but a ${type}`, evidence);
};

function overlayCheck(mount: MountReport, evidence: Evidence[]): Check {
	const upper = mount.upperDirectory;
	const where = upper === undefined ? '' : `; what is written goes to ${upper}`;
	return check(
		'file system',
		'broken',
		`it is an overlay, which has no DAX of its own: its files are those of its layers${where}`,
		evidence,
		'use a directory of a DAX file system itself; in a container, bind-mount one as a volume',
	);
}

/** Whether the file system has DAX. */
export const fileSystemLink: Judge = ({ mount, dax }) => {
	if (!mount) {
		return check('file system', 'unknown', 'its mount is not in the table of mounts', [
			{ value: 'no such mount', source: mountinfo },
		]);
	}
	const { fsType, driver } = mount;
	const evidence = [{ value: fsType, source: `${mountinfo}, mount ${mount.id}` }];
	// By its files it may be, as an overlay over DAX is; then nothing is broken.
	if (mount.mode === 'unsupported' && !dax) {
		if (fsType === 'overlay') return overlayCheck(mount, evidence);
		return check('file system', 'broken', `the file system is ${fsType}, which has no DAX`, evidence, elsewhere);
	}
	if (driver !== fsType) evidence.push({ value: driver, source: `/sys/fs/${driver}` });
	const by = driver === fsType ? '' : `, served by the ${driver} driver`;
	return check('file system', 'ok', `the file system is ${fsType}${by}`, evidence);
};

/** Options without which the file system cannot be mounted: the other devices of XFS and erofs. */
const isNeeded = (option: string) => /^(?:logdev|rtdev|device)=/.test(option);

/** The commands that mount a file system with another option. All its mounts have to go first, the last one made before the others. */
function remount(report: DaxReport, dax: string): string {
	const { mounts, fsType, superOptions } = report.mount!;
	const option = [dax, ...superOptions.filter(isNeeded)].join(',');
	const whole = mounts.find(({ root }) => root === '/')?.mountPoint;
	if (whole === '/') {
		return `it is the root file system: give the kernel rootflags=${option} and boot again (a remount cannot change it)`;
	}
	if (whole === undefined) {
		return `unmount its file system everywhere and mount that with -o ${option}; only parts of it are mounted here, as in a container`;
	}
	const all = mounts.map((mount) => quoted(mount.mountPoint)).reverse();
	// A share has no device by which mount(8) could find out its type.
	const type = fsType === 'virtiofs' ? '-t virtiofs ' : '';
	const command = `umount ${all.join(' ')} && mount ${type}-o ${quoted(option)} ${sourceOf(report)} ${quoted(whole)}`;
	const bound = mounts.filter((mount) => mount.mountPoint !== whole).map((mount) => quoted(mount.mountPoint));
	const again = bound.length === 0 ? '' : `, then mount ${bound.join(' and ')} again`;
	return `${command}${again} (a remount cannot change it)`;
}

/** The option that puts all files on DAX: ext2 and ext3 take only the plain word. */
export const alwaysOption = ({ mount }: Pick<DaxReport, 'mount'>): string =>
	mount?.fsType === 'ext2' || mount?.fsType === 'ext3' ? 'dax' : 'dax=always';

function neverCheck(report: DaxReport, evidence: Evidence[], brokenBefore: boolean): Check {
	const { mount, device } = report;
	const { fsType, driver, daxOption, mountPoint } = mount!;
	// "DAX and reflink cannot work with multi-partitions!" (fs/xfs/xfs_super.c, 6.0 and later); before, reflink excluded DAX everywhere.
	const isShared = fsType === 'xfs' && device?.partition !== undefined;
	const but = isShared
		? '; on a partition an XFS takes that only if it was made with -m reflink=0, and dax=inode always'
		: '';
	const remedy = `${remount(report, alwaysOption(report))}${but}`;
	if (daxOption === undefined) {
		const experimental = fsType === 'ext2' && driver === 'ext2' ? ', and by this driver without MAP_SYNC' : '';
		return check('mount', 'broken', `${mountPoint} is mounted without the dax option${experimental}`, evidence, remedy);
	}
	// XFS mounts all the same where it cannot do DAX, and shows that it is off.
	const itself = brokenBefore && fsType === 'xfs' ? ', which XFS shows when it has turned DAX off by itself, too' : '';
	return check('mount', 'broken', `${mountPoint} is mounted with ${daxOption}${itself}`, evidence, remedy);
}

const meanings = {
	always: 'all files are on DAX',
	inode: 'each file is on DAX by its flag',
} as const;

/** The mode in which it is mounted. */
export const mountLink: Judge = (report, brokenBefore) => {
	const { mount } = report;
	if (!mount || mount.mode === 'unsupported') return undefined;
	const { daxOption, mountPoint, mode, fsType, byFlag } = mount;
	const evidence = [{ value: daxOption ?? 'no dax option', source: `${mountinfo}, mount ${mount.id} (${mountPoint})` }];
	if (mode === 'never') return neverCheck(report, evidence, brokenBefore);
	const meaning = mode === 'inode' && !byFlag ? 'a file is on DAX if the server says so' : meanings[mode];
	const how =
		daxOption === undefined ? `without a dax option, which on ${fsType} means dax=${mode}` : `with ${daxOption}`;
	return check('mount', 'ok', `${mountPoint} is mounted ${how}: ${meaning}`, evidence);
};

/** Whether the flag decides here. */
export const flagDecides = ({ mount }: DaxReport): boolean => mount?.mode === 'inode' && mount.byFlag;
