// Gathers everything that decides whether a path is on DAX.
import { constants as os } from 'node:os';
import { dirname } from 'node:path';
import { getSystemErrorName } from 'node:util';
import { requirePath } from '../arguments.ts';
import { attempt } from '../attempt.ts';
import { badBlocksUnder } from '../media/index.ts';
import { mountOf, readMounts } from '../mounts.ts';
import type { StatxResult } from '../native/syscalls.ts';
import { native } from '../native.ts';
import { type BlockDevice, blockDevice } from './block-device.ts';
import { daxDevice } from './dax-device.ts';
import { type Extents, fileReport, hasDaxFlag } from './file-report.ts';
import { type DaxHugePages, hugePages, placed } from './huge-pages.ts';
import { hasPerFileDax, type MountFacts, mountReport } from './mount-report.ts';
import { type Nvdimm, nvdimmOf } from './nvdimm.ts';
import type {
	DaxDirectoryReport,
	DaxFileReport,
	DaxFileSystemReport,
	DaxFileType,
	DaxKernelReport,
	DaxMapSyncReport,
	DaxNewFileReport,
	DaxReport,
} from './report.ts';
import { stateOf } from './state.ts';

/**
 * Errors of mmap: MAP_SYNC is known and refused, MAP_SYNC is not known, or nothing can be mapped at all. Other errors
 * have other causes.
 */
const { EOPNOTSUPP, EINVAL, ENODEV } = os.errno;

function directoryReport(file: DaxFileReport): DaxDirectoryReport {
	if (file.type === 'directory') return { path: file.realPath, flag: file.flag };
	const path = dirname(file.realPath);
	const { value } = attempt(() => native.getFsxattr(path));
	return { path, flag: value && hasDaxFlag(value) };
}

/**
 * Whether making a file with a name is in vain: where nothing can be on DAX, no directory is to be changed for a test.
 * virtiofs on older kernels and overlays have no nameless files, but may have DAX.
 */
const isInVain = (mount: MountFacts['mount'] | undefined) =>
	mount !== undefined && mount.mode === 'unsupported' && mount.fsType !== 'overlay';

function newFileReport(directory: string, onlyNameless: boolean): DaxNewFileReport {
	const { value, error } = attempt(() => native.statxTemporary(directory, onlyNameless));
	return { dax: value?.dax, error };
}

/** Tries MAP_SYNC, on the file itself, or on a new file in a directory. */
function tryMapSync(
	path: string,
	type: DaxFileType,
	onlyNameless: boolean,
): { report: DaxMapSyncReport; isKnown: boolean | undefined } {
	if (type !== 'file' && type !== 'directory') {
		return { report: { supported: undefined, tried: undefined, error: undefined }, isKnown: undefined };
	}
	const { value: result, error } = attempt(() => native.tryMapSync(path, type === 'directory', onlyNameless));
	if (result === undefined) return { report: { supported: undefined, tried: undefined, error }, isKnown: undefined };
	return {
		report: {
			supported: result === 0 ? true : [EOPNOTSUPP, EINVAL, ENODEV].includes(-result) ? false : undefined,
			tried: type === 'directory' ? 'a temporary file' : 'the file',
			// Node uses libuv's name for EOPNOTSUPP everywhere: ENOTSUP.
			error: result === 0 ? undefined : getSystemErrorName(result),
		},
		isKnown: result === 0 || result === -EOPNOTSUPP ? true : result === -EINVAL ? false : undefined,
	};
}

function hugePageReport(
	{ file, mount }: Pick<DaxReport, 'file' | 'mount'>,
	dax: boolean,
	fileSystem: DaxFileSystemReport,
	device: BlockDevice | undefined,
	nvdimm: Nvdimm | undefined,
	extents: Extents | undefined,
): DaxHugePages {
	const { effectiveMode } = mount ?? {};
	return hugePages({
		hugePageSize: native.constants.HUGE_PAGE_SIZE,
		daxPossible: dax || effectiveMode === 'always' || effectiveMode === 'inode',
		// An address that is not known is a multiple of 2 MiB, because the kernel makes no fsdax namespace elsewhere. So 0
		// stands for it.
		deviceStart: device && (nvdimm?.namespace.start ?? 0) + (device.partition?.start ?? 0),
		stacked: (device?.layers.length ?? 0) > 1,
		allocationUnit: fileSystem.allocationUnit,
		extents: extents && placed(extents.list, native.constants),
		complete: extents?.complete ?? false,
		size: file.type === 'file' ? file.size : undefined,
	});
}

