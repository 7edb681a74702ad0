// Draws a memory table for a terminal. Each stretch of addresses is a bar to scale, so that a person sees what is free
// and what a plan takes.

import { intersect, subtract, totalSize } from '../byte-ranges.ts';
import { formatBytes } from '../format.ts';
import type { AddressRange, MemmapRegion, MemoryTable } from '../memmap/index.ts';
import { GIB, MIB } from '../size.ts';
import { aligned, paint } from './output.ts';

type Style = Parameters<typeof paint>[0];

/**
 * What a cell of a bar can show. Where several share a cell, a planned or persistent part wins, and otherwise the
 * largest part.
 */
const sorts = ['planned', 'persistent', 'taken', 'free', 'other'] as const;
type Sort = (typeof sorts)[number];

const marks: Readonly<Record<Sort, [mark: string, style: Style, words: string]>> = {
	planned: ['█', 'green', 'would be taken by the plan'],
	persistent: ['▓', 'cyan', 'already persistent memory'],
	taken: ['▒', 'yellow', 'taken by others: crash kernel, memmap=, huge pages'],
	free: ['░', 'dim', 'ordinary memory'],
	other: ['x', 'red', 'used by the firmware and devices'],
};

/** A hole in the addresses that is smaller than this is drawn. A larger one starts a new line. */
const smallHole = GIB;

/** The ranges of memory by their use. */
function parts({ ranges, reserved }: MemoryTable, regions: readonly MemmapRegion[]): Record<Sort, AddressRange[]> {
	const planned = regions.map(({ start, size }) => ({ start, end: start + size }));
	const usable = ranges.filter(({ type }) => type === 'usable');
	const persistent = [
		...ranges.filter(({ type }) => type.startsWith('persistent')),
		...intersect(
			usable,
			reserved.filter(({ by }) => /^memmap=.*!/.test(by)),
		),
	];
	const taken = subtract(intersect(usable, reserved), persistent);
	return {
		planned,
		persistent,
		taken,
		free: subtract(usable, [...planned, ...persistent, ...taken]),
		other: ranges.filter(({ type }) => type !== 'usable' && !type.startsWith('persistent')),
	};
}

/**
 * Stretches of addresses that have memory in them and no large hole. Ranges of the firmware's far away from memory are
 * left out.
 */
function stretches({ ranges }: MemoryTable): AddressRange[] {
	const found: AddressRange[] = [];
	const isMemory = (type: string) => type === 'usable' || type.startsWith('persistent') || type === 'soft reserved';
	for (const { start, end } of ranges.filter(({ type }) => isMemory(type)).sort((a, b) => a.start - b.start)) {
		const last = found.at(-1);
		if (last !== undefined && start - last.end < smallHole) last.end = Math.max(last.end, end);
		else found.push({ start, end });
	}
	return found;
}

const sizeIn = (ranges: readonly AddressRange[], within: AddressRange): number =>
	totalSize(intersect(ranges, [within]));

/** An address in the unit that makes it shortest. */
const placeText = (address: number): string =>
	address % GIB === 0
		? `${address / GIB} GiB`
		: `${Number((address / (address < GIB ? MIB : GIB)).toFixed(2))} ${address < GIB ? 'MiB' : 'GiB'}`;

function bar(stretch: AddressRange, cell: number, all: Record<Sort, AddressRange[]>): string {
	const cells = Math.max(1, Math.round((stretch.end - stretch.start) / cell));
	return Array.from({ length: cells }, (_, n) => {
		const within = { start: stretch.start + n * cell, end: Math.min(stretch.start + (n + 1) * cell, stretch.end) };
		const shares = sorts.map((sort) => ({ sort, bytes: sizeIn(all[sort], within) }));
		// Planned and persistent memory is shown even if it is a small part of the cell.
		const special = shares.find(({ sort, bytes }) => bytes > 0 && (sort === 'planned' || sort === 'persistent'));
		const most = special ?? shares.reduce((one, other) => (other.bytes > one.bytes ? other : one));
		if (most.bytes === 0) return ' ';
		const [mark, style] = marks[most.sort];
		return paint(style, mark);
	}).join('');
}

/** A picture of a table, with the regions of a plan in it. */
export function formatPicture(table: MemoryTable, regions: readonly MemmapRegion[], columns: number): string {
	const all = parts(table, regions);
	const lines = stretches(table);
	const longest = Math.max(0, ...lines.map(({ start, end }) => end - start));
	const labels = lines.map(({ start, end }) => `${placeText(start)} to ${placeText(end)}`);
	const column = 2 + Math.max(0, ...labels.map((label) => label.length)) + 2;
	const cell = Math.max(longest / Math.max(columns - column - 2, 20), 2 ** 16);
	const bars = lines.map((stretch, n) => `  ${labels[n]!.padEnd(column - 2)}${bar(stretch, cell, all)}\n`);
	const legend = sorts.flatMap((sort) => {
		const bytes = totalSize(all[sort]);
		if (bytes === 0 || (sort === 'other' && lines.every((line) => sizeIn(all.other, line) === 0))) return [];
		const [mark, , words] = marks[sort];
		return [[mark, `${formatBytes(bytes)} ${words}`] as const];
	});
	return `${bars.join('')}\n${aligned(legend)}`;
}
