// The links of the file itself: what is in it, its flag, and the state that it is in.

import { quoted } from '../../format.ts';
import { attributesText, inodeFlagsText, xflagsText } from '../../mask-words.ts';
import { native } from '../../native.ts';
import type { DaxExclusion, DaxReport } from '../report.ts';
import { allowed, alwaysOption, check, type DaxCheck, type DaxEvidence, isRefusal, type Judge } from './check.ts';
import { flagDecides, ifCapable, mountingRemedy, refusesAlways } from './mount.ts';

/** What a file has, in words. */
export const phrases: Readonly<Record<DaxExclusion, string>> = {
	'inline data': 'inline data (data inside the inode)',
	'packed tail': 'a packed tail (the last bytes are beside the inode)',
	encryption: 'encryption',
	verity: 'fs-verity',
	'data journalling': 'data journalling (data go through the journal)',
	compression: 'compressed data',
	'shared blocks': 'blocks shared with another file (reflink)',
};

const remedies: Readonly<Record<DaxExclusion, (report: DaxReport) => string>> = {
	'inline data': () => 'copy the file to a file system that was made without inline data: mkfs.ext4 -O ^inline_data',
	'packed tail': () => 'make the image again, with whole blocks: mkfs.erofs -Enoinline_data IMAGE DIRECTORY',
	encryption: () => 'copy it to a directory that is not encrypted',
	verity: () => 'copy it: the copy has no fs-verity',
	'data journalling': ({ file, mount }) =>
		mount?.superOptions.includes('data=journal')
			? `mount ${quoted(mount.mountPoint)} with -o data=ordered; data=journal may be the default of this file system`
			: `take its data out of the journal: chattr -j ${quoted(file.realPath)}`,
	compression: ({ mount }) =>
		mount?.fsType === 'erofs'
			? 'make the image again, without compression: mkfs.erofs -Enoinline_data IMAGE DIRECTORY'
			: 'turn off its compression: chattr -c',
	'shared blocks': ({ file }) => `make a copy that shares no blocks: cp --reflink=never ${quoted(file.realPath)} COPY`,
};

/** Judges whether something in the file excludes DAX. */
export const contentsLink: Judge = (report) => {
	const { file, mount, dax } = report;
	if (file.type !== 'file' && file.type !== 'directory') return undefined;
	// tmpfs and the like have no DAX anyway.
	if (!mount || mount.mode === 'unsupported') return undefined;
	const evidence = [
		{ value: attributesText(file.attributes, native.constants), source: 'statx, attributes' },
		...(file.inodeFlags === undefined
			? []
			: [{ value: inodeFlagsText(file.inodeFlags, native.constants), source: 'FS_IOC_GETFLAGS' }]),
	];
	const [first] = file.exclusions;
	if (first === undefined || dax) return check('file contents', 'ok', 'nothing in it excludes DAX', evidence);
	const what = file.type === 'directory' ? 'new files in it have' : 'it has';
	const finding = `${what} ${file.exclusions.map((name) => phrases[name]).join(' and ')}, which excludes DAX`;
	return check('file contents', 'broken', finding, evidence, remedies[first](report));
};

const xflag = ({ file }: DaxReport) => ({
	value: file.xflags === undefined ? (file.xflagsError ?? 'unreadable') : xflagsText(file.xflags, native.constants),
	source: `FS_IOC_FSGETXATTR of ${file.realPath}, xflags`,
});

/** What helps where the flag cannot be read. */
const toReadFlag = ({ file: { xflagsError } }: DaxReport): string =>
	isRefusal(xflagsError) ? allowed('ioctl (FS_IOC_FSGETXATTR)') : 'run this as its owner or as root';

/** How to set the flag. */
function flagRemedy(report: DaxReport): string {
	const { file, mount, kernel } = report;
	// Where the kernel is not known to obey the flag, only the mount is sure to help.
	if (!kernel.perFileDax) return mountingRemedy(report);
	const isReadOnly = mount!.options.includes('ro') || mount!.superOptions.includes('ro');
	const first = isReadOnly ? `mount -o remount,rw ${quoted(mount!.mountPoint)} && ` : '';
	const or = refusesAlways(report) ? '' : ` (or mount with -o ${alwaysOption(report, mount!.fsType)})`;
	return `${ifCapable(report)}${first}daxkind chattr +x ${quoted(file.realPath)}${or}`;
}

/** Judges FS_XFLAG_DAX, where it decides. */
export const flagLink: Judge = (report) => {
	const { file, dax, directory } = report;
	if (!flagDecides(report) || (file.type !== 'file' && file.type !== 'directory')) return undefined;
	const evidence = [xflag(report)];
	if (file.flag === undefined) {
		return check(
			'flag',
			'unknown',
			`the DAX flag of the ${file.type} decides, but it cannot be read`,
			evidence,
			toReadFlag(report),
		);
	}
	if (file.flag) return check('flag', 'ok', `the ${file.type} has the DAX flag`, evidence);
	if (dax) {
		const finding = 'the DAX flag was cleared, and the file leaves DAX when nobody has it open any more';
		return check('flag', 'warning', finding, evidence);
	}
	const remedy = flagRemedy(report);
	if (file.type === 'directory') {
		const finding = 'the directory does not have the DAX flag, so new files in it do not get it';
		return check('flag', 'broken', finding, evidence, remedy);
	}
	const late = directory.flag ? '; its directory has the flag, but the file was made before that or was moved in' : '';
	return check('flag', 'broken', `the file does not have the DAX flag${late}`, evidence, remedy);
};

const closing =
	'close it everywhere (fuser -v lists who has it open) and open it again; if that does not help, free the cached inode: echo 2 > /proc/sys/vm/drop_caches';