/** What is bad under the path. Undefined where there is no device that could have bad blocks. */
function badBlocksOf({ file, device, daxDevice }: Pick<DaxReport, 'file' | 'device' | 'daxDevice'>) {
	if (daxDevice?.major !== undefined && daxDevice.minor !== undefined) {
		return badBlocksUnder('DAX', daxDevice.major, daxDevice.minor);
	}
	if (device === undefined) return undefined;
	return badBlocksUnder('block', device.major, device.minor, file.type === 'file' ? file.realPath : undefined);
}

/**
 * Adds what MAP_SYNC tells of a region. If the file is on DAX and its file system knows MAP_SYNC, only an asynchronous
 * region refuses it.
 */
function withMapSync(
	nvdimm: Nvdimm,
	dax: boolean,
	{ supported }: DaxMapSyncReport,
	driver: string | undefined,
): Nvdimm {
	const { asynchronous } = nvdimm.region;
	if (asynchronous !== undefined || supported === undefined) return nvdimm;
	if (!supported && (!dax || (driver !== 'ext4' && driver !== 'xfs'))) return nvdimm;
	return { ...nvdimm, region: { ...nvdimm.region, asynchronous: !supported } };
}

/** The device that a node in /dev stands for. */
function representedDevice(file: DaxFileReport, { representsMajor, representsMinor }: StatxResult) {
	return file.type === 'block device' ? blockDevice(representsMajor, representsMinor) : undefined;
}

/**
 * Finds out everything that decides whether a file, or a file made in a directory, is on DAX: the file and its flags,
 * its directory, the mount and the mode that is really in effect, the file system, the block device with its partition
 * and its layers, the persistent memory behind it, what the kernel knows, whether MAP_SYNC is possible, and whether
 * huge pages are.
 *
 * It asks statx, statfs, FS_IOC_FSGETXATTR, FS_IOC_GETFLAGS, FS_IOC_FIEMAP, /proc/self/mountinfo and sysfs. In a
 * directory it makes nameless files for a moment. It maps a page with MAP_SYNC without touching it. It starts no
 * process and needs no privileges: what this user may not read is undefined. It changes nothing, except that the time
 * of access of another user's file may change, as reading the file would change it. It is synchronous: the thread waits
 * for these system calls.
 *
 * @param path A file or directory; symbolic links are followed.
 * @throws SystemError of `statx` if there is no such path, or it cannot be reached.
 * @example
 * const { dax, mount, device } = inspect('/mnt/pmem');
 * console.log(dax, mount?.effectiveMode, device?.name);
 */
export function inspect(path: string | URL): DaxReport {
	const checked = requirePath('path', path);
	const status = native.statx(checked);
	const { value: mounts = [], error: mountsError } = attempt(readMounts);
	const mount = mountOf(status, mounts);
	const facts = mount && mountReport(mount, checked, status, mounts);
	const { file, extents } = fileReport(checked, status, facts?.mount ?? { fsType: '', superOptions: [] });
	const node = file.type === 'character device' ? daxDevice(file.realPath, status) : undefined;
	const device = representedDevice(file, status) ?? facts?.device;
	const nvdimm = device && nvdimmOf(device.sysfs, device.dax);
	const isDirectory = file.type === 'directory';
	const onlyNameless = isInVain(facts?.mount);
	const newFile = isDirectory ? newFileReport(checked, onlyNameless) : undefined;
	const fileSystem = facts?.fileSystem ?? { blockSize: status.blockSize, allocationUnit: 0 };
	const { report: mapSync, isKnown } = tryMapSync(checked, file.type, onlyNameless);
	const { PAGE_SIZE: pageSize, HUGE_PAGE_SIZE: hugePageSize } = native.constants;
	const kernel: DaxKernelReport = { pageSize, hugePageSize, perFileDax: hasPerFileDax(status), mapSync: isKnown };
	const seen = {
		file,
		directory: directoryReport(file),
		...(newFile && { newFile }),
		...(facts && { mount: facts.mount }),
		...(mountsError !== undefined && { mountsError }),
		fileSystem,
		...(device && { device }),
		...(node && { daxDevice: node }),
		kernel,
		mapSync,
	};
	const { dax, knownBy } = stateOf(seen);
	const isOn = dax === true;
	const bad = badBlocksOf(seen);
	return {
		path: checked,
		dax,
		knownBy,
		...seen,
		...(bad && { badBlocks: bad }),
		...(nvdimm && withMapSync(nvdimm, isOn, mapSync, facts?.mount.driver)),
		hugePages: hugePageReport(seen, isOn, fileSystem, device, nvdimm, extents),
	};
}
