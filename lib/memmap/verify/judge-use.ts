// The links from a disk to DAX: the file system, the mount, and what explain() says of it.
import { quoted } from '../../format.ts';
import { daxFileSystems } from '../../mkfs.ts';
import { mountinfo } from '../../mounts.ts';
import { type Judgement, judged } from './check.ts';
import type { FormatLines } from './format.ts';
import type { Disk } from './regions.ts';
import type { Content, MountedAt } from './use.ts';

/** Judges whether there is a file system that has DAX. */
export function fileSystemLink(
	{ path }: Disk,
	{ type, isKnown }: Content,
	mounts: readonly MountedAt[],
	format: readonly FormatLines[],
): Judgement {
	const mounted = mounts[0]?.mount;
	if (mounted !== undefined) {
		return judged('ok', `${path} has the file system ${mounted.fsType}`, [
			{ value: mounted.fsType, source: mountinfo },
		]);
	}
	const evidence = [
		{ value: type ?? (isKnown ? 'nothing' : 'not readable for this user'), source: `blkid -p ${path}` },
	];
	const mkfs = format[0]?.mkfs;
	if (type === undefined) {
		if (isKnown) return judged('broken', `${path} has no file system`, evidence, mkfs);
		return judged('unknown', `only root can see what is on ${path}`, evidence, 'run as root');
	}
	if (daxFileSystems(undefined).some((name) => name === type)) {
		return judged('ok', `${path} has the file system ${type}`, evidence);
	}
	const finding = `${path} holds ${type}, which is not a file system for DAX`;
	return judged('broken', finding, evidence, `${mkfs}, which destroys its contents`);
}

/** Judges whether it is mounted. */
export function mountLink({ path }: Disk, mounts: readonly MountedAt[], format: readonly FormatLines[]): Judgement {
	if (mounts.length === 0) {
		const evidence = [{ value: 'no mount', source: mountinfo }];
		return judged('broken', `${path} is not mounted`, evidence, format[0]?.mount);
	}
	const points = mounts.map(({ mount }) => mount.mountPoint);
	const evidence = mounts.map(({ mount }) => ({
		value: `${mount.mountPoint} ${[...mount.options, ...mount.superOptions].join(',')}`,
		source: `${mountinfo}, mount ${mount.id}`,
	}));
	return judged('ok', `it is mounted on ${points.join(' and ')}`, evidence);
}

/** Says that nobody knows whether it is mounted. `error` is the code of the error that reading the table gave. */
export const unknownMount = ({ path }: Disk, error: string): Judgement =>
	judged('unknown', `it is not known whether ${path} is mounted, because the table of mounts cannot be read`, [
		{ value: error, source: mountinfo },
	]);

/** Judges whether files there are on DAX, as explain() finds. */
export function daxLink({ mount, explanation }: MountedAt): Judgement {
	const { mountPoint } = mount;
	const source = `daxkind explain ${quoted(mountPoint)}`;
	if (explanation === undefined) {
		return judged('unknown', `it is not known whether ${mountPoint} is on DAX, because it cannot be reached`, [
			{ value: 'not reached', source },
		]);
	}
	const { dax, reason, remedy, checks } = explanation;
	if (!dax) {
		const value = dax === undefined ? 'not known' : 'not on DAX';
		const finding =
			dax === undefined ? `it is not known whether ${mountPoint} is on DAX` : `${mountPoint} is not on DAX`;
		return judged(dax === undefined ? 'unknown' : 'broken', `${finding}: ${reason}`, [{ value, source }], remedy);
	}
	const evidence = [{ value: 'on DAX', source }];
	const pages = checks.find(({ link, verdict }) => link === 'huge pages' && verdict !== 'ok');
	if (pages === undefined) return judged('ok', `${mountPoint} is on DAX, with huge pages`, evidence);
	return judged('warning', `${mountPoint} is on DAX, but ${pages.finding}`, evidence, pages.remedy);
}
