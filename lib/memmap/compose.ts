// Makes one table of everything that was found about a machine's memory.

import { byStart, joined } from '../byte-ranges.ts';
import { refusal } from '../errors.ts';
import { MIB } from '../size.ts';
import { addressLimit } from './addresses.ts';
import { parseBootArguments } from './boot-arguments.ts';
import type { Iomem } from './iomem.ts';
import type { LogFacts } from './log.ts';
import type { PrintedTable } from './log-tables.ts';
import {
	isAfterMemmap,
	type MemoryRange,
	type MemoryTable,
	type MemoryTableOmission,
	type MemoryTableSource,
	type NodeMemoryRange,
} from './table.ts';
import { takenMemory } from './taken.ts';
import { formatSpan } from './words.ts';

/** What was found. */
export interface Evidence {
	tables: ReadonlyMap<MemoryTableSource, PrintedTable>;
	commandLine: string | undefined;
	log: LogFacts | undefined;
	iomem: Iomem | undefined;
	nodes: NodeMemoryRange[];
	/** Bytes of huge pages. */
	hugePages: number;
	xen: boolean;
}

/** The sources, the best first. */
const sources: readonly MemoryTableSource[] = [
	'sysfs',
	'BIOS-e820',
	'Xen',
	'user',
	'iomem',
	'reserve setup_data',
	'modified',
];

const hex = (address: number): string => `0x${address.toString(16)}`;

/**
 * Refuses rows that no kernel prints. Such rows are from several tables, or were edited, so their sum is not the memory
 * of any machine.
 */
export function requireOrder(ranges: readonly MemoryRange[], name: string): void {
	for (const [at, { start, end }] of ranges.entries()) {
		const before = ranges[at - 1];
		const isOverlapping = before !== undefined && start < before.end && before.start < end;
		if (end > start && (before === undefined || start >= before.end)) continue;
		const trouble =
			end <= start
				? `the row at ${hex(start)} ends before it begins`
				: `the row at ${hex(start)} ${isOverlapping ? 'overlaps' : 'comes after'} the one at ${hex(before!.start)}`;
		const remedy = 'give the whole log of one boot, or what `grep -r . /sys/firmware/memmap` prints';
		throw refusal('ERR_DAXKIND_TABLE_DISORDER', name, `${name} is not one memory table: ${trouble}`, remedy);
	}
}

/** The rows whose addresses are possible, and a note about the others. */
function withinLimit(ranges: readonly MemoryRange[]): { ranges: MemoryRange[]; notes: string[] } {
	const kept = ranges.filter(({ start, end }) => start < addressLimit && start !== end);
	const isBeyond = ranges.some(({ start, end }) => start >= addressLimit || end >= addressLimit);
	const note = `Addresses from ${hex(addressLimit)} on are left out, because no x86 machine has them.`;
	return { ranges: kept, notes: isBeyond ? [note] : [] };
}

const endOf = (ranges: readonly MemoryRange[]): number =>
	ranges.filter(({ type }) => /^usable$|^persistent/.test(type)).reduce((most, { end }) => Math.max(most, end), 0);

/** A PC has usable memory from its first pages on. So a first row from here on is not the first of the table. */
const mostFirst = MIB;

/** Where rows are missing, according to the table itself and the rest of the log. */
function omissionsIn(table: PrintedTable, source: MemoryTableSource, { tables, log }: Evidence): MemoryTableOmission[] {
	const omissions = [...table.omissions];
	const first = table.ranges[0]?.start ?? 0;
	if (first >= mostFirst) omissions.push({ at: 'start', why: `the first row is at ${formatSpan(first)}` });
	const known = Math.max(log?.usableEnd ?? 0, isAfterMemmap(source) ? 0 : endOf(tables.get('user')?.ranges ?? []));
	if (known > endOf(table.ranges)) {
		omissions.push({ at: 'end', why: `the log shows memory up to ${formatSpan(known)}, but no row reaches it` });
	}
	return omissions;
}

/**
 * Makes the table of the best source that there is.
 *
 * @param name What to call the text, or the file, in errors.
 * @throws ERR_DAXKIND_TABLE_DISORDER
 * @returns Undefined where there is no table.
 */
export function composeTable(evidence: Evidence, name: string): MemoryTable | undefined {
	const { tables, commandLine, log, iomem, nodes, hugePages, xen } = evidence;
	const source = sources.find((one) => (tables.get(one)?.ranges.length ?? 0) > 0);
	if (source === undefined) return undefined;
	const table = tables.get(source)!;
	const { ranges, notes } = withinLimit(table.ranges);
	requireOrder(ranges, name);
	const boot = commandLine === undefined ? undefined : parseBootArguments(commandLine);
	const kernel = iomem?.kernel ?? log?.kernel;
	const crashKernel = [...(iomem?.crashKernel ?? []), ...(log?.crashKernel ?? [])];
	const { memmap, reserved } = takenMemory({ source, tables, boot, crashKernel, kernel });
	const limits = [
		...(boot?.limits ?? []),
		...memmap.filter(({ kind }) => kind === 'limit').map(({ start, text }) => ({ at: start, by: `memmap=${text}` })),
		...(log?.limit === undefined ? [] : [{ at: log.limit, by: 'a limit that the log shows' }]),
	];
	return {
		source,
		// In these tables the kernel has split ranges at the data that a boot loader handed over.
		ranges: source === 'reserve setup_data' ? joinedByType(ranges) : ranges,
		reserved,
		memmap,
		boot,
		limit: limits.sort((one, other) => one.at - other.at)[0],
		hugePages: Math.max(hugePages, boot?.hugePages ?? 0),
		nodes,
		kernel,
		omissions: omissionsIn(table, source, evidence),
		xen: xen || source === 'Xen',
		notes,
	};
}

/** The same ranges. Those of the same type are joined where they touch. */
function joinedByType(ranges: readonly MemoryRange[]): MemoryRange[] {
	const types = [...new Set(ranges.map(({ type }) => type))];
	return types
		.flatMap((type) => joined(ranges.filter((range) => range.type === type)).map((range) => ({ ...range, type })))
		.sort(byStart);
}
