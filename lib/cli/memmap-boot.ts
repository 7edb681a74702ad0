// `daxkind memmap apply` and `daxkind memmap undo`: put the argument into the machine's boot configuration, and take it
// out.
import type { Command } from 'commander';
import { quoted } from '../format.ts';
import type { BootChange, MemmapPlan, MemoryTable } from '../memmap/index.ts';
import { formatApplied, formatUndone } from './memmap-change.ts';
import { addWishOptions, argumentOf, refusedPlan, type WishFlags, wishOf } from './memmap-plan.ts';
import { asked, flagsWithAbove, sourceWords, type TableFlags, tableOf } from './memmap-table.ts';
import { complainOf, jsonOption, toJson } from './output.ts';
import { usageStatus } from './usage.ts';

interface ChangeFlags extends TableFlags {
	root?: string;
	dryRun?: boolean;
}

type ApplyFlags = ChangeFlags & WishFlags;

const rootOption = ['--root <dir>', 'directory where the image of another machine is mounted'] as const;
const dryRunOption = ['--dry-run', 'change nothing, and say what would be changed'] as const;

const changeOptions = ({ root, dryRun = false }: ChangeFlags) => ({ dryRun, ...(root !== undefined && { root }) });

/** The command without --dry-run, for a person who has seen what it would do. */
const commandOf = (verb: string, { root }: ChangeFlags, argument: string) =>
	['daxkind memmap', verb, ...(root === undefined ? [] : ['--root', quoted(root)]), argument].join(' ').trim();

/** Changes the configuration. What prevents the change is printed, and gives exit status 1. */
async function changing(command: string, body: () => Promise<boolean>): Promise<void> {
	try {
		process.exitCode = (await body()) ? 0 : 1;
	} catch (error) {
		process.exitCode = complainOf(`daxkind ${command}`, error) ? usageStatus : 1;
	}
}

/** What is wrong with the combination of words and options. Undefined if nothing is wrong. */
function misuse(words: readonly string[], { root, dryRun, json, ...planning }: ApplyFlags): string | undefined {
	const isPlanned = Object.values(planning).some((value) => value !== undefined);
	if (words.length > 0 && isPlanned) return 'give either an argument or the options of a plan, not both';
	if (words.length > 0 || planning.size !== undefined) return undefined;
	return "give the argument that 'daxkind memmap plan' prints, or --size and the other options of 'plan'";
}

/** The table that a plan was made from, in words. */
function tableWords({ table }: MemmapPlan, { from, root }: ApplyFlags): string {
	const place = from === '-' ? 'standard input' : (from ?? root);
	return `${sourceWords(table)}${place === undefined ? '' : ` (${place})`}`;
}

/** Writes an argument, and prints what happened. Returns whether the argument is configured then. */
async function applied(argument: string, flags: ApplyFlags, plan?: MemmapPlan): Promise<boolean> {
	const { applyMemmap } = await import('../memmap/index.ts');
	const change: BootChange = applyMemmap(argument, changeOptions(flags));
	const again = commandOf('apply', flags, quoted(argument));
	const text = flags.json
		? toJson({ ...change, argument, plan })
		: formatApplied(change, {
				argument,
				again,
				root: flags.root,
				planned: plan && { plan, by: tableWords(plan, flags) },
			});
	process.stdout.write(text);
	return change.missing.length === 0;
}

/** The words that are in daxkind's file but not in an argument, and whose ranges are in force in the running kernel. */
async function kept(argument: string, table: MemoryTable, flags: ApplyFlags): Promise<string[]> {
	const { applyMemmap } = await import('../memmap/index.ts');
	const { removed } = applyMemmap(argument, { ...changeOptions(flags), dryRun: true });
	const isInForce = (word: string) =>
		word
			.replace('memmap=', '')
			.split(',')
			.every((range) => table.memmap.some(({ text }) => text === range));
	return removed.filter(isInForce);
}

interface Planned {
	plan: MemmapPlan;
	/** The table that it was made from. */
	table: MemoryTable;
}

