// `daxkind memmap`: the machine's memory as a picture, and plans for emulated persistent memory in it.
import { readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError } from 'commander';
import { formatBytes } from '../format.ts';
import type { MemmapPlan, MemoryTable, PlanWish } from '../memmap/index.ts';
import { addMemmapVerify } from './memmap-verify.ts';
import { formatPicture } from './memory-picture.ts';
import { aligned, complain, paint, refusalLines, toJson, wrapped } from './output.ts';
import { flagMessage, isUsageError, sizeOption, troubleStatus } from './usage.ts';

interface TableFlags {
	from?: string;
	json?: boolean;
}

interface PlanFlags extends TableFlags, Omit<PlanWish, 'alignment'> {
	align?: number;
}

const whole = (text: string): number => {
	if (!/^\d+$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
	return Number(text);
};

/** This machine's table, or that of a file, or of standard input. */
async function tableOf({ from }: TableFlags): Promise<MemoryTable> {
	const { parseTable, readTable } = await import('../memmap/index.ts');
	if (from === undefined) return readTable();
	return from === '-' ? parseTable(readFileSync(0, 'utf8'), 'standard input') : readTable({ from });
}

const sources: Partial<Record<MemoryTable['source'], string>> = {
	sysfs: 'the firmware’s table in /sys/firmware/memmap',
	iomem: '/proc/iomem, as memmap= and mem= have left it',
	'BIOS-e820': 'the firmware’s table in the kernel’s log',
	user: 'the kernel’s changed table in its log',
};

const sourceWords = ({ source }: Pick<MemoryTable, 'source'>): string => sources[source] ?? `the table of ${source}`;

const columns = (): number => Math.min(process.stdout.columns || 80, 120);

const sentences = (texts: readonly string[]): string =>
	texts.map((text) => `  ${paint('yellow', '!')} ${wrapped(text, 4)}\n`).join('');

/** A plan for a person: the answer first, what to do next, then the picture. */
function formatPlan(found: MemmapPlan, table: MemoryTable): string {
	const { possible, argument, reason, nearest, warnings, noKaslr, memory, regions } = found;
	const shown = possible ? regions : (nearest?.regions ?? []);
	const answer = possible
		? paint('green', `${argument}${noKaslr ? ' nokaslr' : ''}`)
		: paint('red', `Not possible: ${reason}`);
	const next: (readonly [string, string])[] = possible
		? [
				['Next:', 'put it on the kernel’s command line, and reboot'],
				...(noKaslr ? [['nokaslr:', 'without it the kernel itself may be put into the range'] as const] : []),
			]
		: nearest === undefined
			? []
			: [['Possible:', nearest.argument]];
	const account: (readonly [string, string])[] = [
		['From', sourceWords(table)],
		['Memory', formatBytes(memory.usable)],
		...(memory.reserved > 0 ? [['Taken already', formatBytes(memory.reserved)] as const] : []),
		['Must stay free', formatBytes(memory.mustRemain)],
	];
	const list = [...warnings, ...(possible ? [] : (nearest?.warnings ?? []))];
	return `${answer}\n${aligned(next, 2)}\n${formatPicture(table, shown, columns())}\n${aligned(account)}${list.length > 0 ? `\n${sentences(list)}` : ''}`;
}

/** Runs a question about a table; what cannot be asked is trouble. */
async function asked(command: string, body: () => Promise<boolean>): Promise<void> {
	try {
		process.exitCode = (await body()) ? 0 : 1;
	} catch (error) {
		process.exitCode = troubleStatus;
		complain(`daxkind ${command}`, ...(isUsageError(error) ? [flagMessage(error)] : refusalLines(error)));
	}
}

const fromOption = [
	'--from <file>',
	'a file with that table, or a kernel’s log; - is standard input (default: this machine)',
] as const;
const jsonOption = ['--json', 'print one JSON document (docs/cli.md)'] as const;

/** Adds the `memmap` subcommand and those below it. */
export function addMemmapCommand(program: Command): void {
	const memmap = program
		.command('memmap')
		.summary('plan persistent memory that the kernel emulates in RAM')
		.description(
			'Shows the memory of this machine: what is free, and what the firmware, devices and the command line have. The kernel option memmap=SIZE!START makes persistent memory of a part of it, for whoever has none; `plan` says which part can be had without harm. x86 only. Changes nothing and needs no root.',
		)
		.option(...fromOption)
		.option(...jsonOption)
		.addHelpText('after', '\nExit status: 0, or 2 where there is no table.\n\nExample: daxkind memmap')
		.action(async (flags: TableFlags) => {
			await asked('memmap', async () => {
				const table = await tableOf(flags);
				const text = `${paint('bold', `Memory, by ${sourceWords(table)}`)}\n\n${formatPicture(table, [], columns())}`;
				process.stdout.write(flags.json ? toJson(table) : text);
				return true;
			});
		});
	memmap
		.command('plan')
		.summary('which range to take')
		.description(
			'Finds ranges for emulated persistent memory: inside usable memory, above 4 GiB, aligned, and so that enough ordinary memory is left. The first line is what to put on the kernel’s command line, or why nothing can be.',
		)
		.requiredOption('-s, --size <size>', 'of each region, as 4G; max: the largest that can be', (text) =>
			text === 'max' ? text : sizeOption(text),
		)
		.option('-c, --count <n>', 'how many, each a pmem device (default: 1)', whole)
		.option('-n, --node <n>', 'of this NUMA node (default: any)', whole)
		.option(
			'-a, --align <size>',
			'where regions begin (default: 1G, or 128M or 16M where that does not fit)',
			sizeOption,
		)
		.option('--keep-free <size>', 'what must stay ordinary memory (default: a quarter, at least 1G)', sizeOption)
		.option('--below-4g', 'also below 4 GiB, where nothing above has room')
		.option(...fromOption)
		.option(...jsonOption)
		.addHelpText(
			'after',
			`
Exit status: 0 if it is possible, 1 if it is not, 2 for trouble: wrong usage, no
  table.

Examples:
  daxkind memmap plan --size 4G
  daxkind memmap plan --size max --from dmesg.txt`,
		)
		.action(async ({ align, below4g, json, from, ...wish }: PlanFlags & { below4g?: boolean }, command: Command) => {
			// The command above has the same options, and takes what stands before its own subcommand.
			const above = command.parent?.opts<TableFlags>() ?? {};
			await asked('memmap plan', async () => {
				const table = await tableOf({ ...above, ...(from !== undefined && { from }) });
				const { plan } = await import('../memmap/index.ts');
				const found = plan(table, {
					...wish,
					...(align !== undefined && { alignment: align }),
					...(below4g !== undefined && { below4G: below4g }),
				});
				process.stdout.write((json ?? above.json) ? toJson(found) : formatPlan(found, table));
				return found.possible;
			});
		});
	addMemmapVerify(memmap);
}
