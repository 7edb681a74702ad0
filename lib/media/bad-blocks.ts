// Finds the bytes of a file, a tree, a mount or a device that are bad.
import { constants } from 'node:fs';
import { constants as os } from 'node:os';
import { join } from 'node:path';
import { requirePath } from '../arguments.ts';
import { attempt } from '../attempt.ts';
import { type ByteRange, without } from '../byte-ranges.ts';
import { deviceOf } from '../device/index.ts';
import { systemError } from '../errors.ts';
import { readable } from '../format.ts';
import { type CheckedJobOptions, checkJobOptions, finish, type WatchableOptions } from '../jobs.ts';
import type { MountInfo } from '../mountinfo.ts';
import { mountOf, readMounts } from '../mounts.ts';
import type { BadFiles } from '../native/media.ts';
import type { StatxResult } from '../native/syscalls.ts';
import { native } from '../native.ts';
import { machine } from '../tree.ts';
import { type BadBlockList, inSources, onDevice, readDeviceList } from './device-list.ts';
import { mostUnit, rangeBytes, rowsOf } from './ranges.ts';
import type { BadBlocks, BadBlocksProgress, BadPart } from './report.ts';

export interface BadBlocksOptions extends WatchableOptions<BadBlocksProgress> {}

const { S_IFMT, S_IFREG, S_IFDIR, S_IFBLK, S_IFCHR } = constants;
const { EINVAL } = os.errno;

const progressOf = ([, files, directories, found]: Float64Array): BadBlocksProgress => ({
	files: files!,
	directories: directories!,
	found: found!,
});

type Checked = CheckedJobOptions<BadBlocksProgress>;

/** What a walk has found, for one device. */
interface Walked {
	parts: BadPart[];
	found: Pick<BadFiles, 'files' | 'directories'>;
	doubts: string[];
	failures: BadBlocks['failures'];
}

const nothing: Walked = { parts: [], found: { files: 0, directories: 0 }, doubts: [], failures: [] };

const below = (top: string, path: Buffer) => (path.length === 0 ? top : join(top, readable(path)));

/** The smallest part that the file system at a path reads and writes, in bytes. */
export function blockSizeAt(path: string): number {
	const { value } = attempt(() => native.statfs(path).blockSize);
	return value !== undefined && value > 0 && value <= mostUnit ? value : native.constants.PAGE_SIZE;
}

/** Walks through what is at a path and below, if its device has bad blocks. */
async function walk(top: string, list: BadBlockList, bad: readonly ByteRange[], options: Checked): Promise<Walked> {
	if (bad.length === 0) return nothing;
	const unit = blockSizeAt(top);
	const start = () => native.scanBadBlocksAsync(top, rangeBytes(bad), unit);
	const found = await finish(start, options, { progressOf });
	const parts = found.hits.flatMap(({ path, isDirectory, links, size, parts }) =>
		rowsOf(parts, 4).map(
			([offset, length, deviceOffset, flags]): BadPart => ({
				path: below(top, path),
				type: isDirectory ? 'directory' : 'file',
				offset: offset!,
				length: length!,
				links,
				size,
				device: list.name,
				deviceOffset: deviceOffset!,
				unwritten: (flags! & native.constants.FIEMAP_EXTENT_UNWRITTEN) !== 0,
				shared: (flags! & native.constants.FIEMAP_EXTENT_SHARED) !== 0,
			}),
		),
	);
	const doubts = [
		...(found.isSilent ? [`the file system of ${top} does not say where its files are`] : []),
		...(found.hasRealtime ? ['files on the realtime device of XFS were left out'] : []),
	];
	const failures = found.failures.map(({ path, errno, syscall }) => systemError(errno, syscall, below(top, path)));
	return { parts, found: { files: found.files, directories: found.directories }, doubts, failures };
}

