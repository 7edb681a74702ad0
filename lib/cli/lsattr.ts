// `daxkind lsattr`: the extended flags of files, as xfs_io's lsattr shows them.
import { type Dirent, lstatSync, opendirSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import type { Command } from 'commander';
import { formatCount, shown } from '../format.ts';
import type { Constants, Fsxattr } from '../native.ts';
import { interruptible } from './interrupt.ts';
import { complain, machineTrouble, toJson } from './output.ts';
import { progress } from './progress.ts';
import { xflagLetters, xflagWords } from './xflags.ts';

/** A path, or the error that it ended in. */
type Found = { path: string; error?: undefined } | { path: string; error: unknown };

function* entriesOf(directory: string): Generator<Dirent> {
	const handle = opendirSync(directory);
	try {
		for (let entry = handle.readSync(); entry !== null; entry = handle.readSync()) yield entry;
	} finally {
		handle.closeSync();
	}
}

const joined = (directory: string, name: string) => `${directory.replace(/\/+$/, '')}/${name}`;

/** What is below a directory, each directory after what is in it, as xfs_io has it. Links, devices and the like are left out. */
function* below(directory: string, device: number): Generator<Found> {
	try {
		for (const entry of entriesOf(directory)) {
			const path = joined(directory, entry.name);
			if (entry.isFile()) yield { path };
			// On this file system, as xfs_io has it.
			if (entry.isDirectory() && lstatSync(path).dev === device) {
				yield* below(path, device);
				yield { path };
			}
		}
	} catch (error) {
		yield { path: directory, error };
	}
}

function* paths(given: readonly string[], isRecursive: boolean): Generator<Found> {
	for (const path of given) {
		const status = isRecursive ? lstatSync(path, { throwIfNoEntry: false }) : undefined;
		if (status?.isDirectory()) yield* below(path, status.dev);
		yield { path };
	}
}

/** A line of xfs_io's, with the blank at its end. */
export function formatFlags(path: string, flags: number, verbose: boolean, constants: Constants): string {
	const shown = verbose ? `[${xflagWords(flags, constants).join(', ')}]` : xflagLetters(flags, constants);
	return `${shown} ${path} \n`;
}

interface Options {
	recursive?: boolean;
	verbose?: boolean;
	json?: boolean;
}

/** How many files are read between two looks at signals. */
const batch = 256;

async function list(given: readonly string[], options: Options): Promise<void> {
	const { recursive = false, verbose = false, json = false } = options;
	const [{ getFsxattr }, { native }] = await Promise.all([import('../dax/index.ts'), import('../native.ts')]);
	const { constants } = native;
	const records: ({ path: string; flags: string[] } & Omit<Fsxattr, 'flags'> & { xflags: number })[] = [];
	// Lines on a terminal are progress enough.
	const line = progress(recursive && !process.stdout.isTTY);
	// For programs these lines are those of xfs_io, name and all.
	const name = process.stdout.isTTY ? shown : String;
	const say = (path: string, { flags, ...rest }: Fsxattr) => {
		if (json) records.push({ path, xflags: flags, flags: xflagWords(flags, constants), ...rest });
		else process.stdout.write(formatFlags(name(path), flags, verbose, constants));
	};
	let count = 0;
	let isRead = true;
	process.stdout.once('error', ({ code }: NodeJS.ErrnoException) => {
		isRead = false;
		if (code === 'EPIPE') process.exitCode = 128 + osConstants.signals.SIGPIPE;
	});
	await interruptible(async (signal) => {
		for (const { path, error } of paths(given, recursive)) {
			try {
				if (error !== undefined) throw error;
				say(path, getFsxattr(path));
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
		.summary('list extended flags; x is the persistent DAX flag')
		.description(
			'Lists the extended flags of files and directories (FS_IOC_FSGETXATTR) in the letters and lines of `xfs_io -r -c lsattr`. An x is the DAX flag: of a directory, what is made in it gets it; of a file, it decides where the mount says so (daxkind explain).',
		)
		.argument('<path...>', 'files and directories')
		.option('-R, --recursive', 'also all that is below directories, on the same file system; links are not followed')
		.option('-v, --verbose', 'the flags by their names: [dax]')
		.option('--json', 'print one JSON document (docs/cli.md)')
		.addHelpText(
			'after',
			`
Letters, in this order: r realtime, p prealloc, i immutable, a append-only,
  s sync, A no-atime, d no-dump, t rt-inherit, P proj-inherit, n nosymlinks,
  e extsize, E extsz-inherit, f no-defrag, S filestream, x dax, C cowextsize,
  X has-xattr

Exit status: 0 if all were read, 1 if some were not, 2 for wrong usage,
  130 after Ctrl-C.

Examples:
  daxkind lsattr /mnt/pmem/table
  daxkind lsattr -R /mnt/pmem | grep '^[^ ]*x'`,
		)
		.action(list);
}
