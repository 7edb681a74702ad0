// The real xfs_io, to compare with: what it says of files, and how it sets their flag.
import { sh } from './scratch.ts';

const run = (path: string, ...commands: string[]) =>
	sh(`xfs_io -r ${commands.map((command) => `-c '${command}'`).join(' ')} '${path}'`);

/** STATX_ATTR_DAX and FS_XFLAG_DAX, as numbers and letters of its output. */
const statxDax = 0x200000n;
const flagLetter = 'x';

/** Whether a file has the flag and is on DAX, as `lsattr` and `statx -r` show it. */
export function seenByXfsIo(path: string): { flag: boolean; effective: boolean } {
	const output = run(path, 'lsattr', 'statx -r');
	const attributes = BigInt(/^stat\.attributes = (\S+)$/m.exec(output)![1]!);
	return { flag: output.split(' ', 1)[0]!.includes(flagLetter), effective: (attributes & statxDax) !== 0n };
}

/** The paths that have the flag in a directory and below it, as `lsattr -R` shows them; sorted. */
export function flaggedByXfsIo(directory: string): string[] {
	return run(directory, 'lsattr -R')
		.split('\n')
		.map((line) => line.trim().split(' '))
		.flatMap(([flags, path]) => (flags!.includes(flagLetter) ? [path!] : []))
		.sort();
}

export const setFlagByXfsIo = (path: string, on: boolean): string => run(path, `chattr ${on ? '+' : '-'}x`);

/** The letters that its lsattr prints, in the order of its columns. With -R it prints no words. */
const letters: readonly (readonly [letter: string, word: string])[] = [
	['r', 'realtime'],
	['p', 'prealloc'],
	['i', 'immutable'],
	['a', 'append-only'],
	['s', 'sync'],
	['A', 'no-atime'],
	['d', 'no-dump'],
	['t', 'rt-inherit'],
	['P', 'proj-inherit'],
	['n', 'nosymlinks'],
	['e', 'extsize'],
	['E', 'extsz-inherit'],
	['f', 'no-defrag'],
	['S', 'filestream'],
	['x', 'dax'],
	['C', 'cowextsize'],
	['X', 'has-xattr'],
];

/** The flags of a directory and of everything below it, in the order of `lsattr -R`. */
export function flagsByXfsIo(directory: string): { path: string; flags: string[] }[] {
	return run(directory, 'lsattr -R')
		.split('\n')
		.map((line) => {
			const [shown = '', path = ''] = line.trim().split(' ');
			return { path, flags: letters.filter(([letter]) => shown.includes(letter)).map(([, word]) => word) };
		});
}

/** Each number of `statx -r`, by its name there. */
export function statusByXfsIo(path: string): Record<string, bigint> {
	const lines = run(path, 'statx -r').split('\n');
	return Object.fromEntries(
		lines.map((line) => {
			const [, name, value] = /^stat\.(\S+)(?: =|:) (\S+)$/.exec(line)!;
			// Only the mode is octal.
			return [name!, BigInt(name === 'mode' ? `0o${value}` : value!)];
		}),
	);
}

/** STATX_DIOALIGN, which xfs_io does not ask for. */
const directIo = 0x2000n;

/** What `daxkind statx --json` says, by the names that xfs_io uses. */
export function statusFromJson(json: string): Record<string, bigint> {
	const status = JSON.parse(json);
	const times = Object.entries({ atime: 'access', btime: 'birth', ctime: 'change', mtime: 'modify' }).flatMap(
		([name, field]) => {
			const ns = BigInt(status[`${field}TimeNs`]);
			return [[`${name}.tv_sec`, ns / 1_000_000_000n] as const, [`${name}.tv_nsec`, ns % 1_000_000_000n] as const];
		},
	);
	const numbers = {
		mask: BigInt(status.mask) & ~directIo,
		blksize: status.blockSize,
		attributes: status.attributes,
		nlink: status.links,
		uid: status.uid,
		gid: status.gid,
		mode: status.mode,
		ino: status.inode,
		size: status.size,
		blocks: status.blocks,
		attributes_mask: status.attributesMask,
		rdev_major: status.representsMajor,
		rdev_minor: status.representsMinor,
		dev_major: status.deviceMajor,
		dev_minor: status.deviceMinor,
	};
	const named = Object.entries(numbers).map(([name, value]) => [name, BigInt(value)] as const);
	return Object.fromEntries([...named, ...times]);
}
