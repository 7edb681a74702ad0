// How each file system decides about DAX: what its mount options mean, which the kernel hides, rewrites or ignores. Pure: what mountinfo
// and the rest of the system say goes in, the mode comes out. The rules are those of the kernel's Documentation/filesystems/dax.rst and of
// what each file system shows of its options (fs/ext4/super.c, fs/xfs/xfs_super.c, fs/erofs/super.c, fs/fuse/inode.c).
import type { MountInfo } from '../mountinfo.ts';

/** How a mount decides which files are on DAX. */
export type DaxMode =
	/** All files are, whatever their flags say. */
	| 'always'
	/** Those with the DAX flag are; on virtiofs, those for which the server says so. */
	| 'inode'
	/** None is. */
	| 'never'
	/** None can be, whatever the options say. */
	| 'unsupported';

/** What the options of a mount mean. */
export interface DaxOption {
	mode: DaxMode;
	/** The option that says so, as the kernel shows it; undefined if none is shown. */
	option: string | undefined;
	/** Whether a file's FS_XFLAG_DAX counts in mode `inode`: not so on virtiofs. */
	byFlag: boolean;
}

/** What has a say beside the options. */
export interface DaxRules {
	/** Whether the kernel has DAX by file (5.8 and later), which is when it began to report STATX_ATTR_DAX; undefined where not known. */
	perFile: boolean | undefined;
	/** The driver behind the name of the file system: ext2 and ext3 may be ext4's. Undefined where not known. */
	driver: string | undefined;
}

/** File systems that have DAX, and their mode when the kernel shows no option. */
const defaults: ReadonlyMap<string, DaxMode> = new Map([
	['ext4', 'inode'],
	['xfs', 'inode'],
	// The kernel's own default for virtiofs: as the server says, and `never` before 5.17, which shows in no file being on DAX.
	['virtiofs', 'inode'],
	['ext2', 'never'],
	['ext3', 'never'],
	['erofs', 'never'],
]);

/** What `dax` means that stands alone: on every kernel and every file system the same as `dax=always`. */
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

/** What of the medium excludes DAX, whatever the mode is. */
export interface Medium {
	/** queue/dax of the block device, or whether the virtiofs share has a DAX window; undefined where not known. */
	capable: boolean | undefined;
	/** Whether the device is whole pages: a partition has to begin on one, and each device to end with one (drivers/dax/super.c). */
	aligned: boolean;
	/** Bytes; undefined for virtiofs, whose blocks are the server's. */
	blockSize: number | undefined;
	pageSize: number;
}

/** The mode that is in effect: what the options say, if the medium can do DAX at all; undefined if that is not known. */
export function effectiveMode(mode: DaxMode, medium: Medium): DaxMode | undefined {
	if (mode === 'never' || mode === 'unsupported') return mode;
	const { capable, aligned, blockSize, pageSize } = medium;
	if (capable === false || !aligned || (blockSize !== undefined && blockSize !== pageSize)) return 'unsupported';
	return capable ? mode : undefined;
}
