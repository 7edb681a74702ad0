// How each file system is made, and mounted with a given DAX mode; and which combinations the kernel refuses.
import { requireOneOf } from '../arguments.ts';
import { invalidArgValue, outOfRange } from '../errors.ts';
import { leastXfs } from '../mkfs.ts';
import { formatSize } from '../size.ts';

export const fileSystems = ['ext4', 'xfs', 'ext2', 'erofs', 'none'] as const;
/** A file system for a pmem device; `none` leaves the device raw. */
export type FileSystem = (typeof fileSystems)[number];

export const daxModes = ['always', 'inode', 'never'] as const;
/** The kernel's `dax=` mount option: for every file, for files with the DAX flag, for no file. */
export type DaxMode = (typeof daxModes)[number];

/** One pmem device of the guest, and its file system. */
export interface PmemDevice {
	/** Bytes. */
	size: number;
	fileSystem: FileSystem;
	/** Absent where there is nothing to mount. */
	mount?: {
		/** `/mnt/pmem0`, `/mnt/pmem1`… */
		point: string;
		mode: DaxMode;
		/** For `mount -o`. */
		options: string;
	};
}

/** Each device is one `memmap=`, and the kernel's command line has room for 2048 bytes. */
const MAX_DEVICES = 16;

/** Checks that a text is a file system's name. @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE */
export const asFileSystem = (text: string): FileSystem => requireOneOf('fs', text, fileSystems);

/** Turns `always`, `dax=always` and so on into a mode. @throws ERR_INVALID_ARG_VALUE */
export function asDaxMode(text: string): DaxMode {
	const found = daxModes.find((mode) => mode === text || `dax=${mode}` === text);
	if (found === undefined) throw invalidArgValue('mount', `one of ${daxModes.map((m) => `dax=${m}`).join(', ')}`, text);
	return found;
}

/**
 * Returns the mount options that give a file system a DAX mode.
 *
 * @throws ERR_INVALID_ARG_VALUE for a combination that no kernel supports. The message names the nearest one that
 * works.
 */
export function mountOptions(fileSystem: Exclude<FileSystem, 'none'>, mode: DaxMode): string {
	switch (fileSystem) {
		case 'ext4':
		case 'xfs':
			return `dax=${mode}`;
		case 'ext2':
			// The kernel knows only `dax` or nothing here ("dax=always: incompatible with ext2"). Without `dax`, the
			// ext4 driver obeys each file's flag, and the ext2 driver knows no flag. The guest finds out which driver
			// it has.
			if (mode === 'never') {
				throw invalidArgValue(
					'mount',
					"dax=always or dax=inode on ext2, because ext2 has only the option 'dax' (or use fs none and mount it yourself)",
					mode,
				);
			}
			return mode === 'always' ? 'dax' : 'defaults';
		case 'erofs':
			if (mode === 'inode') {
				throw invalidArgValue('mount', 'dax=always or dax=never on erofs, which has no DAX flag on inodes', mode);
			}
			return `dax=${mode}`;
	}
}

/**
 * The command that makes a file system on a device so that DAX works, and large files get extents of 2 MiB at multiples
 * of 2 MiB.
 *
 * @param device The block device.
 * @param reflink Whether an xfs may share blocks between files. Older kernels mount such an xfs, but without DAX.
 * @param source The directory that is copied into an erofs.
 */
export function makeCommand(
	fileSystem: Exclude<FileSystem, 'none'>,
	device: string | Buffer,
	{ reflink = true, source = '' }: { reflink?: boolean; source?: string | Buffer } = {},
): [program: string, ...args: (string | Buffer)[]] {
	switch (fileSystem) {
		case 'ext4':
		case 'ext2':
			// mke2fs chooses 1 KiB blocks for small devices, but DAX needs blocks of a page. stride and stripe_width
			// are in blocks: 2 MiB. Backups of the superblock at the start of some block groups would push files off
			// that alignment, so there are none.
			return [
				`mkfs.${fileSystem}`,
				...['-q', '-F', '-b', '4096', '-O', 'sparse_super2'],
				...['-E', 'stride=512,stripe_width=512,num_backup_sb=0', device],
			];
		case 'xfs':
			return [
				'mkfs.xfs',
				'-q',
				'-f',
				'-b',
				'size=4096',
				'-d',
				'su=2m,sw=1,agcount=2',
				...(reflink ? [] : ['-m', 'reflink=0']),
				device,
			];
		case 'erofs':
			// A file whose tail is inlined in the inode cannot be on DAX.
			return ['mkfs.erofs', '--quiet', '-Enoinline_data', device, source];
	}
}

/** The n-th of a list whose last element repeats. */
const nth = <T>(list: readonly T[], n: number): T => list[Math.min(n, list.length - 1)]!;

/**
 * Combines sizes, file systems and mount modes: the n-th of each belongs to the n-th device, and the last of each list
 * repeats. The longest list gives the number of devices. Without sizes there are no devices.
 *
 * @throws ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE for a combination that cannot work.
 */
export function planDevices(
	sizes: readonly number[],
	kinds: readonly FileSystem[],
	modes: readonly DaxMode[],
): PmemDevice[] {
	const count = sizes.length === 0 ? 0 : Math.max(sizes.length, kinds.length, modes.length);
	if (count > MAX_DEVICES) throw outOfRange('pmem', `at most ${MAX_DEVICES} devices`, count);
	return Array.from({ length: count }, (_, n): PmemDevice => {
		const size = nth(sizes, n);
		const fileSystem = nth(kinds, n);
		if (fileSystem === 'none') return { size, fileSystem };
		if (fileSystem === 'xfs' && size < leastXfs) {
			throw outOfRange('pmem', `at least ${formatSize(leastXfs)} for xfs`, formatSize(size));
		}
		const mode = nth(modes, n);
		const options = mountOptions(fileSystem, mode);
		return { size, fileSystem, mount: { point: `/mnt/pmem${n}`, mode, options } };
	});
}
