// How each file system decides about DAX: what its mount options mean, which the kernel hides, rewrites or ignores.
// Pure: what mountinfo and the rest of the system say goes in, the mode comes out. The rules are those of the kernel's
// Documentation/filesystems/dax.rst, and of what each file system shows of its options (fs/ext4/super.c,
// fs/xfs/xfs_super.c, fs/erofs/super.c, fs/fuse/inode.c).
import type { MountInfo } from '../mountinfo.ts';

/** How a mount decides which files are on DAX. */
export type DaxMode =
	/** All files are on DAX, whatever their flags say. */
	| 'always'
	/** Files with the DAX flag are on DAX. On virtiofs the server says which files are. */
	| 'inode'
	/** No file is on DAX. */
	| 'never'
	/** No file can be on DAX, whatever the options say. */
	| 'unsupported';

/** What the options of a mount mean. */
export interface DaxOption {
	mode: DaxMode;
	/** The option that says so, as the kernel shows it. Undefined if the kernel shows no such option. */
	option: string | undefined;
	/** Whether a file's FS_XFLAG_DAX counts in mode `inode`. On virtiofs it does not. */
	byFlag: boolean;
}

/** What the meaning of the options depends on. */
export interface DaxRules {
	/**
	 * Whether the kernel has DAX by file (5.8 and later). It began to report STATX_ATTR_DAX at the same time. Undefined
	 * where it is not known.
	 */
	perFile: boolean | undefined;
	/** The driver behind the name of the file system: ext4 may drive ext2 and ext3. Undefined where it is not known. */
	driver: string | undefined;
}

/** File systems that have DAX, and their mode when the kernel shows no option. */
const defaults: ReadonlyMap<string, DaxMode> = new Map([
	['ext4', 'inode'],
	['xfs', 'inode'],
	// The kernel's own default for virtiofs is what the server says. Before 5.17 it is `never`, and that shows: no file
	// is on DAX.
	['virtiofs', 'inode'],
	['ext2', 'never'],
	['ext3', 'never'],
	['erofs', 'never'],
]);

/** A `dax` that stands alone means the same as `dax=always` on every kernel and every file system. */
const modeOfOption: ReadonlyMap<string, DaxMode> = new Map([
	['dax', 'always'],
	['dax=always', 'always'],
	['dax=inode', 'inode'],
	['dax=never', 'never'],
]);

/**
 * What the options of a mount mean for DAX.
 *
 * @example daxOption(mount, { perFile: true, driver: 'ext4' }) // { mode: 'inode', option: undefined, byFlag: true }
 */
export function daxOption({ fsType, superOptions }: MountInfo, { perFile, driver = fsType }: DaxRules): DaxOption {
	const inherent = defaults.get(driver) ?? defaults.get(fsType);
	if (inherent === undefined) return { mode: 'unsupported', option: undefined, byFlag: false };
	// The last one wins.
	const option = superOptions.findLast((text) => modeOfOption.has(text));
	const mode = option === undefined ? inherent : modeOfOption.get(option)!;
	return {
		mode: mode === 'inode' && perFile === false ? 'never' : mode,
		option,
		byFlag: fsType !== 'virtiofs',
	};
}

/** What about the medium can exclude DAX, whatever the mode is. */
export interface Medium {
	/** queue/dax of the block device, or whether the virtiofs share has a DAX window. Undefined where it is not known. */
	capable: boolean | undefined;
	/**
	 * Whether the device is whole pages: a partition has to begin at a page, and each device has to end with one
	 * (drivers/dax/super.c).
	 */
	aligned: boolean;
	/** Bytes. Undefined for virtiofs, where the blocks are the server's. */
	blockSize: number | undefined;
	pageSize: number;
}

/**
 * The mode that is in effect: what the options say, if the medium can do DAX at all. Undefined if that is not known.
 */
export function effectiveMode(mode: DaxMode, medium: Medium): DaxMode | undefined {
	if (mode === 'never' || mode === 'unsupported') return mode;
	const { capable, aligned, blockSize, pageSize } = medium;
	if (capable === false || !aligned || (blockSize !== undefined && blockSize !== pageSize)) return 'unsupported';
	return capable ? mode : undefined;
}