/** The bad blocks of a file, a directory or a mount. */
async function ofFiles(
	path: string,
	real: string,
	status: StatxResult,
	isDirectory: boolean,
	options: Checked,
): Promise<BadBlocks> {
	const { value: mounts = [] } = attempt(readMounts);
	const mount = mountOf(status, mounts);
	const isTop = isDirectory && mount?.mountPoint === real && mount.root === '/';
	const type = isTop ? 'mount' : isDirectory ? 'directory' : 'file';
	// File systems without a block device have major number 0.
	if (status.deviceMajor === 0) {
		const name = mount?.fsType ?? 'at the path';
		const doubts =
			name === 'tmpfs'
				? []
				: [`the file system ${name} has no block device of its own, so its bad blocks are not known`];
		return { ...empty, path, type, device: undefined, unowned: isTop ? [] : undefined, doubts };
	}
	const list = readDeviceList('block', status.deviceMajor, status.deviceMinor);
	const walked = await walk(real, list, list.ranges, options);
	const parts =
		real === path ? walked.parts : walked.parts.map((part) => ({ ...part, path: renamed(part.path, real, path) }));
	return {
		path,
		type,
		device: list,
		parts,
		unowned: isTop ? without(list.ranges, parts.map(deviceRange)) : undefined,
		...walked.found,
		sources: list.sources,
		doubts: [...list.doubts, ...walked.doubts],
		failures: walked.failures,
	};
}

const empty = { parts: [], files: 0, directories: 0, sources: [], failures: [] };

const deviceRange = ({ deviceOffset, length }: BadPart): ByteRange => ({ offset: deviceOffset, length });

/** Changes a path below `from` to one below `to`, the name by which the caller knows it. */
const renamed = (path: string, from: string, to: string) => (path === from ? to : join(to, path.slice(from.length)));

/** Whether this status is one of that mount. Another mount may cover its mount point. */
const isOf = (status: StatxResult, { id, deviceMajor, deviceMinor }: MountInfo): boolean =>
	status.mountId === 0
		? status.deviceMajor === deviceMajor && status.deviceMinor === deviceMinor
		: status.mountId === id;

/**
 * Says for each file system that is on some of these bad blocks where to walk through it. That is its top, if the top
 * can be reached.
 */
function mountedOn(list: BadBlockList): { mount: MountInfo; on: BadBlockList; bad: ByteRange[] }[] {
	const { value: mounts = [] } = attempt(readMounts);
	const tops = new Map<string, MountInfo>();
	for (const mount of mounts) {
		const key = `${mount.deviceMajor}:${mount.deviceMinor}`;
		if (mount.deviceMajor === 0 || tops.get(key)?.root === '/') continue;
		const { value: status } = attempt(() => native.statx(mount.mountPoint));
		if (status !== undefined && isOf(status, mount)) tops.set(key, mount);
	}
	const wanted = list.ranges.flatMap((range) => inSources(list, range));
	return [...tops.values()].flatMap((mount) => {
		const isSame = mount.deviceMajor === list.major && mount.deviceMinor === list.minor;
		const on = isSame ? list : readDeviceList('block', mount.deviceMajor, mount.deviceMinor);
		const bad = wanted.flatMap((part) => onDevice(on, part));
		return bad.length === 0 ? [] : [{ mount, on, bad }];
	});
}

/**
 * The bad blocks of a block device: those in the files of everything that is mounted on it, or on devices made of it.
 */
