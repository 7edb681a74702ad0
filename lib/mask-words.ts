// Words for the bits of the kernel's masks, for people: extended flags, inode flags, attributes of statx. The constants
// are an argument, so that the help of a command can be printed without the addon.
import type { Constants } from './native/constants.ts';

type Names<Prefix extends string> = Extract<keyof Constants, `${Prefix}_${string}`>;

/** In the order, and with the words, of xfs_io's lsattr. */
const xflags: readonly (readonly [name: Names<'FS_XFLAG'>, word: string])[] = [
	['FS_XFLAG_REALTIME', 'realtime'],
	['FS_XFLAG_PREALLOC', 'prealloc'],
	['FS_XFLAG_IMMUTABLE', 'immutable'],
	['FS_XFLAG_APPEND', 'append-only'],
	['FS_XFLAG_SYNC', 'sync'],
	['FS_XFLAG_NOATIME', 'no-atime'],
	['FS_XFLAG_NODUMP', 'no-dump'],
	['FS_XFLAG_RTINHERIT', 'rt-inherit'],
	['FS_XFLAG_PROJINHERIT', 'proj-inherit'],
	['FS_XFLAG_NOSYMLINKS', 'nosymlinks'],
	['FS_XFLAG_EXTSIZE', 'extsize'],
	['FS_XFLAG_EXTSZINHERIT', 'extsz-inherit'],
	['FS_XFLAG_NODEFRAG', 'no-defrag'],
	['FS_XFLAG_FILESTREAM', 'filestream'],
	['FS_XFLAG_DAX', 'dax'],
	['FS_XFLAG_COWEXTSIZE', 'cowextsize'],
	['FS_XFLAG_HASATTR', 'has-xattr'],
];

/** Where chattr(1) and lsattr(1) have a word, it is the same. */
const inodeFlags: readonly (readonly [name: Extract<keyof Constants, `FS_${string}_FL`>, word: string])[] = [
	['FS_COMPR_FL', 'compressed'],
	['FS_SYNC_FL', 'sync'],
	['FS_IMMUTABLE_FL', 'immutable'],
	['FS_APPEND_FL', 'append-only'],
	['FS_NODUMP_FL', 'no-dump'],
	['FS_NOATIME_FL', 'no-atime'],
	['FS_ENCRYPT_FL', 'encrypted'],
	['FS_INDEX_FL', 'indexed'],
	['FS_JOURNAL_DATA_FL', 'data-journalled'],
	['FS_EXTENT_FL', 'extents'],
	['FS_VERITY_FL', 'verity'],
	['FS_NOCOW_FL', 'no-cow'],
	['FS_DAX_FL', 'dax'],
	['FS_INLINE_DATA_FL', 'inline-data'],
	['FS_PROJINHERIT_FL', 'proj-inherit'],
];

const attributes: readonly (readonly [name: Names<'STATX_ATTR'>, word: string])[] = [
	['STATX_ATTR_COMPRESSED', 'compressed'],
	['STATX_ATTR_IMMUTABLE', 'immutable'],
	['STATX_ATTR_APPEND', 'append-only'],
	['STATX_ATTR_NODUMP', 'no-dump'],
	['STATX_ATTR_ENCRYPTED', 'encrypted'],
	['STATX_ATTR_AUTOMOUNT', 'automount'],
	['STATX_ATTR_MOUNT_ROOT', 'mount-root'],
	['STATX_ATTR_VERITY', 'verity'],
	['STATX_ATTR_DAX', 'dax'],
];

/** A mask as a number, and its meaning: `0x80000 (extents)`. Bits without a word come last, as one number. */
function text(mask: number | bigint, known: readonly (readonly [name: keyof Constants, word: string])[], c: Constants) {
	let rest = BigInt(mask);
	const words: string[] = [];
	for (const [name, word] of known) {
		const bit = BigInt(c[name]);
		if ((rest & bit) === 0n) continue;
		words.push(word);
		rest &= ~bit;
	}
	if (rest !== 0n) words.push(`0x${rest.toString(16)}`);
	return `0x${mask.toString(16)} (${words.length === 0 ? 'none' : words.join(', ')})`;
}

export const xflagsText = (flags: number, c: Constants): string => text(flags, xflags, c);
export const inodeFlagsText = (flags: number, c: Constants): string => text(flags, inodeFlags, c);
export const attributesText = (mask: bigint, c: Constants): string => text(mask, attributes, c);

/** The words for the FS_XFLAG_ bits that are set. */
export const xflagWords = (flags: number, c: Constants): string[] =>
	xflags.filter(([name]) => (flags & c[name]) !== 0).map(([, word]) => word);
