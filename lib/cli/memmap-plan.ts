// `daxkind memmap plan`: says which range to take, and what to do with it.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { asRoot, formatBytes } from '../format.ts';
import type { BootLines, MemmapPlan, MemmapWish, MemoryTable } from '../memmap/index.ts';
import { asked, flagsWithAbove, fromOption, sourceWords, type TableFlags, tableOf } from './memmap-table.ts';
import { formatPicture } from './memory-picture.ts';
import { aligned, commandLines, jsonOption, paint, sentence, toJson, width, wrapped } from './output.ts';
import { sizeOption } from './usage.ts';

/** A person's wishes, as flags. */
export interface WishFlags {
	size?: number | 'max';
	count?: number;
	node?: number;
	align?: number;
	keepFree?: number;
	below4g?: boolean;
}

const whole = (text: string): number => {
	if (!/^\d+$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
	return Number(text);
};

/** Adds the options for a person's wishes. */
export function addWishOptions(command: Command, { isSizeMandatory }: { isSizeMandatory: boolean }): Command {
	return command
		.addOption(
			new Option('-s, --size <size>', 'size of each region, such as 4G; max: the largest possible')
				.argParser((text) => (text === 'max' ? text : sizeOption(text)))
				.makeOptionMandatory(isSizeMandatory),
		)
		.option('-c, --count <n>', 'number of regions, each a pmem device (default: 1)', whole)
		.option('-n, --node <n>', 'NUMA node of the memory (default: any)', whole)
		.option(
			'-a, --align <size>',
			'alignment of regions (default: 1G, or 128M or 16M where that does not fit)',
			sizeOption,
		)
		.option('--keep-free <size>', 'how much must stay ordinary memory (default: a quarter, at least 1G)', sizeOption)
		.option('--below-4g', 'allow regions below 4 GiB if there is no room above');
}

/** Turns the flags into the library's options. */
export function wishOf({ size, count, node, align, keepFree, below4g }: WishFlags): MemmapWish {
	return {
		size: size!,
		...(count !== undefined && { count }),
		...(node !== undefined && { node }),
		...(align !== undefined && { alignment: align }),
		...(keepFree !== undefined && { keepFree }),
		...(below4g !== undefined && { below4G: below4g }),
	};
}

/** All words that a plan adds to the kernel's command line. Undefined where the plan is not possible. */
export const argumentOf = ({ argument, noKaslr }: MemmapPlan): string | undefined =>
	argument === undefined ? undefined : `${argument}${noKaslr ? ' nokaslr' : ''}`;

/** Warnings, each with a mark. */
export const sentences = (texts: readonly string[]): string =>
	texts.map((text) => `  ${paint('yellow', '!')} ${wrapped(text, 4)}\n`).join('');

/** Why a plan is not possible (the answer), and the nearest plan that is possible (the next line). */
export const refusedPlan = ({ reason, nearest }: MemmapPlan): string =>
	`${paint('red', sentence(`Not possible: ${reason}`))}\n${nearest === undefined ? '' : aligned([['Possible:', nearest.argument]])}`;

/** Where a person writes the argument on another machine. Commands and lines of files can be copied. */
function places({ shell, kernel, grubDefault, grubby }: BootLines): string {
	const rows: (readonly [string, string | undefined])[] = [
		['By daxkind on that machine', asRoot(`daxkind memmap apply ${shell}`)],
		['GRUB, at the end of /etc/default/grub (then update-grub, or grub2-mkconfig)', grubDefault],
		['GRUB of Fedora and RHEL', grubby && asRoot(grubby)],
		['Others: systemd-boot’s options line, /etc/kernel/cmdline, PXE', kernel],
	];
	return rows.map(([name, line]) => (line === undefined ? '' : `  ${name}:\n${commandLines([line])}`)).join('');
}

/** What to do with a possible plan. */
function nextSteps({ noKaslr }: MemmapPlan, lines: BootLines, isOther: boolean): string {
	const why = ['nokaslr:', 'without it the kernel may be loaded into the range'] as const;
	const reasons = noKaslr ? [why] : [];
	if (!isOther) {
		const command = asRoot(`daxkind memmap apply ${lines.shell}`);
		return `  Next:\n${commandLines([command])}${noKaslr ? `\n${aligned(reasons)}` : ''}`;
	}
	const next = ['Next:', 'put it on that machine’s kernel command line, and reboot it'] as const;
	return `${aligned([next, ...reasons])}\n${places(lines)}`;
}

/** A plan for a person: the answer, the next steps, then the picture. */
function formatPlan(found: MemmapPlan, table: MemoryTable, lines: BootLines | undefined, isOther: boolean): string {
	const { nearest, warnings, memory } = found;
	const regions = lines === undefined ? (nearest?.regions ?? []) : found.regions;
	const answer =
		lines === undefined ? refusedPlan(found) : `${paint('green', lines.kernel)}\n${nextSteps(found, lines, isOther)}`;
	const account: (readonly [string, string])[] = [
		['From', sourceWords(table)],
		['Memory', formatBytes(memory.usable)],
		...(memory.reserved > 0 ? [['Taken already', formatBytes(memory.reserved)] as const] : []),
		['Must stay free', formatBytes(memory.mustRemain)],
	];
	const list = [...warnings, ...(nearest?.warnings ?? [])];
	return `${answer}\n${formatPicture(table, regions, width())}\n${aligned(account)}${list.length > 0 ? `\n${sentences(list)}` : ''}`;
}

/** Adds `memmap plan`. */
export function addMemmapPlan(memmap: Command): void {
	addWishOptions(memmap.command('plan'), { isSizeMandatory: true })
		.summary('find a range that can be taken')
		.description(
			'Finds ranges for emulated persistent memory: inside usable memory, above 4 GiB, aligned, with enough ordinary memory left. The first line is the argument for the kernel’s command line, or the reason why there is none.',
		)
		.option(...fromOption)
		.option(...jsonOption)
		.addHelpText(
			'after',
			`
Exit status: 0 if it is possible, 1 if it is not, 2 for wrong usage, and where
  there is no table.

Examples:
  daxkind memmap plan --size 4G
  daxkind memmap plan --size max --from dmesg.txt`,
		)
		.action(async (given: WishFlags & TableFlags, command: Command) => {
			const flags = flagsWithAbove(given, command);
			await asked('memmap plan', async () => {
				const table = await tableOf(flags);
				const { bootLines, planMemmap } = await import('../memmap/index.ts');
				const found = planMemmap(table, wishOf(flags));
				const argument = argumentOf(found);
				const lines = argument === undefined ? undefined : bootLines(argument);
				const isOther = flags.from !== undefined;
				process.stdout.write(
					flags.json ? toJson({ ...found, bootLines: lines }) : formatPlan(found, table, lines, isOther),
				);
				return found.possible;
			});
		});
}
