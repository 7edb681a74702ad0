// The real xfs_io, to compare with: what it says of files, and its way to set their flag.
import { sh } from './scratch.ts';

const run = (path: string, ...commands: string[]) =>
	sh(`xfs_io -r ${commands.map((command) => `-c '${command}'`).join(' ')} '${path}'`);

/** STATX_ATTR_DAX and FS_XFLAG_DAX, as numbers and letters of its output. */
const statxDax = 0x200000n;
const flagLetter = 'x';

/** What `lsattr` and `statx -r` show of a file. */
export function seenByXfsIo(path: string): { flag: boolean; effective: boolean } {
	const output = run(path, 'lsattr', 'statx -r');
	const attributes = BigInt(/^stat\.attributes = (\S+)$/m.exec(output)![1]!);
	return { flag: output.split(' ', 1)[0]!.includes(flagLetter), effective: (attributes & statxDax) !== 0n };
}

/** The paths with the flag among all below a directory, that included, as `lsattr -R` shows them; sorted. */
export function flaggedByXfsIo(directory: string): string[] {
	return run(directory, 'lsattr -R')
		.split('\n')
		.map((line) => line.trim().split(' '))
		.flatMap(([flags, path]) => (flags!.includes(flagLetter) ? [path!] : []))
		.sort();
}

export const setFlagByXfsIo = (path: string, on: boolean): string => run(path, `chattr ${on ? '+' : '-'}x`);
