// One row of a memory table in the kernel's log. Pure: a line goes in. A row is found anywhere in the line, because a
// time stamp, a log level, a host's name, the quoting of a mail or the # of a comment may be before it.

import type { AddressRange } from '../byte-ranges.ts';
import { addressLimit, parseAddress } from './addresses.ts';
import { leadingType, type MemoryRangeType } from './range-type.ts';
import type { MemoryTableSource } from './table.ts';

/** A row, and the table that it belongs to. Its type is undefined if its words name no type. */
export interface Row extends AddressRange {
	source: MemoryTableSource;
	type: MemoryRangeType | undefined;
}

/** BIOS-e801 and BIOS-88 are the firmware's older answers. */
const label = String.raw`(?<![\w-])(?<label>BIOS-e820|BIOS-e801|BIOS-88|Xen|user|modified|reserve setup_data):\s*`;

/** The form since 3.5: the last byte is in the range. */
const bracketed = String.raw`\[mem 0x(?<first>[\da-f]+)-0x(?<last>[\da-f]+)\]`;
/**
 * The form before 3.5: the end is the first byte behind the range. The type must follow, because that shows that the
 * number is whole.
 */
const dashed = String.raw`(?<start>[\da-f]{8,16})\s+-\s+(?<end>[\da-f]{8,16})(?=\s*\()`;
/** The form of Linux 2.2. */
const sized = String.raw`(?<size>[\da-f]{8,16})\s+@\s+(?<at>[\da-f]{8,16})(?=\s*\()`;

const whole = new RegExp(`${label}(?:${bracketed}|${dashed}|${sized})(?<rest>.*)$`, 'i');

/** The beginning of a row. Linux 7.0 also prints the gaps between rows. */
const begun = new RegExp(String.raw`${label}(?:\[(?!gap)|[\da-f]{8,})`, 'i');
/** A shorter beginning of a row, as the last thing in a log. */
const stump = /(?<![\w-])BIOS-(?:e(?:82?|820:)?)?$/;

function sourceOf(words: string): MemoryTableSource {
	if (/^BIOS/i.test(words)) return 'BIOS-e820';
	return /^xen$/i.test(words) ? 'Xen' : (words.toLowerCase() as MemoryTableSource);
}

const rangeUpTo = (start: number, end: number): AddressRange => ({ start, end: Math.min(end, addressLimit) });

function rangeOf({ first, last, start, end, size, at }: Record<string, string | undefined>): AddressRange {
	if (first !== undefined) return rangeUpTo(parseAddress(first), parseAddress(last!) + 1);
	if (start !== undefined) return rangeUpTo(parseAddress(start), parseAddress(end!));
	return rangeUpTo(parseAddress(at!), parseAddress(at!) + parseAddress(size!));
}

/**
 * The row that a line has. Undefined if it has no row.
 *
 * @param next The line below, because mail programs break lines before the type or inside it.
 */
export function parseRow(line: string, next = ''): Row | undefined {
	const groups = whole.exec(line)?.groups;
	if (groups === undefined) return undefined;
	const rest = groups.rest!;
	const continued = /[:[]/.test(next) ? '' : next.replace(/^[\s>#|*]*/, '');
	const type = leadingType(rest) ?? leadingType(`${rest} ${continued}`);
	return { source: sourceOf(groups.label!), ...rangeOf(groups), type };
}

/**
 * Whether a line without a row has the beginning of one.
 *
 * @param isAfterRow Whether the line above is a row. In that case the first letters suffice.
 */
export const isCutRow = (line: string, isAfterRow: boolean): boolean =>
	begun.test(line) || (isAfterRow && stump.test(line.trimEnd()));

const elision = /^(?:\.{2,}|…|[[(<] ?(?:\.{3}|…|snip(?:ped)?) ?[\])>]|-+ ?(?:8<|snip|cut).*)$/i;

/** Whether a line is what writers put in the place of lines that they left out: dots, or a snip. */
export const isElision = (line: string): boolean => elision.test(line.replace(/^[\s>#|*/]+/, '').trimEnd());
