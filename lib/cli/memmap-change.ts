// Describes a change of a machine's boot configuration for a person: the answer, the next steps, then the files and
// lines.
import { join } from 'node:path';
import { shown } from '../format.ts';
import type { BootChange, MemmapPlan } from '../memmap/index.ts';
import { sentences } from './memmap-plan.ts';
import { aligned, commandLines, paint } from './output.ts';

interface Asked {
	/** The same command, without --dry-run. */
	again: string;
	/** The directory of an image, as the person gave it. */
	root: string | undefined;
}

interface ApplyAsked extends Asked {
	argument: string;
	/** The plan that gave the argument, and the table that the plan was made from. */
	planned: { plan: MemmapPlan; by: string } | undefined;
}

/** What remains to be done, in order, one step a line. */
function nextSteps({ changed, dryRun, next }: BootChange, again: string, heading = 'Next'): string {
	const steps = dryRun && changed ? [again, ...next] : next;
	if (steps.length === 0) return '';
	return `  ${heading}${process.getuid?.() === 0 ? '' : ', as root'}:\n${commandLines(steps)}`;
}

/** Rows with the same name. Only the first row shows it. */
const named = (name: string, values: readonly string[]) =>
	values.map((value, n) => [n === 0 ? name : '', value] as const);

const firmwareWords = { uefi: ' (UEFI)', bios: ' (BIOS)' };

/** Which files have which lines, and how the machine boots. */
function details(change: BootChange, root = '/', plannedWith?: string): string {
	const { path, text = '', removed, elsewhere, unread, boot } = change;
	const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
	const isReplaced = text !== '' && removed.length > 0;
	return aligned([
		...named('File', path === undefined ? [] : [join(root, path), ...lines]),
		...named('Instead of', isReplaced ? [removed.join(' ')] : []),
		...named(
			'By others',
			elsewhere.map((found) => `${found.words.join(' ')}, in ${join(root, found.path)}`),
		),
		...named(
			'Not readable',
			unread.map((file) => `${join(root, file)}: there may be more`),
		),
		...named('Planned with', plannedWith === undefined ? [] : [plannedWith]),
		['Boot', `${boot.reason}${boot.firmware === undefined ? '' : firmwareWords[boot.firmware]}`],
	]);
}

/** The answer line of `apply`. */
function appliedAnswer({ changed, dryRun, text, missing, next }: BootChange, argument: string): string {
	if (missing.length > 0) {
		const what = next.length === 1 ? 'the command' : 'the commands';
		return paint('yellow', `Nothing to write here: run ${what} below to add ${argument}`);
	}
	if (changed && text !== undefined) return paint('green', `${dryRun ? 'Would be written' : 'Written'}: ${argument}`);
	const removal = `; daxkind’s own file ${dryRun ? 'would be' : 'was'} removed, because other files have all of it`;
	const state = next.length === 0 ? 'There already, and in force' : 'There already';
	return paint('green', `${state}: ${argument}${changed ? removal : ''}`);
}

/** What `apply` did. */
export function formatApplied(change: BootChange, { argument, again, root, planned }: ApplyAsked): string {
	const { warnings = [] } = planned?.plan ?? {};
	const said = warnings.length === 0 ? '' : `\n${sentences(warnings)}`;
	const answer = appliedAnswer(change, shown(argument));
	return `${answer}\n${nextSteps(change, again)}\n${details(change, root, planned?.by)}${said}`;
}

/** The answer line of `undo`. */
function undoneAnswer({ changed, dryRun, removed, elsewhere, next }: BootChange): string {
	if (changed) return paint('green', `${dryRun ? 'Would be removed' : 'Removed'}: ${removed.join(' ')}`);
	const answer = 'Nothing to undo: daxkind has no file here';
	if (elsewhere.length > 0) return paint('yellow', `${answer}, but other files have such arguments`);
	return next.length === 0
		? paint('green', answer)
		: paint('yellow', `${answer}, but the running kernel has its argument`);
}

/** What `undo` did. */
export function formatUndone(change: BootChange, { again, root }: Asked): string {
	const heading = change.changed || change.elsewhere.length === 0 ? 'Next' : 'To remove those';
	return `${undoneAnswer(change)}\n${nextSteps(change, again, heading)}\n${details(change, root)}`;
}