async function ofBlockDevice(path: string, status: StatxResult, options: Checked): Promise<BadBlocks> {
	const list = readDeviceList('block', status.representsMajor, status.representsMinor);
	const parts: BadPart[] = [];
	const owned: ByteRange[] = [];
	const doubts = [...list.doubts];
	const failures: BadBlocks['failures'] = [];
	const found = { files: 0, directories: 0 };
	const mounted = mountedOn(list);
	for (const { mount, on, bad } of mounted) {
		const walked = await walk(mount.mountPoint, on, bad, options);
		parts.push(...walked.parts);
		failures.push(...walked.failures);
		found.files += walked.found.files;
		found.directories += walked.found.directories;
		doubts.push(...walked.doubts, ...(on === list ? [] : on.doubts));
		if (mount.root !== '/') doubts.push(`only ${mount.root} of the file system at ${mount.mountPoint} can be reached`);
		for (const part of walked.parts) {
			const there = inSources(on, deviceRange(part));
			owned.push(...there.flatMap((source) => onDevice(list, source)));
		}
	}
	if (list.ranges.length > 0 && mounted.length === 0) {
		doubts.push(`no file system on ${list.path} is mounted where this process can see it, so files cannot be named`);
	}
	const { sources } = list;
	return {
		path,
		type: 'block device',
		device: list,
		parts,
		unowned: without(list.ranges, owned),
		...found,
		sources,
		doubts,
		failures,
	};
}

const wrongType = (path: string) =>
	systemError(-EINVAL, 'open', path, 'not a file, a directory, a block device or a device-DAX device');

/** The bad blocks of a device-DAX device. */
function ofDaxDevice(path: string, { representsMajor, representsMinor }: StatxResult): BadBlocks {
	const device = deviceOf(representsMajor, representsMinor);
	if (device === undefined) {
		throw wrongType(path);
	}
	const list = readDeviceList('DAX', representsMajor, representsMinor);
	return {
		...empty,
		path,
		type: 'DAX device',
		device: list,
		unowned: undefined,
		sources: list.sources,
		doubts: list.doubts,
	};
}

/** The node of a device that is given by its name alone, as sysfs and daxctl name it. */
function nodeOf(path: string): string {
	if (path.includes('/') || attempt(() => native.statx(path)).value !== undefined) return path;
	const node = `/dev/${path}`;
	return attempt(() => native.statx(node)).value === undefined ? path : node;
}

/**
 * Finds the bad blocks under a path: which bytes of it the medium cannot give back any more, as the kernel lists them.
 *
 * For a file, FS_IOC_FIEMAP says which offsets of the file they are. For a directory, a mount and a block device, a
 * walk asks that of each file. The walk follows no symbolic link, never leaves the file system, and reports a file with
 * several names once. It is made only if the device has bad blocks. It runs on a thread of its own, so the event loop
 * goes on; reading the kernel's lists is a few small files on the calling thread. For a block device, the files are
 * those of all file systems that are mounted on it, on its partitions, and on linear and striped volumes of the device
 * mapper.
 *
 * The kernel lists the blocks that it has met, and those that a scrub has found. A block that nobody has read for long
 * may be bad without being listed. The call needs root only for volumes of the device mapper, for device-DAX devices,
 * and for files that this user may not read. Without root, `doubts` and `failures` say what was not seen.
 *
 * @param path A file, a directory, a block device or a device-DAX device. A device may also be given by its name, as
 * `pmem0`. A symbolic link at the end is followed.
 * @throws SystemError of `statx` or `open` if there is no such path, or it cannot be reached; EAGAIN of
 * `pthread_create`; the signal's reason.
 * @example
 * const { parts, unowned, doubts } = await badBlocksAsync('/mnt/pmem');
 * for (const { path, offset, length } of parts) console.log(`${path}: ${length} bytes at ${offset} cannot be read`);
 */
export async function badBlocksAsync(path: string | URL, options?: BadBlocksOptions): Promise<BadBlocks> {
	const checked = nodeOf(requirePath('path', path));
	const given = checkJobOptions(options, ['signal', 'onProgress']);
	const status = native.statx(checked);
	switch (status.mode & S_IFMT) {
		case S_IFBLK:
			return ofBlockDevice(checked, status, given);
		case S_IFCHR:
			return ofDaxDevice(checked, status);
		case S_IFREG:
		case S_IFDIR: {
			// The text of the link /proc/self/fd/9 of a deleted file names nothing.
			const real = machine.resolve(checked) ?? checked;
			return ofFiles(checked, real, status, (status.mode & S_IFMT) === S_IFDIR, given);
		}
		default:
			throw wrongType(checked);
	}
}
