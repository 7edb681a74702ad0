// `daxkind explain`: whether a path is on DAX, why or why not, and what to do.
import { type Command, Option } from 'commander';
import type { DaxExplanation } from '../dax/index.ts';
import { formatChain } from './chain.ts';
import { aligned, answer, jsonOption, paint, questionStatus, sentence, toJson } from './output.ts';

/** The answer, which is the first line of explain and inspect. */
export function answerLine({ path, dax, reason }: DaxExplanation): string {
	if (dax) return paint('green', sentence(`${path} is on DAX`));
	if (dax === undefined) return paint('yellow', sentence(`It is not known whether ${path} is on DAX: ${reason}`));
	return paint('red', sentence(`${path} is not on DAX: ${reason}`));
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
		.description(
			"Goes through the chain on which DAX depends, from the file system's device to the file. For each link it shows the verdict, what was read and where, and the fix. The first broken link is the answer. For a directory it makes a nameless temporary file in it and looks at that file. It changes nothing and needs no root.",
		)
		.argument('<path>', 'a file or directory')
		.option('-q, --quiet', 'print nothing: the exit status is the answer')
		.addOption(new Option(...jsonOption).conflicts('quiet'))
		.addHelpText(
			'after',
			`
Marks: ✓ in order, ✗ broken: it keeps DAX off, - broken too, but an earlier link
  decides, ! a limit or a danger, ? not known
${questionStatus}

Examples:
  daxkind explain /mnt/pmem
  daxkind explain --json /mnt/pmem/table | jq -r .remedy
  daxkind explain -q /mnt/pmem || echo 'no DAX'`,
		)
		.action(async (path: string, { json, quiet }: { json?: boolean; quiet?: boolean }) => {
			// The native addon is loaded here, because the other commands work without it.
			const { explain } = await import('../dax/index.ts');
			answer('explain', () => {
				const explanation = explain(path);
				if (!quiet) process.stdout.write(json ? toJson(explanation) : formatExplanation(explanation));
				return explanation.dax;
			});
		});
}
