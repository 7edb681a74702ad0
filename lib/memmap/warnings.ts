// What a person should know before using a plan, in sentences.

import { overlap, sizeOf } from '../byte-ranges.ts';
import { GIB } from '../size.ts';
import { fourGib, type MemmapAccount, nodeRanges, type PlannableTable } from './account.ts';
import { placedCrashKernel } from './boot-arguments.ts';
import { type MemmapRegion, memmapEntry, rangeOf, regionOf } from './regions.ts';
import type { MemoryTableSource } from './table.ts';
import { unexplainedBy } from './taken.ts';
import { formatSpan } from './words.ts';

/** What it means that the table is not from the firmware itself. */
const ofSource: Partial<Record<MemoryTableSource, string>> = {
	iomem:
		'/proc/iomem shows memory after memmap= and mem= have changed it, not the firmware’s table: /sys/firmware/memmap is better',
	user: 'The firmware’s table is missing; it was rebuilt from the table that the kernel changed (user:)',
	'reserve setup_data': 'The firmware’s table is missing; it was rebuilt from the table that the kernel extended',
	modified: 'The firmware’s table is missing; it was rebuilt from the table that the kernel changed (modified:)',
};

function aboutSource({ source, omissions = [], xen = false, notes = [] }: PlannableTable): string[] {
	const own = ofSource[source];
	return [
		...(own === undefined ? [] : [`${own}.`]),
		...(omissions.length === 0 ? [] : [`The table is incomplete: ${omissions.map(({ why }) => why).join('; ')}.`]),
		...(xen ? ['The table is from a Xen dom0. It belongs to the hypervisor, and memmap= was not tried there.'] : []),
		...notes,
	];
}

function aboutArguments({ memmap = [], boot, limit }: PlannableTable): string[] {
	const moving = boot?.crashKernel.filter((value) => placedCrashKernel(value) === undefined) ?? [];
	const adding = memmap.filter(({ kind }) => kind === '@');
	const unreadable = memmap.filter(({ kind }) => kind === 'unreadable');
	return [
		...(limit === undefined
			? []
			: [`${limit.by} is in force: the kernel uses no memory above ${formatSpan(limit.at)}.`]),
		...moving.map(
			(value) =>
				`crashkernel=${value} lets the kernel choose the place of the crash kernel. A plan may move that place, so check afterwards that it is still reserved.`,
		),
		...adding.map(({ text }) => `memmap=${text} is in force: it makes memory usable, whatever the firmware says.`),
		...unreadable.map(({ text }) => `memmap=${text} is on the command line, but it cannot be read.`),
	];
}

function aboutReserved({ reserved = [], memmap = [], kernel, boot }: PlannableTable): string[] {
	const unexplained = reserved.filter(({ by }) => by === unexplainedBy);
	const damaged = kernel === undefined ? [] : memmap.filter((entry) => sizeOf(entry) > 0 && overlap(entry, kernel));
	const advice = boot?.noKaslr === true ? '' : ': add nokaslr';
	return [
		...unexplained.map(
			(range) =>
				`${formatSpan(sizeOf(range))} at ${memmapEntry(regionOf(range)).replace(/^.*!/, '')} is reserved, but no known memmap= reserves it.`,
		),
		...damaged.map(({ text }) => `KASLR put the kernel into memmap=${text} and damaged it${advice}.`),
	];
}

/** The warnings about a table, whatever is planned with it. */
export const tableWarnings = (table: PlannableTable): string[] => [
	...aboutSource(table),
	...aboutArguments(table),
	...aboutReserved(table),
];

/** KASLR avoids so many entries (MAX_MEMMAP_REGIONS in arch/x86/boot/compressed/kaslr.c). */
const avoidedEntries = 4;

/** With this much memory or less, the kernel hardly finds another place. */
const mostForNoKaslr = 16 * GIB;

/** How many entries KASLR would have to avoid. */
function entriesWith({ memmap = [] }: PlannableTable, regions: readonly MemmapRegion[]): number {
	return memmap.filter(({ kind, start }) => '!$#'.includes(kind) && start > 0).length + regions.length;
}

/**
 * Whether KASLR could put the kernel into one of these regions, or of those that exist already. If so, `nokaslr` is
 * recommended.
 */
export const needsNoKaslr = (
	table: PlannableTable,
	{ usable }: Pick<MemmapAccount, 'usable'>,
	regions: readonly MemmapRegion[],
): boolean => (usable > 0 && usable <= mostForNoKaslr) || entriesWith(table, regions) > avoidedEntries;

/** The warnings about regions. */
export function regionWarnings(table: PlannableTable, regions: readonly MemmapRegion[]): string[] {
	const nodes = [...new Set((table.nodes ?? []).map(({ node }) => node))];
	const crossing = regions.filter(
		(region) =>
			nodes.filter((node) => nodeRanges(table, node).some((range) => overlap(range, rangeOf(region)))).length > 1,
	);
	const low = regions.filter(({ start }) => start < fourGib);
	const entries = entriesWith(table, regions);
	return [
		...crossing.map((region) => `${memmapEntry(region)} lies on several NUMA nodes.`),
		...low.map(
			(region) =>
				`${memmapEntry(region)} lies below 4 GiB. That is not recommended, because the kernel and devices need that memory.`,
		),
		...(entries > avoidedEntries && table.boot?.noKaslr !== true
			? [
					`With ${entries} memmap= entries nokaslr is needed, because KASLR keeps the kernel out of only ${avoidedEntries}.`,
				]
			: []),
	];
}
