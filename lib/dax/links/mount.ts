// The links of the file system and of how it is mounted.
import type { DaxDevice } from '../../device/index.ts';
import { quoted } from '../../format.ts';
import { mountinfo } from '../../mounts.ts';
import { forFiles } from '../dax-device.ts';
import type { DaxMountReport, DaxReport } from '../report.ts';
import {
	allowed,
	alwaysOption,
	check,
	type DaxCheck,
	type DaxEvidence,
	elsewhere,
	type Judge,
	sourceOf,
} from './check.ts';

/** Who may map a node. */
const accessOf = ({ mode, uid, gid }: NonNullable<DaxDevice['permissions']>): DaxEvidence => ({
	value: `0${mode.toString(8)}, of user ${uid} and group ${gid}`,
	source: 'permissions of the node: who may map it',
});

/** A device-DAX node, by what drives it. */
function nodeCheck(device: DaxDevice): DaxCheck {
	const { name, mode, driver, targetNode, permissions } = device;
	const evidence = [{ value: driver ?? 'none', source: `driver of ${name}, in /sys/bus/dax/devices` }];
	switch (mode) {
		case 'devdax': {
			const finding =
				'it is a device-DAX node, not a file of a file system: programs map its memory and always access it directly; a DeviceKind can use it';
			const access = permissions === undefined ? [] : [accessOf(permissions)];
			return check('path', 'warning', finding, [...evidence, ...access], forFiles(device));
		}
		case 'system-ram': {
			const node = targetNode === undefined ? 'a NUMA node' : `NUMA node ${targetNode}`;
			const remedy = `make it device DAX again: daxkind reconfigure-device --force --mode=devdax ${name}`;
			const finding = `it is a device-DAX node, and its memory is system RAM of ${node}; a NodeKind can use it`;
			return check('path', 'broken', finding, evidence, remedy);
		}
		case 'disabled': {
			const finding = 'it is a device-DAX node without a driver, so it cannot be mapped';
			return check('path', 'broken', finding, evidence, `enable it: daxkind enable-device ${name}`);
		}
		default:
			return check('path', 'unknown', 'it is a device-DAX node, but sysfs does not say what it is used for', evidence);
	}
}

/** Judges whether the path is something that can be on DAX at all. */
export const pathLink: Judge = ({ file: { type, refusal }, daxDevice }) => {
	if (daxDevice) return nodeCheck(daxDevice);
	const evidence = [{ value: type, source: refusal === undefined ? 'statx' : 'stat' }];
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
	return check('path', 'broken', `it is neither a file nor a directory, but a ${type}`, evidence);
};

function overlayCheck(mount: DaxMountReport, evidence: DaxEvidence[]): DaxCheck {
	const upper = mount.upperDirectory;
	const where = upper === undefined ? '' : `; changes go to ${upper}`;
	return check(
		'file system',
		'broken',
		`it is an overlay, which has no DAX of its own: its files are the files of its layers${where}`,
		evidence,
		'use a directory of a DAX file system directly; in a container, bind-mount one as a volume',
	);
}

/** Judges whether the file system has DAX. */
export const fileSystemLink: Judge = (report) => {
	const { file, mount, mountsError, dax } = report;
	// For a device node, the file system that the node is in says nothing about the device.
	if (file.type !== 'file' && file.type !== 'directory') return undefined;
	if (!mount) {
		const finding =
			mountsError === undefined
				? 'its mount is not in the table of mounts'
				: 'its mount is not known, because the table of mounts cannot be read';
		return check('file system', 'unknown', finding, [{ value: mountsError ?? 'no such mount', source: mountinfo }]);
	}
	const { fsType, driver } = mount;
	const evidence = [{ value: fsType, source: `${mountinfo}, mount ${mount.id}` }];
	// A file can be on DAX although its own file system has none, as in an overlay over DAX. Then nothing is broken.
	if (mount.mode === 'unsupported' && !dax) {
		if (fsType === 'overlay') return overlayCheck(mount, evidence);
		return check(
			'file system',
			'broken',
			`the file system is ${fsType}, which has no DAX`,
			evidence,
			elsewhere(report),
		);
	}
	if (driver !== fsType) evidence.push({ value: driver, source: `/sys/fs/${driver}` });
	const by = driver === fsType ? '' : `, served by the ${driver} driver`;
	return check('file system', 'ok', `the file system is ${fsType}${by}`, evidence);
};

/** Whether the file system cannot be mounted without this option, which names another device of XFS or erofs. */
const isNeeded = (option: string) => /^(?:logdev|rtdev|device)=/.test(option);

/**
 * The commands that mount a file system with another option. All its mounts have to go first; the last one goes before
 * the others.
 */