const rivalry = 'only the first mounted XFS file system of a disk has DAX';

/** What helps against the other XFS file systems of the disk, of which one has DAX. */
function rivalRemedy({ mount }: DaxReport): string | undefined {
	const rivals = mount?.rivals ?? [];
	return rivals.length === 0
		? undefined
		: `unmount ${[...rivals, mount!.mountPoint].map(quoted).join(' and ')}, then mount first the file system that should have DAX`;
}

/** The finding when everything that is known is right, and the file is not on DAX all the same. */
function unexplained({ mount }: DaxReport): string {
	if (!mount) return 'and nothing says why: its mount is not in the table of mounts';
	if (mount.rivals.length > 0) return `because ${rivalry}, and another one is mounted at ${mount.rivals.join(' and ')}`;
	return mount.fsType === 'virtiofs'
		? 'because the virtiofs share has no DAX window, or its server does not turn DAX on for it'
		: 'and the kernel does not say why';
}

/** XFS can keep the data of a file on another device than the one that was looked at: its realtime device. */
const isRealtime = ({ file, mount }: DaxReport) =>
	mount?.fsType === 'xfs' && ((file.xflags ?? 0) & native.constants.FS_XFLAG_REALTIME) !== 0;

/** The check for a kernel that does not report the state: it says what MAP_SYNC or the rest tells. */
function unreported(report: DaxReport, what: string, source: string): DaxCheck {
	const { dax, knownBy, file, mapSync } = report;
	const { refusal } = file;
	const evidence: DaxEvidence[] = [{ value: refusal ?? 'not reported', source }];
	if (mapSync.tried !== undefined) {
		evidence.push({ value: mapSync.error ?? 'accepted', source: `mmap(MAP_SYNC) of ${mapSync.tried}` });
	}
	const silence =
		refusal === undefined
			? 'this kernel does not report it'
			: 'statx would report it, but is refused (seccomp profiles of old container runtimes do that)';
	if (dax === undefined) {
		const finding = `it is not known whether ${what} is on DAX: ${silence}, and nothing else shows it`;
		const remedy = refusal === undefined ? 'use Linux 5.8 or later, which reports it' : allowed('statx');
		return check('state', 'unknown', finding, evidence, remedy);
	}
	if (!dax) return check('state', 'broken', `everything else says that ${what} is not on DAX; ${silence}`, evidence);
	const proof = knownBy === 'MAP_SYNC' ? 'MAP_SYNC proves' : 'the mount shows';
	return check('state', 'ok', `${proof} that ${what} is on DAX; ${silence}`, evidence);
}

function fileState(report: DaxReport, brokenBefore: boolean): DaxCheck {
	const { file } = report;
	if (file.dax === undefined) return unreported(report, 'the file', 'statx, attributes_mask (DAX is 0x200000)');
	const evidence = [
		{ value: attributesText(file.attributes, native.constants), source: 'statx, attributes' },
		{ value: attributesText(file.attributesMask, native.constants), source: 'statx, attributes_mask' },
	];
	if (file.dax) return check('state', 'ok', 'the file is on DAX now', evidence);
	if (brokenBefore) return check('state', 'broken', 'the file is not on DAX now', evidence);
	if (flagDecides(report) && file.flag === undefined) {
		const finding = 'the file is not on DAX; its DAX flag decides, but this user cannot read it';
		return check('state', 'broken', finding, evidence, toReadFlag(report));
	}
	if (isRealtime(report)) {
		const finding = 'the file is not on DAX; its data are on the realtime device of the XFS, which may have no DAX';
		return check(
			'state',
			'broken',
			finding,
			[...evidence, xflag(report)],
			'copy it to a directory without the flag rt-inherit',
		);
	}
	if (flagDecides(report) && file.flag && !rivalRemedy(report)) {
		// If the file has other names, the lookup of one of them keeps the file cached, though nobody has it open.
		const names = file.links > 1 ? `, or the kernel has another of its ${file.links} names cached` : '';
		const finding = `the DAX flag is set, but pending: somebody opened the file before the change and still has it open${names}; it takes effect when that ends`;
		return check('state', 'broken', finding, evidence, closing);
	}
	return check('state', 'broken', `the file is not on DAX, ${unexplained(report)}`, evidence, rivalRemedy(report));
}

/** Judges what the kernel says of the state in the end. */
export const stateLink: Judge = (report, brokenBefore) => {
	const { file, newFile, dax } = report;
	if (file.type === 'file') return fileState(report, brokenBefore);
	if (!newFile) return undefined;
	if (newFile.error !== undefined) {
		const evidence = [{ value: newFile.error, source: 'open(O_TMPFILE)' }];
		const but = dax && report.mount?.fsType === 'erofs' ? ', except compressed files and files with packed tails' : '';
		const rest =
			dax === undefined
				? 'nothing else says whether files in it are on DAX'
				: `everything else says that files in it ${dax ? 'are' : 'are not'} on DAX${but}`;
		const finding = `no file can be made in the directory as a test; ${rest}`;
		return check('state', brokenBefore ? 'broken' : 'unknown', finding, evidence);
	}
	const source = 'statx of a nameless file made in it';
	if (newFile.dax === undefined) return unreported(report, 'a file made in the directory', source);
	const evidence = [{ value: dax ? 'on DAX' : 'not on DAX', source }];
	if (dax) return check('state', 'ok', 'a file made in the directory is on DAX', evidence);
	const why = brokenBefore ? '' : `, ${unexplained(report)}`;
	const remedy = brokenBefore ? undefined : rivalRemedy(report);
	return check('state', 'broken', `a file made in the directory is not on DAX${why}`, evidence, remedy);
};
