// `daxkind lsattr`: the extended flags of files.
import { isUtf8 } from 'node:buffer';
import {
	closeSync,
	type Dirent,
	constants as fsConstants,
	lstatSync,
	opendirSync,
	openSync,
	type Stats,
} from 'node:fs';
import { constants as osConstants } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import type { Command } from 'commander';
import { type SystemError, systemError } from '../errors.ts';
import { formatCount, readable, shown } from '../format.ts';
import { xflagWords } from '../mask-words.ts';
import type { Constants } from '../native/constants.ts';
import type { Fsxattr } from '../native/syscalls.ts';
import { processArguments } from '../process-bytes.ts';
import { interruptible } from './interrupt.ts';
import { complain, jsonOption, machineTrouble, toJson } from './output.ts';
import { progress } from './progress.ts';

/** A path as bytes, because a name need not be UTF-8; with an error if the path could not be read. */
type Found = { path: Buffer; error?: undefined } | { path: Buffer; error: unknown };

function* entriesOf(directory: Buffer): Generator<Dirent<Buffer>> {
	const handle = opendirSync(directory, { encoding: 'buffer' as BufferEncoding });
	try {
		for (let entry = handle.readSync(); entry !== null; entry = handle.readSync()) {
			yield entry as unknown as Dirent<Buffer>;
		}
	} finally {
		handle.closeSync();
	}
}

const slash = Buffer.from('/');
const joined = (directory: Buffer, name: Buffer) =>
	Buffer.concat(directory.at(-1) === slash[0] ? [directory, name] : [directory, slash, name]);

/**
 * The contents of a directory, recursively: each directory comes after what is in it. Links, devices and the like are
 * left out.
 */
function* below(directory: Buffer, device: number): Generator<Found> {
	try {
		for (const entry of entriesOf(directory)) {
			const path = joined(directory, entry.name);
			if (entry.isFile()) yield { path };
			if (entry.isDirectory()) yield* directoryAt(path, device);
		}
	} catch (error) {
		yield { path: directory, error };
	}
}

/**
 * A directory with its contents, if it is on the given device. A directory that cannot be read is one entry with an
 * error, and the others follow.
 */
function* directoryAt(path: Buffer, device?: number): Generator<Found> {
	let status: Stats;
	try {
		status = lstatSync(path);
	} catch (error) {
		yield { path, error };
		return;
	}
	if (device !== undefined && status.dev !== device) return;
	if (status.isDirectory()) yield* below(path, status.dev);
	yield { path };
}

function* paths(given: readonly Buffer[], isRecursive: boolean): Generator<Found> {
	for (const path of given) {
		if (isRecursive) yield* directoryAt(path);
		else yield { path };
	}
}

/**
 * The width of the column of flags. They are one column, so that `awk '$1 ~ /dax/'` finds them. Most files have one
 * flag or none.
 */
const column = 14;

/** A line with the names of the flags, and the path. */
export const formatFlags = (path: string, flags: number, constants: Constants): string =>
	`${(xflagWords(flags, constants).join(',') || '-').padEnd(column)} ${path}\n`;

interface Options {
	recursive?: boolean;
	json?: boolean;
}

const bytesOf = (path: string | Buffer) => Buffer.from(path as Buffer);

/** How many files are read before signals are handled again. */
const batch = 256;

async function list(given: readonly string[], options: Options): Promise<void> {
	const { recursive = false, json = false } = options;
	const [{ getFsxattr }, { native }] = await Promise.all([import('../dax/index.ts'), import('../native.ts')]);
	const { constants } = native;
	const flagsOf = (path: Buffer) => {
		if (isUtf8(path)) return getFsxattr(path.toString());
		// The native layer takes only text. An open file also has a name in /proc, which is text.
		let fd = -1;
		try {
			fd = openSync(path, fsConstants.O_RDONLY | fsConstants.O_NOFOLLOW | fsConstants.O_NONBLOCK);
			return native.getFsxattr(`/proc/self/fd/${fd}`, true);
		} catch (error) {
			const { errno, syscall } = error as SystemError;
			throw systemError(errno, syscall, readable(path));
		} finally {
			if (fd >= 0) closeSync(fd);
		}
	};
	const records: ({ path: string; flags: string[] } & Omit<Fsxattr, 'flags'> & { xflags: number })[] = [];
	// On a terminal, the lines of the output show the progress.
	const line = await progress(recursive && !process.stdout.isTTY);
	const say = (path: Buffer, { flags, ...rest }: Fsxattr) => {
		if (json) records.push({ path: readable(path), xflags: flags, flags: xflagWords(flags, constants), ...rest });
		else if (process.stdout.isTTY) {
			process.stdout.write(formatFlags(shown(readable(path)), flags, constants));
		} else {
			// Programs get the name byte for byte.
			process.stdout.write(formatFlags(path.toString('latin1'), flags, constants), 'latin1');
		}
	};
	let count = 0;
	let isRead = true;
	process.stdout.once('error', ({ code }: NodeJS.ErrnoException) => {
		isRead = false;
		if (code === 'EPIPE') process.exitCode = 128 + osConstants.signals.SIGPIPE;
	});
	await interruptible(async (signal) => {
		for (const { path, error } of paths(processArguments(given).map(bytesOf), recursive)) {
			try {
				if (error !== undefined) throw error;
				say(path, flagsOf(path));
			} catch (failure) {
				line.clear();
				complain('daxkind lsattr', machineTrouble(failure));
				process.exitCode = 1;
			}
			if (++count % batch !== 0) continue;
			line.show(`${formatCount(count)} files and directories`);
			await setImmediate();
			if (signal.aborted || !isRead) break;
		}
		line.clear();
	});
	if (json) process.stdout.write(toJson(records));
}

/** Adds the `lsattr` subcommand. */
export function addLsattrCommand(program: Command): void {
	program
		.command('lsattr')
		.description(
			'Lists the extended flags of files and directories (FS_IOC_FSGETXATTR) by the names that xfs_io uses. The DAX flag is dax. New files in a directory get the flag of the directory. The flag of a file decides only where the mount says so (daxkind explain).',
		)
		.argument('<path...>', 'files and directories')
		.option('-R, --recursive', 'also everything below directories, on the same file system; links are not followed')
		.option(...jsonOption)
		.addHelpText(
			'after',
			`
Flags: realtime, prealloc, immutable, append-only, sync, no-atime, no-dump,
  rt-inherit, proj-inherit, nosymlinks, extsize, extsz-inherit, no-defrag,
  filestream, dax, cowextsize, has-xattr; - means no flag

Exit status: 0 if all were read, 1 if some were not, 2 for wrong usage,
  130 after Ctrl-C.

Examples:
  daxkind lsattr /mnt/pmem/table
  daxkind lsattr -R /mnt/pmem | awk '$1 ~ /dax/'`,
		)
		.action(list);
}
