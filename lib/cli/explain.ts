// `daxkind explain`: whether a path is on DAX, why or why not, and what to do.
import type { Command } from 'commander';
import type { DaxExplanation } from '../dax/index.ts';
import { shown } from '../format.ts';
import { formatChain } from './chain.ts';
import { aligned, answer, paint, questionStatus, toJson } from './output.ts';

/** The answer: the first line of what explain and inspect print, and one line, so that `head -1` has all of it. */
export function answerLine({ path, dax, reason }: DaxExplanation): string {
	if (dax) return paint('green', shown(`${path} is on DAX`));
	if (dax === undefined) return paint('yellow', shown(`It is not known whether ${path} is on DAX: ${reason}`));
	return paint('red', shown(`${path} is not on DAX: ${reason}`));
}

/** An explanation for a person. */
export function formatExplanation(explanation: DaxExplanation): string {
	const { remedy, reason, checks } = explanation;
	const fix = remedy === undefined ? '' : aligned([['Fix:', remedy]], 0);
	return `${answerLine(explanation)}\n${fix}\n${formatChain(checks, reason)}`;
}

/** Adds the `explain` subcommand. */
export function addExplainCommand(program: Command): void {
	program
		.command('explain')
		.summary('say whether a path is on DAX, why or why not, and what to do')
		.description(
			`Goes through the chain on which DAX depends, from the file system's device to the file: each link with its verdict, what was read and where, and what fixes it. The first broken link is the answer. A directory is judged by a nameless file that is made in it for a moment. Changes nothing and needs no root.`,
		)
		.argument('<path>', 'a file or directory')
		.option('--json', 'print one JSON document (docs/cli.md)')
		.addHelpText(
			'after',
			`
Marks: ✓ in order, ✗ broken: keeps DAX off, - would, if the one before did not,
  ! a limit of the DAX that there is, ? not known
${questionStatus}

Examples:
  daxkind explain /mnt/pmem
  daxkind explain --json /mnt/pmem/table | jq -r .remedy
  daxkind explain /mnt/pmem >/dev/null || echo 'no DAX'`,
		)
		.action(async (path: string, { json }: { json?: boolean }) => {
			// Only here is the native addon needed; the other commands do without it.
			const { explain } = await import('../dax/index.ts');
			answer('explain', () => {
				const explanation = explain(path);
				process.stdout.write(json ? toJson(explanation) : formatExplanation(explanation));
				return explanation.dax;
			});
		});
}
