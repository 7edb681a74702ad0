// Adds up the bytes of a table: how many the machine has, how many are taken, how many must stay, how many may be given
// to persistent memory, and where.

import { type AddressRange, intersect, subtract, totalSize } from '../byte-ranges.ts';
import { GIB, MIB } from '../size.ts';
import { isAfterMemmap, type MemoryTable } from './table.ts';
import type { CheckedWish } from './wish.ts';

/** What planMemmap() needs of a table: the source and the ranges, and as much of the rest as is known. */
export type PlannableTable = Pick<MemoryTable, 'source' | 'ranges'> & Partial<MemoryTable>;

/** How much memory there is, and how much of it is left. In bytes. */
export interface MemmapAccount {
	/** What the firmware calls usable. Memory that a running kernel has made persistent by memmap= is counted, too. */
	usable: number;
	/** How much of it is taken already. */
	reserved: number;
	/** How much must stay ordinary memory. */
	mustRemain: number;
	/** How much may be taken. 0 or less if nothing may be taken. */
	budget: number;
}

/** 32-bit devices do not reach memory from here on. */
export const fourGib = 4 * GIB;

/** The kernel loads itself to 16 MiB (CONFIG_PHYSICAL_START), and is some 50 MiB large. */
const kernelEnd = 128 * MIB;

/** By default the memory divided by this stays ordinary memory, but never less than 1 GiB. */
const remainingPart = 4;
const leastRemaining = GIB;

const usableRanges = ({ ranges }: PlannableTable): AddressRange[] => ranges.filter(({ type }) => type === 'usable');

/** Memory that was usable before a running kernel's memmap= made it persistent. */
const convertedRanges = ({ source, ranges }: PlannableTable): AddressRange[] =>
	isAfterMemmap(source) ? ranges.filter(({ type }) => type === 'persistent (type 12)') : [];

/** Adds up a table. */
export function accountOf(table: PlannableTable, { keepFree }: Pick<CheckedWish, 'keepFree'>): MemmapAccount {
	const converted = convertedRanges(table);
	const all = [...usableRanges(table), ...converted];
	const usable = totalSize(all);
	const reserved = totalSize(intersect(all, [...converted, ...(table.reserved ?? [])]));
	const floor = keepFree ?? Math.max(leastRemaining, Math.ceil(usable / remainingPart));
	// Huge pages are not free memory, so what must stay is counted beside them.
	const mustRemain = floor + (table.hugePages ?? 0);
	return { usable, reserved, mustRemain, budget: usable - reserved - mustRemain };
}

/**
 * Where regions may lie. Each range is inside one range of the firmware's. Ranges that touch, or nearly do, are not
 * joined.
 */
export function freeIn(
	table: PlannableTable,
	{ node, below4G }: Pick<CheckedWish, 'node' | 'below4G'>,
): AddressRange[] {
	const free = subtract(usableRanges(table), table.reserved ?? []);
	const ofNode = node === undefined ? free : intersect(free, nodeRanges(table, node));
	return below4G ? intersect(ofNode, [{ start: kernelEnd, end: Number.POSITIVE_INFINITY }]) : above4Gib(ofNode);
}

/** The parts of ranges that are above 4 GiB. */
export const above4Gib = (ranges: readonly AddressRange[]): AddressRange[] =>
	intersect(ranges, [{ start: fourGib, end: Number.POSITIVE_INFINITY }]);

export const nodeRanges = ({ nodes = [] }: PlannableTable, node: number): AddressRange[] =>
	nodes.filter((range) => range.node === node);
