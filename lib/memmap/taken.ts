// Finds the parts of a machine's usable memory that are taken already: by the command line, by the crash kernel, and by
// what only a changed table shows. The last happens if a command line is built into the kernel, or was not in the log.

import { type AddressRange, byStart, intersect, joined, overlap, subtract } from '../byte-ranges.ts';
import { MIB } from '../size.ts';
import { type BootArguments, type MemmapEntry, placedCrashKernel } from './boot-arguments.ts';
import { memmapEntry, regionOf } from './regions.ts';
import { isAfterMemmap, type MemoryRange, type MemoryReservation, type MemoryTableSource } from './table.ts';

/** What is known of a machine. The tables are by their sources. */
interface Known {
	source: MemoryTableSource;
	tables: ReadonlyMap<MemoryTableSource, { ranges: MemoryRange[] }>;
	boot: BootArguments | undefined;
	crashKernel: readonly AddressRange[];
	kernel: AddressRange | undefined;
}

/** The name for what takes memory if only a table that memmap= or the like has changed shows it as taken. */
export const unexplainedBy = 'the kernel’s changed table';

/**
 * Tables that show what the firmware's table became, and a name for what takes the memory that only they show as taken.
 * In /proc/iomem that is what every kernel reserves for itself. `modified` is not among them, because its changes are a
 * few pages that no region comes near.
 */
const changedTables: readonly [MemoryTableSource, by: string][] = [
	['user', unexplainedBy],
	['reserve setup_data', unexplainedBy],
	['iomem', 'the kernel'],
];

/** Below this address, /proc/iomem shows as reserved what every PC needs of its first pages. */
const lowMemory = MIB;

/** The kernel's memory ends at most this far behind its bss, with what the kernel took before it could allocate. */
const mostBehindKernel = 2 ** 21;

const isPersistent = ({ type }: MemoryRange): boolean => type === 'persistent (type 12)';

/**
 * Whether the kernel lies between two ranges. If so, they were one region: KASLR put the kernel into it, and the table
 * leaves the kernel out.
 */
function isKernelBetween(before: AddressRange, after: AddressRange, kernel: AddressRange | undefined): boolean {
	const behind = kernel === undefined ? -1 : after.start - kernel.end;
	return kernel?.start === before.end && behind >= 0 && behind <= mostBehindKernel;
}

/** Joins the parts of regions that the kernel splits. */
function wholeRegions(parts: readonly AddressRange[], kernel: AddressRange | undefined): AddressRange[] {
	const regions: AddressRange[] = [];
	for (const part of joined(parts)) {
		const last = regions.at(-1);
		if (last !== undefined && isKernelBetween(last, part, kernel)) last.end = part.end;
		else regions.push(part);
	}
	return regions;
}

/** The kinds of entries that take a range of memory from the kernel. */
const taking: ReadonlySet<MemmapEntry['kind']> = new Set(['!', '$', '#', '%']);

const isTaking = ({ kind }: MemmapEntry): boolean => taking.has(kind);

/** What the other tables say about memory that the table in use calls usable. */
function changes({ source, tables }: Known): { persistent: AddressRange[]; others: MemoryReservation[] } {
	const ranges = tables.get(source)?.ranges ?? [];
	if (isAfterMemmap(source)) return { persistent: ranges.filter(isPersistent), others: [] };
	const usable = ranges.filter(({ type }) => type === 'usable');
	const changed = changedTables
		.filter(([name]) => name !== source)
		.map(([name, by]) => {
			const rows = tables.get(name)?.ranges ?? [];
			return { by, rows: rows.filter(({ type, start }) => type !== 'usable' && start >= lowMemory) };
		});
	return {
		persistent: changed.flatMap(({ rows }) => intersect(rows.filter(isPersistent), usable)),
		others: changed.flatMap(({ by, rows }) =>
			intersect(joined(rows.filter((range) => !isPersistent(range))), usable).map((range) => ({ ...range, by })),
		),
	};
}

/** The `memmap=` entries in force, and everything that is taken. */
export function takenMemory(known: Known): { memmap: MemmapEntry[]; reserved: MemoryReservation[] } {
	const { boot, kernel } = known;
	const { persistent, others } = changes(known);
	const written = boot?.memmap ?? [];
	const shown = wholeRegions(persistent, kernel)
		.filter((range) => !written.some((entry) => isTaking(entry) && overlap(entry, range)))
		.map((range): MemmapEntry => ({ text: memmapEntry(regionOf(range)), kind: '!', ...range }));
	const memmap = [...written, ...shown];
	const entries = memmap.filter(isTaking).map(({ text, start, end }) => ({ start, end, by: `memmap=${text}` }));
	const faked = (boot?.fakeReserved ?? []).map((range) => ({ ...range, by: 'efi_fake_mem=' }));
	const explained = [...entries, ...faked];
	const unexplained = others.flatMap((one) => subtract([one], explained).map((range) => ({ ...range, by: one.by })));
	const crashKernel = joined([
		...known.crashKernel,
		...(boot?.crashKernel ?? []).flatMap((value) => placedCrashKernel(value) ?? []),
	]);
	return {
		memmap,
		reserved: [
			...explained,
			...unexplained,
			...crashKernel.map((range) => ({ ...range, by: 'the crash kernel' })),
		].sort(byStart),
	};
}
