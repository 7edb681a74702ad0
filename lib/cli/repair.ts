// `daxkind repair`: rewrites bad pages, or puts a bad file aside.
import { type Command, Option } from 'commander';
import { formatBytes, formatCounted, quoted } from '../format.ts';
import type { MediaRepair, RepairedPart, RepairMethod, RepairOptions, RepairProgress } from '../media/index.ts';
import { badBlocksJson, evidenceLines, size } from './badblocks.ts';
import { interruptible } from './interrupt.ts';
import { aligned, complain, complainOf, errorJson, jsonOption, paint, sentence, toJson, wrapped } from './output.ts';
import { progress } from './progress.ts';
import { troubleStatus, usageStatus } from './usage.ts';

interface Flags {
	from?: string;
	zeros?: boolean;
	method: RepairMethod;
	yes?: boolean;
	json?: boolean;
}

const marks: Record<RepairedPart['outcome'], [mark: string, style: 'green' | 'red' | 'yellow' | 'cyan']> = {
	repaired: ['✓', 'green'],
	moved: ['✓', 'green'],
	quarantined: ['✓', 'green'],
	healthy: ['✓', 'green'],
	uncleared: ['✗', 'red'],
	failed: ['✗', 'red'],
	skipped: ['-', 'yellow'],
	planned: ['?', 'cyan'],
};

const parts = (count: number) => formatCounted(count, 'part');

/** The first line of the output, which is the answer. */
function repairLine({ path, parts: all, dryRun, isRepaired, lost }: MediaRepair): string {
	if (all.length === 0) return paint('green', sentence(`${path} has no bad blocks that can be seen`));
	const loss = lost === 0 ? 'no data' : size(lost);
	if (dryRun) {
		const planned = all.filter(({ outcome }) => outcome === 'planned');
		const isOpen = planned.some(({ content }) => content === undefined);
		const words = isOpen ? `${loss} are lost unless there is a backup` : `${loss} would be lost`;
		return paint('yellow', sentence(`${path}: ${planned.length} of ${parts(all.length)} would be repaired; ${words}`));
	}
	if (isRepaired) return paint('green', sentence(`${path} is repaired: ${parts(all.length)}; ${loss} lost`));
	const left = all.filter(({ isDone }) => !isDone).length;
	return paint(
		'red',
		sentence(`${path}: ${left} of ${parts(all.length)} remain${left === 1 ? 's' : ''} bad; ${loss} lost`),
	);
}

/** The command that does what the dry run announced, or what fixes the first failure. */
function fixFor(repair: MediaRepair, { from, zeros = false, method }: Flags): string | undefined {
	const { path, dryRun, parts: all } = repair;
	if (!dryRun) return all.find(({ isDone, remedy }) => !isDone && remedy !== undefined)?.remedy;
	if (!all.some(({ outcome }) => outcome === 'planned')) return all[0]?.remedy;
	const content = from !== undefined ? ` --from ${quoted(from)}` : zeros ? ' --zeros' : '';
	const needs = all.some((part) => part.outcome === 'planned' && part.content === undefined);
	const how = method === 'rewrite' ? '' : ` --method ${method}`;
	return `daxkind repair ${quoted(path)}${needs ? ' --from BACKUP' : content}${how} --yes${needs ? ' (or --zeros without a backup, which loses the old content)' : ''}`;
}

/** The whole result, for a person. */
export function formatRepair(repair: MediaRepair, flags: Flags): string {
	const lines = [`${repairLine(repair)}\n`];
	const fix = fixFor(repair, flags);
	if (fix !== undefined) lines.push(aligned([['Fix:', fix]], 0));
	for (const part of repair.parts) {
		const [mark, style] = marks[part.outcome];
		const head = `${part.path}: ${size(part.length)} at ${part.offset}`;
		lines.push(`\n  ${paint(style, mark)} ${wrapped(head, 4)}\n    ${wrapped(part.finding, 4)}\n`);
		if (part.remedy !== undefined && part.remedy !== fix) lines.push(`    ${wrapped(`Fix: ${part.remedy}`, 4)}\n`);
	}
	return lines.join('') + evidenceLines(repair.remains);
}

const repairJson = ({ parts: all, remains, ...rest }: MediaRepair) => ({
	...rest,
	parts: all.map(({ error, ...part }) => ({ ...part, error: error === undefined ? undefined : errorJson(error) })),
	remains: badBlocksJson(remains),
});

async function run(path: string, flags: Flags): Promise<void> {
	const { repairAsync } = await import('../media/index.ts');
	const { from, zeros = false, method, yes = false, json = false } = flags;
	const line = await progress(true);
	await interruptible(async (signal) => {
		const onProgress = ({ path: file, done, total }: RepairProgress) =>
			line.show(`${file}: ${formatBytes(done)} of ${formatBytes(total)}`);
		try {
			const options: RepairOptions = { method, zeros, dryRun: !yes, signal, onProgress };
			const done = await repairAsync(path, { ...options, ...(from !== undefined && { from }) });
			line.clear();
			process.stdout.write(json ? toJson(repairJson(done)) : formatRepair(done, flags));
			process.exitCode = done.isRepaired ? 0 : 1;
		} catch (error) {
			line.clear();
			if (signal.aborted) {
				complain(
					'daxkind repair',
					`interrupted in ${path}; repaired parts stay repaired. Run it again to see what is left`,
				);
				return;
			}
			const ofCommandLine = (text: string) => text.replace('(from)', '(--from)').replace('(zeros: true)', '(--zeros)');
			process.exitCode = complainOf('daxkind repair', error, ofCommandLine) ? usageStatus : troubleStatus;
		}
	});
}

/** Adds the `repair` subcommand. */
export function addRepairCommand(program: Command): void {
	program
		.command('repair')
		.description(
			'Rewrites each bad page of a file, of all files below a directory, or of a block device as a whole. That clears the bad block if the medium can be cleared. Then it looks again. Without --yes it changes nothing and says what it would do. It never writes to a page that can be read.',
		)
		.argument('<path>', 'a file, a directory or a block device')
		.option(
			'--from <path>',
			'a backup: each bad page gets the content at the same offset of it; for a directory, give a directory',
		)
		.option('--zeros', 'without a backup: write zeros, and lose the old content')
		.addOption(
			new Option(
				'--method <method>',
				'rewrite: write the bad pages again; reallocate: then also move the data to other blocks; quarantine: if the medium cannot be cleared, make a copy that takes the name of the file, and keep the bad file under another name',
			)
				.choices(['rewrite', 'reallocate', 'quarantine'])
				.default('rewrite'),
		)
		.option('-y, --yes', 'do it')
		.option(...jsonOption)
		.addHelpText(
			'after',
			`
Marks: ✓ done, ✗ not done, - this command cannot repair it, ? would be done

Exit status: 0 if nothing is bad or all is repaired, 1 if something remains bad
  or would be repaired, 2 for wrong usage and if something prevented the repair,
  130 after Ctrl-C.

Examples:
  daxkind repair /mnt/pmem/table                            # what would be done
  daxkind repair /mnt/pmem/table --from /backup/table --yes
  daxkind repair pmem0 --zeros --yes`,
		)
		.action(run);
}
