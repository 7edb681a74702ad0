// Memory tables of invented machines, printed as kernels and tools print them.
import type { MemoryRange, MemoryRangeType } from 'daxkind/memmap';
import type { Entries } from './tree.ts';

const digits = (address: number, width = 16) => address.toString(16).padStart(width, '0');

/** A machine with 8 GiB: 3 GiB below the hole for its devices, 5 GiB above 4 GiB. */
export const smallMachine: MemoryRange[] = [
	{ start: 0x0, end: 0x9fc00, type: 'usable' },
	{ start: 0x9fc00, end: 0xa0000, type: 'reserved' },
	{ start: 0x100000, end: 0xbff00000, type: 'usable' },
	{ start: 0xbff00000, end: 0xbff10000, type: 'ACPI data' },
	{ start: 0xbff10000, end: 0xbff80000, type: 'ACPI NVS' },
	{ start: 0xfec00000, end: 0x100000000, type: 'reserved' },
	{ start: 0x100000000, end: 0x240000000, type: 'usable' },
];

/** Rows of each type. */
export const everyType: MemoryRange[] = (
	[
		...['usable', 'reserved', 'ACPI data', 'ACPI NVS', 'unusable', 'soft reserved'],
		...['persistent (type 7)', 'persistent (type 12)', 'type 20'],
	] as MemoryRangeType[]
).map((type, at) => ({ start: at * 0x1000000, end: (at + 1) * 0x1000000, type }));

export type Printer = (ranges: readonly MemoryRange[]) => string;

const row = (table: string, { start, end, type }: MemoryRange) =>
	`${table}: [mem 0x${digits(start)}-0x${digits(end - 1)}] ${type}`;

/** Rows as kernels have printed them since 3.5; `table` is the word before each. */
export const log = (ranges: readonly MemoryRange[], table = 'BIOS-e820'): string =>
	ranges.map((range) => row(table, range)).join('\n');

/** Kernels before 3.5: the end is the first byte behind the row. */
export const oldLog: Printer = (ranges) =>
	ranges.map(({ start, end, type }) => ` BIOS-e820: ${digits(start)} - ${digits(end)} (${type})`).join('\n');

/** Linux 2.2: the size, then the start. */
export const oldestLog: Printer = (ranges) =>
	ranges.map(({ start, end, type }) => ` BIOS-e820: ${digits(end - start)} @ ${digits(start)} (${type})`).join('\n');

const newWords: Partial<Record<MemoryRangeType, string>> = {
	usable: 'System RAM',
	reserved: 'device reserved',
	'persistent (type 7)': 'persistent RAM (type 7)',
	'persistent (type 12)': 'persistent RAM (type 12)',
};

/**
 * Linux 7.0: other words, and rows for the gaps. `size` stands between a row and its type, as in patches of that time.
 */
export const newLog =
	(size = ''): Printer =>
	(ranges) =>
		ranges
			.flatMap((range, at) => {
				const { start, end, type } = range;
				const gapStart = ranges[at - 1]?.end ?? 0;
				const gap = gapStart < start ? [`BIOS-e820: [gap 0x${digits(gapStart)}-0x${digits(start - 1)}]`] : [];
				return [...gap, `BIOS-e820: [mem 0x${digits(start)}-0x${digits(end - 1)}] ${size} ${newWords[type] ?? type}`];
			})
			.join('\n');

const resourceWords: Partial<Record<MemoryRangeType, string>> = {
	usable: 'System RAM',
	reserved: 'Reserved',
	'ACPI data': 'ACPI Tables',
	'ACPI NVS': 'ACPI Non-volatile Storage',
	unusable: 'Unusable memory',
	'soft reserved': 'Soft Reserved',
	'persistent (type 7)': 'Persistent Memory',
	'persistent (type 12)': 'Persistent Memory (legacy)',
};

const resourceName = (type: MemoryRangeType): string => resourceWords[type] ?? 'Unknown E820 type';

/** /proc/iomem without the rows that lie inside others. */
export const iomem: Printer = (ranges) =>
	ranges.map(({ start, end, type }) => `${digits(start, 8)}-${digits(end - 1, 8)} : ${resourceName(type)}`).join('\n');

/** `grep -r . /sys/firmware/memmap`. The order is the directory's, which can be any. */
export const firmwareMap =
	(prefix = '/sys/firmware/memmap/'): Printer =>
	(ranges) =>
		ranges
			.flatMap(({ start, end, type }, at) => [
				`${prefix}${at}/end:0x${(end - 1).toString(16)}`,
				`${prefix}${at}/start:0x${start.toString(16)}`,
				`${prefix}${at}/type:${resourceName(type)}`,
			])
			.reverse()
			.join('\n');

/** `head /sys/firmware/memmap/*` of all files. */
export const firmwareMapHead: Printer = (ranges) =>
	ranges
		.flatMap(({ start, end, type }, at) =>
			Object.entries({
				end: `0x${(end - 1).toString(16)}`,
				start: `0x${start.toString(16)}`,
				type: resourceName(type),
			}).map(([file, content]) => `==> /sys/firmware/memmap/${at}/${file} <==\n${content}\n`),
		)
		.join('\n');

/** The output of the script in the kernel's documentation of /sys/firmware/memmap. */
export const firmwareMapScript: Printer = (ranges) =>
	ranges.map(({ start, end, type }) => `${digits(start)}-${digits(end)} (${resourceName(type)})`).join('\n');

/** /sys/firmware/memmap of the small machine. */
export const firmware: Entries = Object.fromEntries(
	smallMachine.flatMap(({ start, end, type }, at) => [
		[`/sys/firmware/memmap/${at}/start`, `0x${start.toString(16)}`],
		[`/sys/firmware/memmap/${at}/end`, `0x${(end - 1).toString(16)}`],
		[`/sys/firmware/memmap/${at}/type`, resourceName(type)],
	]),
);
