// `daxkind chattr`: sets and clears the persistent DAX flag.
import type { Command } from 'commander';
import type { DaxExplanation, DaxFlag, DaxFlagProgress, DaxFlagTree } from '../dax/index.ts';
import { formatCount, formatCounted } from '../format.ts';
import { interruptible } from './interrupt.ts';
import { complain, errorJson, jsonOption, machineTrouble, sentence, toJson } from './output.ts';
import { progress } from './progress.ts';

interface Options {
	x?: boolean;
	recursive?: boolean;
	quiet?: boolean;
	json?: boolean;
}

/** What happened to one path, in words. */
export function formatChange(
	path: string,
	{ flag, effective, pending, directories, changed }: DaxFlag & Pick<DaxFlagTree, 'directories' | 'changed'>,
	explain: () => DaxExplanation,
): string {
	const word = flag ? 'set' : changed > 0 ? 'cleared' : 'clear';
	const done = `${path}: DAX flag ${changed > 0 ? '' : 'already '}${word}`;
	if (pending) return `${done}; pending: it takes effect when nobody has the file open any more`;
	if (effective === undefined) return `${done}; it is not known whether it is in effect`;
	// The files that are in the directory already have not changed.
	if (effective === flag) return `${done}, and in effect${directories > 0 ? ' for new files in it' : ''}`;
	const { reason, checks } = explain();
	const why = reason ?? checks.find(({ link }) => link === 'mount')?.finding;
	return `${done}, but it does not decide here: ${why}`;
}

/** What happened to a tree, in words. */
export function formatTree(path: string, on: boolean, { files, directories, changed, failures }: DaxFlagTree): string {
	const all = `${formatCounted(files, 'file')} and ${formatCounted(directories, 'directory', 'directories')}`;
	const failed = failures.length === 0 ? '' : `, ${formatCount(failures.length)} failed`;
	return `${path}: DAX flag ${on ? 'set' : 'cleared'} in ${all}: ${formatCount(changed)} changed${failed}`;
}

/** Separates the flag from the paths. commander takes +x for the first argument, and -x for an option. */
function parse(given: readonly string[], { x = false }: Options, command: Command) {
	const isPlus = given[0] === '+x';
	const paths = isPlus ? given.slice(1) : given;
	if (isPlus && x) command.error('give either +x or -x, not both');
	if (!isPlus && !x) command.error(`the first argument must be +x or -x, not '${given[0]}'`);
	if (paths.length === 0) command.error("missing required argument 'path'");
	return { on: isPlus, paths };
}

async function change(given: readonly string[], options: Options, command: Command): Promise<void> {
	const request = parse(given, options, command);
	const { recursive = false, quiet = false, json = false } = options;
	const { explain, setDaxFlagAsync } = await import('../dax/index.ts');
	const line = await progress(recursive);
	const fail = (error: unknown) => {
		complain('daxkind chattr', machineTrouble(error));
		process.exitCode = 1;
	};
	const records: unknown[] = [];
	const say = (path: string, tree: DaxFlagTree) => {
		const { failures, ...rest } = tree;
		if (json) records.push({ path, ...rest, failures: failures.map(errorJson) });
		else if (quiet) return;
		else if (recursive) process.stdout.write(`${sentence(formatTree(path, request.on, tree))}\n`);
		else process.stdout.write(`${sentence(formatChange(path, tree, () => explain(path)))}\n`);
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
			complain('daxkind chattr', `interrupted in ${path}: ${counts}; changed flags stay changed`);
			break;
		}
	});
	if (json) process.stdout.write(toJson(records));
}

/** Adds the `chattr` subcommand. */
export function addChattrCommand(program: Command): void {
	program
		.command('chattr')
		.description(
			'Sets or clears the persistent DAX flag (FS_XFLAG_DAX) of files and directories on ext4 and XFS, and keeps all other flags. New files in a directory get the flag of the directory. A file follows its flag only where the mount says so (dax=inode, the default), and only when nobody has the file open any more.',
		)
		.usage('[options] +x|-x <path...>')
		.argument('<path...>', '+x (or the option -x), then files and directories')
		.option('-x', 'clear the flag')
		.option('-R, --recursive', 'also everything below directories, on the same mount; links are not followed')
		.option('-q, --quiet', 'say only what failed')
		.option(...jsonOption)
		.addHelpText(
			'after',
			`
A file that cannot be changed is reported, and the command goes on. Ctrl-C stops
it between two files.

Exit status: 0 if all were changed, 1 if some were not, 2 for wrong usage,
  130 after Ctrl-C.

Examples:
  daxkind chattr +x /mnt/pmem/tables
  daxkind chattr -R -x /mnt/pmem/tables`,
		)
		.action(change);
}
