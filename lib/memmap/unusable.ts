// Says why no plan can be based on a table, whatever is wanted.
import { fourGib, type MemmapAccount, type PlannableTable } from './account.ts';
import { formatSpan } from './words.ts';

/** The reason, as a sentence without its full stop. Undefined for a table on which a plan can be based. */
export function whyUnusable(table: PlannableTable, { usable }: MemmapAccount): string | undefined {
	const { ranges, memmap = [], limit, omissions = [] } = table;
	if (usable === 0) return 'The table has no usable memory, so it cannot be the whole table of a machine';
	if (memmap.some(({ kind }) => kind === 'exactmap')) {
		return 'memmap=exactmap is in force (as in a kdump kernel) and replaces the firmware’s table: remove it first';
	}
	const top = Math.max(...ranges.filter(({ type }) => type === 'usable').map(({ end }) => end));
	if (limit !== undefined && limit.at < top) {
		return `${limit.by} is in force, so memory above ${formatSpan(limit.at)} is not used: correct or remove it first`;
	}
	const cut = omissions.find(({ at }) => at === 'end');
	if (cut !== undefined && top <= fourGib) {
		return `The table is cut before 4 GiB (${cut.why}): give the whole log, or what \`grep -r . /sys/firmware/memmap\` prints`;
	}
	return undefined;
}
