// /sys/firmware/memmap: the firmware's table as it was before the kernel changed it. It has one directory for each
// entry, and everybody may read it (Documentation/ABI/testing/sysfs-firmware-memmap). As text it is what grep -r, head
// or the script of that document print.

import { byStart } from '../byte-ranges.ts';
import { addressLimit, parseAddress } from './addresses.ts';
import type { PrintedTable } from './log-tables.ts';
import { typeNamed } from './range-type.ts';
import type { MemoryRange } from './table.ts';

/** One entry: what its files say. */
export type FirmwareEntry = Partial<Record<'start' | 'end' | 'type', string>>;

/** `/sys/firmware/memmap/0/start:0x0`, from whatever directory grep was called. */
const grepped = /(?:^|[\s/>])(\d+)\/(start|end|type):(.*)$/;
/** `==> /sys/firmware/memmap/0/start <==`, and the content in the next line. */
const headed = /==> (?:.*\/)?(\d+)\/(start|end|type) <==/;
/** `0000000000000000-000000000009f000 (System RAM)`: the script adds 1 to the end. */
const scripted = /^[\s>#|*]*([\da-f]{16})-([\da-f]{16}) \((.+)\)/i;

const parseHex = (text: string | undefined): number | undefined => {
	const digits = /^0x([\da-f]+)$/i.exec(text?.trim() ?? '')?.[1];
	return digits === undefined ? undefined : parseAddress(digits);
};

function rangeOf({ start, end, type }: FirmwareEntry): MemoryRange | undefined {
	const [first, last] = [parseHex(start), parseHex(end)];
	if (first === undefined || last === undefined || type === undefined) return undefined;
	return { start: first, end: Math.min(last + 1, addressLimit), type: typeNamed(type) ?? 'unknown' };
}

/** Makes a table of entries, in the order of their addresses. Their numbers say nothing. */
export function tableOfEntries(entries: readonly FirmwareEntry[]): PrintedTable {
	const ranges = entries.map(rangeOf);
	const isWhole = !ranges.includes(undefined);
	return {
		ranges: ranges.flatMap((range) => range ?? []).sort(byStart),
		omissions: isWhole ? [] : [{ at: 'inside', why: 'an entry lacks its start, end or type' }],
	};
}

/** The table in a text. Undefined where no line belongs to one. */
export function parseFirmwareMap(lines: readonly string[]): PrintedTable | undefined {
	const entries = new Map<string, FirmwareEntry>();
	const scriptedRanges: MemoryRange[] = [];
	for (const [at, line] of lines.entries()) {
		const [, start, end, type] = scripted.exec(line) ?? [];
		if (start !== undefined) {
			scriptedRanges.push({ start: parseAddress(start), end: parseAddress(end!), type: typeNamed(type!) ?? 'unknown' });
		}
		const [, number, file, text = lines[at + 1]] = grepped.exec(line) ?? headed.exec(line) ?? [];
		if (number !== undefined) entries.set(number, { ...entries.get(number), [file!]: text?.trim() });
	}
	const table = tableOfEntries([...entries.values()]);
	if (table.ranges.length > 0) return table;
	return scriptedRanges.length === 0 ? undefined : { ranges: scriptedRanges.sort(byStart), omissions: [] };
}
