// Finds the part of a range that is not memory that could be taken, by the firmware's table.
import { type AddressRange, intersect, overlap, sizeOf, subtract, totalSize } from '../byte-ranges.ts';
import type { MemoryTable } from './table.ts';
import { formatSpan } from './words.ts';

/** The addresses of a range as the kernel writes them: the second is the last byte of the range. */
export const addresses = ({ start, end }: AddressRange): string =>
	`0x${start.toString(16)}-0x${(end - 1).toString(16)}`;

/**
 * How much of a range the table does not call usable, and what the largest such part is, as a clause. Undefined if all
 * of it is usable.
 */
export function outsideMemory(range: AddressRange, { ranges }: Pick<MemoryTable, 'ranges'>): string | undefined {
	const usable = ranges.filter(({ type }) => type === 'usable');
	const outside = subtract([range], usable);
	const parts = outside.flatMap((part) => {
		const known = ranges.filter((row) => overlap(row, part));
		const gaps = subtract([part], known);
		return [
			...known.flatMap((row) => intersect([row], [part]).map((one) => ({ ...one, what: row.type as string }))),
			...gaps.map((gap) => ({ ...gap, what: 'in no row' })),
		];
	});
	const [largest] = parts.sort((one, other) => sizeOf(other) - sizeOf(one));
	if (largest === undefined) return undefined;
	const others = parts.length > 1 ? `, and ${parts.length - 1} more` : '';
	const is = parts.length > 1 ? 'are' : 'is';
	return `${formatSpan(totalSize(outside))} of it ${is} not usable memory in the firmware's table: ${addresses(largest)} is ${largest.what}${others}`;
}
