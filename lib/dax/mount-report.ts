// What is known about the mount and the file system that a file is in.
import { existsSync } from 'node:fs';
import { attempt } from '../attempt.ts';
import type { MountInfo } from '../mountinfo.ts';
import type { StatxResult } from '../native/syscalls.ts';
import { native } from '../native.ts';
import { machine } from '../tree.ts';
import { type BlockDevice, blockDevice } from './block-device.ts';
import { daxOption, effectiveMode } from './modes.ts';
import type { DaxFileSystemReport, DaxMountReport } from './report.ts';
import { hasDaxWindow } from './virtiofs.ts';

/** XFS shows its stripes in units of 512 bytes (xfs(5)). */
const xfsUnit = 512;

/** The number after `name=` in the options; 0 if it is not there. */
function numberOption(options: readonly string[], name: string): number {
	const text = options.findLast((option) => option.startsWith(`${name}=`));
	return text === undefined ? 0 : Number(text.slice(name.length + 1)) || 0;
}

/**
 * The number of bytes to whose multiples the allocator of the file system aligns large files, by the options that the
 * file system shows. 0 if it shows no such option. Pure.
 *
 * @param blockSize Of the file system, in bytes: ext4's unit.
 */
export function allocationUnit({ fsType, superOptions }: MountInfo, blockSize: number): number {
	if (fsType === 'xfs') return numberOption(superOptions, 'sunit') * xfsUnit;
	return numberOption(superOptions, 'stripe') * blockSize;
}

/**
 * The driver that mounted the file system. On kernels without drivers for ext2 and ext3, ext4's driver mounts them, and
 * sysfs shows the device among ext4's.
 */
function driverOf({ fsType }: MountInfo, device: BlockDevice | undefined): string {
	const isOlderExt = fsType === 'ext2' || fsType === 'ext3';
	return isOlderExt && device !== undefined && existsSync(`/sys/fs/ext4/${device.name}`) ? 'ext4' : fsType;
}

/**
 * mountinfo hides one option that matters here, where it is the file system's own default (tune2fs -o journal_data).
 */
const journalled = 'data=journal';

/** The options. data=journal is among them also where ext4 does not show it. */
function allOptions({ superOptions }: MountInfo, driver: string, device: BlockDevice | undefined): string[] {
	if (driver !== 'ext4' || device === undefined || superOptions.includes(journalled)) return superOptions;
	const inEffect = machine.read(`/proc/fs/ext4/${device.name}/options`).value?.split('\n') ?? [];
	return inEffect.includes(journalled) ? [...superOptions, journalled] : superOptions;
}

/** Whether the kernel has DAX by file, as far as the status of one file tells. Undefined where statx is refused. */
export const hasPerFileDax = ({ dax, refusal }: Pick<StatxResult, 'dax' | 'refusal'>): boolean | undefined =>
	refusal === undefined ? dax !== undefined : undefined;

/** Everything about a mount except its files. */
export interface MountFacts {
	mount: DaxMountReport;
	fileSystem: DaxFileSystemReport;
	device: BlockDevice | undefined;
}

const samePlace = (one: MountInfo, other: MountInfo) =>
	one.deviceMajor === other.deviceMajor && one.deviceMinor === other.deviceMinor && one.fsType === other.fsType;

/** Where other XFS file systems of the same disk are mounted: since Linux 6.0, only one XFS of a disk has DAX. */
function rivalsOf(mount: MountInfo, device: BlockDevice | undefined, mounts: readonly MountInfo[]): string[] {
	if (mount.fsType !== 'xfs' || !device?.partition) return [];
	return mounts
		.filter((other) => other.fsType === 'xfs' && !samePlace(other, mount))
		.filter((other) => blockDevice(other.deviceMajor, other.deviceMinor)?.disk === device.disk)
		.map(({ mountPoint }) => mountPoint);
}

/**
 * Reports on a mount.
 *
 * @param path A path in the mount.
 * @param status The status of that path.
 * @param mounts All mounts.
 */
export function mountReport(
	mount: MountInfo,
	path: string,
	status: Pick<StatxResult, 'dax' | 'refusal'>,
	mounts: readonly MountInfo[],
): MountFacts {
	const { PAGE_SIZE: pageSize } = native.constants;
	const device = blockDevice(mount.deviceMajor, mount.deviceMinor);
	const driver = driverOf(mount, device);
	const isVirtiofs = mount.fsType === 'virtiofs';
	const blockSize = attempt(() => native.statfs(path)).value?.blockSize ?? 0;
	const daxWindow = isVirtiofs ? hasDaxWindow() : undefined;
	const { mode, option, byFlag } = daxOption(mount, { perFile: hasPerFileDax(status), driver });
	return {
		mount: {
			...mount,
			superOptions: allOptions(mount, driver, device),
			driver,
			daxOption: option,
			mode,
			effectiveMode: effectiveMode(mode, {
				capable: isVirtiofs ? daxWindow : device?.dax,
				aligned: (device?.partition?.start ?? 0) % pageSize === 0 && (device?.size ?? 0) % pageSize === 0,
				blockSize: isVirtiofs || blockSize === 0 ? undefined : blockSize,
				pageSize,
			}),
			byFlag,
			mounts: mounts.filter((other) => samePlace(other, mount)).map(({ mountPoint, root }) => ({ mountPoint, root })),
			rivals: rivalsOf(mount, device, mounts),
			upperDirectory:
				mount.fsType === 'overlay'
					? mount.superOptions.find((text) => text.startsWith('upperdir='))?.slice('upperdir='.length)
					: undefined,
		},
		fileSystem: { blockSize, allocationUnit: allocationUnit(mount, blockSize), ...(isVirtiofs && { daxWindow }) },
		device,
	};
}