function remount(report: DaxReport, dax: string): string {
	const { mounts, fsType, superOptions } = report.mount!;
	const option = [dax, ...superOptions.filter(isNeeded)].join(',');
	const whole = mounts.find(({ root }) => root === '/')?.mountPoint;
	if (whole === '/') {
		return `it is the root file system: give the kernel rootflags=${option} and boot again (a remount cannot change it)`;
	}
	if (whole === undefined) {
		return `unmount its file system everywhere and mount it with -o ${option}; only parts of it are mounted here, as in a container`;
	}
	const all = mounts.map((mount) => quoted(mount.mountPoint)).reverse();
	// A share has no device. mount(8) finds out the type by the device.
	const type = fsType === 'virtiofs' ? '-t virtiofs ' : '';
	const command = `umount ${all.join(' ')} && mount ${type}-o ${quoted(option)} ${sourceOf(report)} ${quoted(whole)}`;
	const bound = mounts.filter((mount) => mount.mountPoint !== whole).map((mount) => quoted(mount.mountPoint));
	const again = bound.length === 0 ? '' : `, then mount ${bound.join(' and ')} again`;
	return `${command}${again} (a remount cannot change it)`;
}

/**
 * "DAX and reflink cannot work with multi-partitions!" (fs/xfs/xfs_super.c, 6.0 and later): a file system that mkfs
 * made with its defaults is refused on a partition.
 */
export const refusesAlways = ({ mount, device }: DaxReport): boolean =>
	mount?.fsType === 'xfs' && device?.partition !== undefined;

/** The condition of a remedy where sysfs says nothing of the device. */
export const ifCapable = ({ mount }: DaxReport): string =>
	mount?.effectiveMode === undefined ? 'if its device can do DAX, which cannot be read here: ' : '';

/** How to mount it so that a path is on DAX. */
export function mountingRemedy(report: DaxReport): string {
	const { mount, kernel, file } = report;
	const isXfs = mount!.fsType === 'xfs';
	const reflink = 'only if it was made with -m reflink=0';
	if (kernel.perFileDax && refusesAlways(report)) {
		const flag = file.flag ? '' : `, then daxkind chattr +x ${quoted(file.realPath)}`;
		return `${ifCapable(report)}${remount(report, 'dax=inode')}${flag}; or use dax=always: on a partition, an XFS takes it ${reflink}`;
	}
	const but = isXfs && !kernel.perFileDax ? `; an XFS takes this option ${reflink}` : '';
	return `${ifCapable(report)}${remount(report, alwaysOption(report, mount!.fsType))}${but}`;
}

function neverCheck(report: DaxReport, evidence: DaxEvidence[], brokenBefore: boolean): DaxCheck {
	const { fsType, driver, daxOption, mountPoint } = report.mount!;
	const remedy = mountingRemedy(report);
	if (daxOption === undefined) {
		const experimental = fsType === 'ext2' && driver === 'ext2' ? '; its driver has no MAP_SYNC' : '';
		return check('mount', 'broken', `${mountPoint} is mounted without the dax option${experimental}`, evidence, remedy);
	}
	// XFS mounts also where it cannot do DAX, and shows that DAX is off.
	const itself = brokenBefore && fsType === 'xfs' ? '; XFS shows the same when it has turned DAX off by itself' : '';
	return check('mount', 'broken', `${mountPoint} is mounted with ${daxOption}${itself}`, evidence, remedy);
}

const meanings = {
	always: 'all files are on DAX',
	inode: 'files with the DAX flag are on DAX',
} as const;

/** Judges the mode in which the file system is mounted. */
export const mountLink: Judge = (report, brokenBefore) => {
	const { mount, kernel } = report;
	if (!mount || mount.mode === 'unsupported') return undefined;
	const { daxOption, mountPoint, mode, fsType, byFlag } = mount;
	const evidence = [{ value: daxOption ?? 'no dax option', source: `${mountinfo}, mount ${mount.id} (${mountPoint})` }];
	if (mode === 'never') return neverCheck(report, evidence, brokenBefore);
	const meaning = mode === 'inode' && !byFlag ? 'a file is on DAX if the server says so' : meanings[mode];
	const how =
		daxOption === undefined ? `without a dax option, which on ${fsType} means dax=${mode}` : `with ${daxOption}`;
	if (mode === 'inode' && kernel.perFileDax === undefined && daxOption === undefined) {
		const finding = `${mountPoint} is mounted ${how} from Linux 5.8 on, and dax=never before; statx would show how old the kernel is, but is refused`;
		return check('mount', 'unknown', finding, evidence, allowed('statx'));
	}
	return check('mount', 'ok', `${mountPoint} is mounted ${how}: ${meaning}`, evidence);
};

/** Whether the flag decides on this mount. */
export const flagDecides = ({ mount }: DaxReport): boolean => mount?.mode === 'inode' && mount.byFlag;
