// Finds the first broken link of the chain file system -> device -> block size -> mount option -> flag, and what mends it.
import { realpathSync } from 'node:fs';
import { requirePath } from '../arguments.ts';
import { native } from '../native.ts';
import { type BlockDevice, blockDevice } from './block-device.ts';
import { daxMode, type Mount } from './mountinfo.ts';
import { mountOf, readMounts } from './mounts.ts';
import { type Probe, probe } from './probe.ts';

/** Whether a path is on DAX, and if not, why. */
export interface DaxVerdict {
	dax: boolean;
	/** The first thing that keeps DAX off, as a clause: "/dev/sda2 cannot do DAX …". Absent if `dax`. */
	reason?: string;
	/** What to do about it, often a command. Absent if `dax`, or if nothing is known to help. */
	remedy?: string;
}

type Trouble = Omit<DaxVerdict, 'dax'>;

/** The file systems of Linux that can have DAX on a block device, and how to make one with a given block size. */
const daxFileSystems: ReadonlyMap<string, string> = new Map([
	['ext2', 'mkfs.ext2 -b '],
	['ext4', 'mkfs.ext4 -b '],
	['xfs', 'mkfs.xfs -f -b size='],
	['erofs', 'mkfs.erofs -b'],
]);

const elsewhere =
	'use a directory of an ext4 or XFS file system on a persistent-memory device, mounted with -o dax=always';

/** An argument for a POSIX shell. */
function quoted(argument: string): string {
	return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}

function remount(mount: Mount, option: string): string {
	const [source, target] = [quoted(mount.source), quoted(mount.mountPoint)];
	return `umount ${target} && mount -o ${option} ${source} ${target} (a remount cannot change it)`;
}

function fileSystemTrouble({ fsType }: Mount): Trouble | undefined {
	if (fsType === 'virtiofs') {
		return { reason: 'the virtiofs share has no DAX window, or its server does not turn DAX on for the file' };
	}
	if (daxFileSystems.has(fsType)) return undefined;
	const remedy = fsType === 'overlay' ? `${elsewhere}; in a container, bind-mount it as a volume` : elsewhere;
	return { reason: `the file system is ${fsType}, which has no DAX`, remedy };
}

function deviceTrouble(device: BlockDevice | undefined, pageSize: number): Trouble | undefined {
	if (device === undefined || device.dax === undefined) return undefined;
	if (!device.dax) {
		const reason = `the block device /dev/${device.name} cannot do DAX (/sys/block/${device.disk}/queue/dax is 0)`;
		const remedy = device.disk.startsWith('pmem')
			? 'its namespace is in raw or sector mode; make it an fsdax one, which destroys its contents: ndctl create-namespace -f -e NAMESPACE --mode=fsdax'
			: elsewhere;
		return { reason, remedy };
	}
	if (device.start % pageSize !== 0) {
		return {
			reason: `the partition /dev/${device.name} starts at byte ${device.start} of its disk, not on a page of ${pageSize}`,
			remedy: 'make the partition again at a multiple of 2 MiB',
		};
	}
	return undefined;
}

function blockSizeTrouble(mount: Mount, blockSize: number, pageSize: number): Trouble | undefined {
	if (blockSize === pageSize) return undefined;
	const command = `${daxFileSystems.get(mount.fsType)}${pageSize}`;
	return {
		reason: `the file system's blocks are ${blockSize} bytes, and DAX needs them as large as a page, ${pageSize} bytes`,
		remedy: `make the file system again, which destroys its contents: ${command} ${quoted(mount.source)}`,
	};
}

function optionTrouble(mount: Mount): Trouble | undefined {
	if (daxMode(mount) !== 'never') return undefined;
	const isOn = mount.superOptions.includes('dax=never');
	const plain = mount.fsType === 'ext2' ? 'dax' : 'dax=always';
	return {
		reason: `${mount.mountPoint} is mounted ${isOn ? 'with dax=never' : 'without the dax option'}`,
		remedy: remount(mount, plain),
	};
}

/** What keeps DAX off by the file's flag, on a file system that decides by it. */
function flagTrouble(path: string, mount: Mount, type: Probe['type']): Trouble | undefined {
	if (daxMode(mount) !== 'inode') return undefined;
	let flags: number;
	try {
		// The flags of what a symbolic link stands for.
		flags = native.getFsxattr(realpathSync(path)).flags;
	} catch (error) {
		return { reason: `the file system decides by a flag that cannot be read: ${(error as Error).message}` };
	}
	if ((flags & native.constants.FS_XFLAG_DAX) === 0) {
		return {
			reason: `${mount.mountPoint} decides by each file's flag (dax=inode), and the ${type} does not have the DAX flag`,
			remedy: `xfs_io -c 'chattr +x' ${quoted(path)}, or mount with -o dax=always`,
		};
	}
	if (type === 'directory') return undefined;
	return {
		reason: 'the DAX flag is set, but the file was in use then, and changes its state only when nobody has it open',
		remedy: 'close it everywhere and open it again; if that does not help: echo 2 > /proc/sys/vm/drop_caches',
	};
}

/** The first trouble of a path that is not on DAX. */
function firstTrouble(path: string, { status, type, subject, refusal }: Probe): Trouble {
	if (type === 'other') return { reason: 'it is neither a file nor a directory' };
	const { PAGE_SIZE } = native.constants;
	const mount = mountOf(subject ?? status, readMounts());
	if (mount === undefined) return { reason: 'its mount is not in /proc/self/mountinfo' };
	const known =
		fileSystemTrouble(mount) ??
		deviceTrouble(blockDevice(mount.deviceMajor, mount.deviceMinor), PAGE_SIZE) ??
		blockSizeTrouble(mount, native.statfs(path).blockSize, PAGE_SIZE) ??
		optionTrouble(mount) ??
		flagTrouble(path, mount, type);
	if (known) return known;
	if (refusal) return { reason: `no file can be made in the directory to see (${refusal.message})` };
	if (subject?.dax === undefined) {
		return {
			reason: 'the kernel does not report DAX of this file; Linux 5.8 and later do',
			remedy: 'use a newer kernel',
		};
	}
	return {
		reason: 'the file has something that excludes DAX: encryption, verity, inline data, compression or a data journal',
	};
}

/**
 * Says whether a file, or a file made in a directory, is on DAX, and if not, which link of the chain is the first that is broken: the
 * file system, the block device, its block size, the mount option or the flag, and what mends it.
 *
 * It looks at statx, statfs, mountinfo and sysfs, and makes a nameless file in a directory for a moment; it changes nothing.
 *
 * @param path A file or directory; symbolic links are followed.
 * @throws SystemError of `statx` if there is no such path.
 * @example
 * const { dax, reason, remedy } = whyNotDax('/mnt/pmem');
 * if (!dax) console.error(`Not on DAX: ${reason}. ${remedy ?? ''}`);
 */
export function whyNotDax(path: string | URL): DaxVerdict {
	const checked = requirePath('path', path);
	const seen = probe(checked);
	return seen.subject?.dax === true ? { dax: true } : { dax: false, ...firstTrouble(checked, seen) };
}
