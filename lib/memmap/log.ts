// Reads the kernel's log: which lines belong to the boot that counts, and what they say of memory beside the tables.
// Pure: lines go in.

import type { AddressRange } from '../byte-ranges.ts';
import { MIB } from '../size.ts';
import { addressLimit, parseAddress } from './addresses.ts';
import { parseRow, type Row } from './row.ts';
import type { NodeMemoryRange } from './table.ts';

/** What a log says of memory beside its tables. */
export interface LogFacts {
	/** The end of RAM that mem= or memmap= set. RAM behind it was dropped. */
	limit: number | undefined;
	/** Where the crash kernel's memory is. */
	crashKernel: AddressRange[];
	nodes: NodeMemoryRange[];
	/** Where the kernel is, if the log says that it is not in usable memory. */
	kernel: AddressRange | undefined;
	/** The end of usable memory (last_pfn). 0 where the log does not say. */
	usableEnd: number;
}

/** The lines with which a kernel begins, if the log has them. */
const opening = /\bLinux version \d|\bCommand line: |BIOS-provided physical RAM map/;

/**
 * The lines of the last boot that printed a table, or all lines if no boot did. A log of several boots has a table for
 * each, and their sum would be more memory than the machine has.
 */
export function lastBoot(lines: readonly string[]): readonly string[] {
	let begin = 0;
	/** The first row of the boot that is being read, and the last one so far. */
	let first: Row | undefined;
	let last: Row | undefined;
	let finished: readonly string[] | undefined;
	for (const [at, line] of lines.entries()) {
		const row = parseRow(line);
		if (first !== undefined && (opening.test(line) || beginsAgain(row, first, last))) {
			finished = lines.slice(begin, at);
			begin = at;
			first = undefined;
		}
		first ??= row;
		last = row ?? last;
	}
	return first === undefined ? (finished ?? lines) : lines.slice(begin);
}

/**
 * Where only the rows were kept (grep), a boot begins where its table begins again. A line that is there twice does not
 * begin a boot.
 */
function beginsAgain(row: Row | undefined, first: Row, last: Row | undefined): boolean {
	return row?.source === first.source && row.start === first.start && row.start !== last?.start;
}

const bytesOfMib = (text: string | undefined): number => Number(text) * MIB;

function crashKernelIn(line: string): AddressRange | undefined {
	const old = /Reserving (\d+)\s?MB of (?:low )?memory at (\d+)\s?MB for crashkernel/.exec(line);
	if (old !== null) return { start: bytesOfMib(old[2]), end: bytesOfMib(old[2]) + bytesOfMib(old[1]) };
	const [, start, end] = /crashkernel (?:low memory )?reserved: 0x([\da-f]+) - 0x([\da-f]+)/i.exec(line) ?? [];
	return start === undefined ? undefined : { start: parseAddress(start), end: parseAddress(end!) };
}

/**
 * What kernels print of nodes: what the firmware says (SRAT), then the memory that the kernel found in them. The first
 * kind that a log has counts.
 */
const nodeLines = [
	/\bSRAT: Node (\d+) PXM \d+ \[mem 0x([\da-f]+)-0x([\da-f]+)\](?!.*non-volatile)/i,
	/\bSRAT: Node (\d+) PXM \d+ ([\da-f]+)-([\da-f]+)$/i,
	/\bnode\s+(\d+): \[mem 0x([\da-f]+)-0x([\da-f]+)\]/i,
	/\bInitmem setup node (\d+) \[mem 0x([\da-f]+)-0x([\da-f]+)\]/i,
];

function nodesIn(lines: readonly string[]): NodeMemoryRange[] {
	for (const [at, pattern] of nodeLines.entries()) {
		// Before 3.5 the printed end was the first byte behind the range.
		const more = at === 1 ? 0 : 1;
		const found = lines.flatMap((line) => {
			const [, node, start, end] = pattern.exec(line.trimEnd()) ?? [];
			const range = node === undefined ? undefined : { start: parseAddress(start!), end: parseAddress(end!) + more };
			// A node without memory is printed as its first byte.
			return range === undefined || range.end - range.start <= 1 ? [] : [{ node: Number(node), ...range }];
		});
		if (found.length > 0) return found;
	}
	return [];
}

const pageSize = 4096;
const removed = /\be820:? remove (?:range: )?(?:\[mem )?(?:0x)?([\da-f]+)(?:-0x| - )([\da-f]+)/i;

/** Reads the lines of one boot. */
export function readLog(lines: readonly string[]): LogFacts {
	const limits: number[] = [];
	let kernel: AddressRange | undefined;
	for (const [at, line] of lines.entries()) {
		const [, start, last] = removed.exec(line) ?? [];
		if (start === undefined) continue;
		// Ranges of devices are removed, too. Only a limit goes to the end of all addresses.
		if (parseAddress(last!) === addressLimit) limits.push(parseAddress(start));
		else if (/are not marked as E820_(?:TYPE_)?RAM/.test(lines[at - 1] ?? '')) {
			kernel = { start: parseAddress(start), end: parseAddress(last!) + 1 };
		}
	}
	const lastPages = lines.map((line) => /\blast_pfn = 0x([\da-f]+)/i.exec(line)?.[1] ?? '0');
	return {
		limit: limits.length === 0 ? undefined : Math.min(...limits),
		crashKernel: lines.flatMap((line) => crashKernelIn(line) ?? []),
		nodes: nodesIn(lines),
		kernel,
		usableEnd: lastPages.reduce((end, pages) => Math.max(end, parseAddress(pages) * pageSize), 0),
	};
}