/** Makes a plan. If that is not possible, it prints why and returns undefined. */
async function planned(flags: ApplyFlags): Promise<Planned | undefined> {
	let found: Planned | undefined;
	await asked('memmap apply', async () => {
		const table = await tableOf(flags);
		const { planMemmap } = await import('../memmap/index.ts');
		const made = planMemmap(table, wishOf(flags));
		if (made.possible) found = { plan: made, table };
		else process.stdout.write(flags.json ? toJson(made) : refusedPlan(made));
		return made.possible;
	});
	return found;
}

/** Writes a plan. It keeps the ranges that are in force, so that the configuration does not lose them. */
async function planApplied({ plan, table }: Planned, flags: ApplyFlags): Promise<boolean> {
	const argument = argumentOf(plan)!;
	return applied([...(await kept(argument, table, flags)), argument].join(' '), flags, plan);
}

/** Adds `memmap apply`. */
export function addMemmapApply(memmap: Command): void {
	addWishOptions(memmap.command('apply'), { isSizeMandatory: false })
		.summary('put the argument on the command line of each boot')
		.description(
			'Puts the argument that `plan` printed on the kernel’s command line of each boot. With the options of `plan` it plans first. Where GRUB reads /etc/default/grub.d it writes a file of its own there, and replaces the one that it wrote before. Elsewhere it writes nothing, and prints the command that does it. It does not change what others configured. It runs no other program and never reboots. It prints the commands that remain. Needs root.',
		)
		.argument('[argument...]', "'memmap=4G!4G nokaslr', in single quotes")
		.option('--from <file>', 'plan with the table in a file, or a kernel’s log; - is standard input')
		.option(...rootOption)
		.option(...dryRunOption)
		.option(...jsonOption)
		.addHelpText(
			'after',
			`
Exit status: 0 if it is configured now, or would be without --dry-run, 1 if
  something prevented it, the plan is not possible, or a command has to do it,
  2 for wrong usage, and where there is no table to plan with.

Examples:
  daxkind memmap apply --dry-run 'memmap=4G!4G nokaslr'
  daxkind memmap apply --size 4G
  daxkind memmap apply --root /mnt/image --size 4G --from dmesg.txt`,
		)
		.action(async (words: string[], given: ApplyFlags, command: Command) => {
			const flags = flagsWithAbove(given, command);
			const wrong = misuse(words, flags);
			if (wrong !== undefined) command.error(`error: ${wrong}`);
			const plan = words.length > 0 ? undefined : await planned(flags);
			if (plan !== undefined) await changing('memmap apply', () => planApplied(plan, flags));
			else if (words.length > 0) await changing('memmap apply', () => applied(words.join(' '), flags));
		});
}

/** Adds `memmap undo`. */
export function addMemmapUndo(memmap: Command): void {
	memmap
		.command('undo')
		.summary('remove what apply wrote')
		.description(
			'Removes the file that `apply` wrote, if nobody has changed it. Then everything is as before. It does not change what others configured, and prints how to remove that. It runs no other program and never reboots. Needs root.',
		)
		.option(...rootOption)
		.option(...dryRunOption)
		.option(...jsonOption)
		.addHelpText(
			'after',
			`
Exit status: 0 if it is removed, was not there, or would be removed, 1 if
  something prevented it, 2 for wrong usage.

Examples:
  daxkind memmap undo --dry-run
  daxkind memmap undo --root /mnt/image`,
		)
		.action(async (given: ChangeFlags, command: Command) => {
			const flags = flagsWithAbove(given, command);
			if (flags.from !== undefined) command.error('error: undo reads no table, so it takes no --from');
			await changing('memmap undo', async () => {
				const { undoMemmap } = await import('../memmap/index.ts');
				const change = undoMemmap(changeOptions(flags));
				const again = commandOf('undo', flags, '');
				process.stdout.write(flags.json ? toJson(change) : formatUndone(change, { again, root: flags.root }));
				return true;
			});
		});
}
