// The letters of extended flags, those and in the order of xfs_io's lsattr, so that the two can be compared.
import type { Constants } from '../native.ts';

type FlagName = Extract<keyof Constants, `FS_XFLAG_${string}`>;

/** A letter, the kernel's name and the word for it. */
const letters: readonly [letter: string, name: FlagName, word: string][] = [
	['r', 'FS_XFLAG_REALTIME', 'realtime'],
	['p', 'FS_XFLAG_PREALLOC', 'prealloc'],
	['i', 'FS_XFLAG_IMMUTABLE', 'immutable'],
	['a', 'FS_XFLAG_APPEND', 'append-only'],
	['s', 'FS_XFLAG_SYNC', 'sync'],
	['A', 'FS_XFLAG_NOATIME', 'no-atime'],
	['d', 'FS_XFLAG_NODUMP', 'no-dump'],
	['t', 'FS_XFLAG_RTINHERIT', 'rt-inherit'],
	['P', 'FS_XFLAG_PROJINHERIT', 'proj-inherit'],
	['n', 'FS_XFLAG_NOSYMLINKS', 'nosymlinks'],
	['e', 'FS_XFLAG_EXTSIZE', 'extsize'],
	['E', 'FS_XFLAG_EXTSZINHERIT', 'extsz-inherit'],
	['f', 'FS_XFLAG_NODEFRAG', 'no-defrag'],
	['S', 'FS_XFLAG_FILESTREAM', 'filestream'],
	['x', 'FS_XFLAG_DAX', 'dax'],
	['C', 'FS_XFLAG_COWEXTSIZE', 'cowextsize'],
	['X', 'FS_XFLAG_HASATTR', 'has-xattr'],
];

const isSet = (flags: number, bit: number) => (flags & bit) !== 0;

/** A letter for each flag that is set, a dash for each that is not. */
export const xflagLetters = (flags: number, constants: Constants): string =>
	letters.map(([letter, name]) => (isSet(flags, constants[name]) ? letter : '-')).join('');

/** The words for the flags that are set. */
export const xflagWords = (flags: number, constants: Constants): string[] =>
	letters.filter(([, name]) => isSet(flags, constants[name])).map(([, , word]) => word);
