// `daxkind chattr`: sets and clears the persistent DAX flag.
import type { Command } from 'commander';
import type { DaxExplanation, DaxFlag, DaxFlagProgress, DaxFlagTree } from '../dax/index.ts';
import type { SystemError } from '../errors.ts';
import { formatCount, shown } from '../format.ts';
import { interruptible } from './interrupt.ts';
import { complain, machineTrouble, toJson } from './output.ts';
import { progress } from './progress.ts';
import { usageStatus } from './usage.ts';

interface Options {
	x?: boolean;
	recursive?: boolean;
	quiet?: boolean;
	json?: boolean;
}

/** What became of one path, in words. */
export function formatChange(
	path: string,
	{ flag, effective, pending, directories }: DaxFlag & Pick<DaxFlagTree, 'directories'>,
	explain: () => DaxExplanation,
): string {
	const done = `${path}: DAX flag ${flag ? 'set' : 'cleared'}`;
	if (pending) return `${done}; pending, it takes effect when nobody has the file open any more`;
	if (effective === undefined) return `${done}; whether it is in effect cannot be seen`;
	// Nothing below it has changed.
	if (effective === flag) return `${done}, and in effect${directories > 0 ? ' for files made in it from now on' : ''}`;
	const { reason, checks } = explain();
	const why = reason ?? checks.find(({ link }) => link === 'mount')?.finding;
	return `${done}, but it does not decide here: ${why}`;
}

const counted = (count: number, one: string, many: string) => `${formatCount(count)} ${count === 1 ? one : many}`;

/** What became of a tree. */
export function formatTree(path: string, on: boolean, { files, directories, changed, failures }: DaxFlagTree): string {
	const all = `${counted(files, 'file', 'files')} and ${counted(directories, 'directory', 'directories')}`;
	const failed = failures.length === 0 ? '' : `, ${formatCount(failures.length)} failed`;
	return `${path}: DAX flag ${on ? 'set' : 'cleared'} in ${all}: ${formatCount(changed)} changed${failed}`;
}

function usageError(message: string): void {
	complain('error', message);
	process.exitCode = usageStatus;
}

/** +x comes as the first argument, for to commander it is none of its options; -x as an option. */
function parse(
	given: readonly string[],
	{ x = false }: Options,
): { on: boolean; paths: readonly string[] } | undefined {
	const isPlus = given[0] === '+x';
	const paths = isPlus ? given.slice(1) : given;
	if (isPlus && x) return void usageError('either +x or -x');
	if (!isPlus && !x) return void usageError(`the first argument must be +x or -x, not '${given[0]}'`);
	if (paths.length === 0) return void usageError("missing required argument 'path'");
	return { on: isPlus, paths };
}

/** What failed, without the stack. */
const cause = ({ code, errno, syscall, path, message }: SystemError) => ({ code, errno, syscall, path, message });

async function change(given: readonly string[], options: Options): Promise<void> {
	const request = parse(given, options);
	if (!request) return;
	const { recursive = false, quiet = false, json = false } = options;
	const { explain, setDaxFlagAsync } = await import('../dax/index.ts');
	const line = progress(recursive);
	const fail = (error: unknown) => {
		complain('daxkind chattr', machineTrouble(error));
		process.exitCode = 1;
	};
	const records: unknown[] = [];
	const say = (path: string, tree: DaxFlagTree) => {
		const { failures, ...rest } = tree;
		if (json) records.push({ path, ...rest, failures: failures.map(cause) });
		else if (quiet) return;
		else if (recursive) process.stdout.write(`${shown(formatTree(path, request.on, tree))}\n`);
		else process.stdout.write(`${shown(formatChange(path, tree, () => explain(path)))}\n`);
	};
	await interruptible(async (signal) => {
		for (const path of request.paths) {
			let counts = 'nothing seen yet';
			const onProgress = ({ files, directories, changed }: DaxFlagProgress) => {
				counts = `${formatCount(files + directories)} seen, ${formatCount(changed)} changed`;
				line.show(`${path}: ${counts}`);
			};
			try {
				const tree = await setDaxFlagAsync(path, request.on, { recursive, signal, onProgress });
				line.clear();
				tree.failures.forEach(fail);
				say(path, tree);
			} catch (error) {
				line.clear();
				if (!signal.aborted) fail(error);
			}
			if (!signal.aborted) continue;
			complain('daxkind chattr', `interrupted in ${path}: ${counts}, and that stays so`);
			break;
		}
	});
	if (json) process.stdout.write(toJson(records));
}

/** Adds the `chattr` subcommand. */
export function addChattrCommand(program: Command): void {
	program
		.command('chattr')
		.summary('set (+x) or clear (-x) the persistent DAX flag')
		.description(
			'Sets or clears the persistent DAX flag (FS_XFLAG_DAX) of files and directories on ext4 and XFS, and keeps all other flags. What is made in a directory gets its flag. A file follows its flag only where the mount says so (dax=inode, the default), and only when nobody has it open any more.',
		)
		.usage('[options] +x|-x <path...>')
		.argument('<path...>', '+x, unless there is -x, and then files and directories')
		.option('-x', 'clear the flag')
		.option('-R, --recursive', 'also all that is below directories, on the same mount; links are not followed')
		.option('-q, --quiet', 'say only what failed')
		.option('--json', 'print one JSON document (docs/cli.md)')
		.addHelpText(
			'after',
			`
A file that cannot be changed is reported, and the rest goes on. Ctrl-C ends it
between two files.

Exit status: 0 if all were changed, 1 if some were not, 2 for wrong usage,
  130 after Ctrl-C.

Examples:
  daxkind chattr +x /mnt/pmem/tables
  daxkind chattr -R -x /mnt/pmem/tables`,
		)
		.action(change);
}
