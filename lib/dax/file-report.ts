// What the kernel says of one file or directory: its status, its flags, and what in it excludes DAX.
import { constants as fs } from 'node:fs';
import { attempt } from '../attempt.ts';
import type { MountInfo } from '../mountinfo.ts';
import type { Fsxattr, StatxResult } from '../native/syscalls.ts';
import { native } from '../native.ts';
import { machine } from '../tree.ts';
import { extentsOf, type FileExtent } from './huge-pages.ts';
import type { DaxExclusion, DaxFileReport, DaxFileType } from './report.ts';

const types: ReadonlyMap<number, DaxFileType> = new Map([
	[fs.S_IFREG, 'file'],
	[fs.S_IFDIR, 'directory'],
	[fs.S_IFBLK, 'block device'],
	[fs.S_IFCHR, 'character device'],
	[fs.S_IFIFO, 'FIFO'],
	[fs.S_IFSOCK, 'socket'],
]);

/** The type that a file's mode says. */
export const typeOf = ({ mode }: Pick<StatxResult, 'mode'>): DaxFileType => types.get(mode & fs.S_IFMT) ?? 'unknown';

/**
 * The path without symbolic links, for people to read. The path stays as given where the result names nothing or
 * another file. That happens with links of /proc: they lead to files that are deleted, covered, or in another mount
 * namespace, but their text does not.
 */
function withoutLinks(path: string, { inode, deviceMajor, deviceMinor }: StatxResult): string {
	const real = machine.resolve(path) ?? path;
	const { value: found } = attempt(() => native.statx(real));
	const isSame = found?.inode === inode && found.deviceMajor === deviceMajor && found.deviceMinor === deviceMinor;
	return isSame ? real : path;
}

/** Whether a file has the persistent DAX flag. */
export const hasDaxFlag = ({ flags }: Pick<Fsxattr, 'flags'>): boolean => (flags & native.constants.FS_XFLAG_DAX) !== 0;

/**
 * As many extents are looked at. They suffice for any file that can be mapped by huge pages, and are read in a fraction
 * of a millisecond.
 */
const maxExtents = 1024;

/** The extents of a file, which say where and how its data are kept. */
export interface Extents {
	list: FileExtent[];
	/** Whether these are all extents of the file. */
	complete: boolean;
}

/** A file's extents; undefined where they cannot be read. */
function readExtents(path: string): Extents | undefined {
	const { value } = attempt(() => native.fileExtents(path, maxExtents));
	return value && { list: extentsOf(value.extents), complete: value.complete };
}

/** What excludes DAX, judged by what is known of the file. Pure. */
export function exclusionsOf(
	{ fsType, superOptions }: Pick<MountInfo, 'fsType' | 'superOptions'>,
	attributes: bigint,
	inodeFlags: number,
	extents: readonly Pick<FileExtent, 'flags'>[],
): DaxExclusion[] {
	const c = native.constants;
	const isAnExtent = (bits: number) => extents.some(({ flags }) => (flags & bits) !== 0);
	const has = (attribute: bigint, flag: number) => (attributes & attribute) !== 0n || (inodeFlags & flag) !== 0;
	const isPacked = isAnExtent(c.FIEMAP_EXTENT_DATA_INLINE | c.FIEMAP_EXTENT_DATA_TAIL);
	const checks: [DaxExclusion, boolean][] = [
		['inline data', (inodeFlags & c.FS_INLINE_DATA_FL) !== 0 || (isPacked && fsType !== 'erofs')],
		['packed tail', isPacked && fsType === 'erofs'],
		['encryption', has(c.STATX_ATTR_ENCRYPTED, c.FS_ENCRYPT_FL)],
		['verity', has(c.STATX_ATTR_VERITY, c.FS_VERITY_FL)],
		['data journalling', (inodeFlags & c.FS_JOURNAL_DATA_FL) !== 0 || superOptions.includes('data=journal')],
		['compression', has(c.STATX_ATTR_COMPRESSED, c.FS_COMPR_FL) || isAnExtent(c.FIEMAP_EXTENT_ENCODED)],
		['shared blocks', fsType === 'xfs' && isAnExtent(c.FIEMAP_EXTENT_SHARED)],
	];
	return checks.filter(([, is]) => is).map(([name]) => name);
}

/** Reports on the file that has this status. */
export function fileReport(
	path: string,
	status: StatxResult,
	mount: Pick<MountInfo, 'fsType' | 'superOptions'>,
): { file: DaxFileReport; extents?: Extents } {
	const type = typeOf(status);
	const realPath = withoutLinks(path, status);
	const hasFlags = type === 'file' || type === 'directory';
	const { value: fsxattr, error: xflagsError } = attempt(() => native.getFsxattr(path, true));
	const inodeFlags = hasFlags ? attempt(() => native.getInodeFlags(path, true)).value : undefined;
	const extents = type === 'file' ? readExtents(path) : undefined;
	const exclusions = exclusionsOf(mount, status.attributes, inodeFlags ?? 0, extents?.list ?? []);
	const c = native.constants;
	const hinting = c.FS_XFLAG_EXTSIZE | c.FS_XFLAG_EXTSZINHERIT;
	return {
		file: {
			realPath,
			type,
			size: status.size,
			links: status.links,
			dax: status.dax,
			refusal: status.refusal,
			attributes: status.attributes,
			attributesMask: status.attributesMask,
			flag: fsxattr && hasDaxFlag(fsxattr),
			xflags: fsxattr?.flags,
			xflagsError,
			extentSizeHint: fsxattr && (fsxattr.flags & hinting) !== 0 ? fsxattr.extentSize : 0,
			inodeFlags,
			// A directory keeps its names in its inode. That says nothing about the files that are made in it.
			exclusions: type === 'directory' ? exclusions.filter((name) => name !== 'inline data') : exclusions,
		},
		...(extents && { extents }),
	};
}
