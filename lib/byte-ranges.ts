// Arithmetic on sets of byte ranges, in the two notations of the public calls: by the first byte and the length, as in
// files, and by the first byte and the end, as in tables of memory. Pure.

/** `length` bytes from `offset` on. */
export interface ByteRange {
	offset: number;
	length: number;
}

/** A range of physical addresses, in bytes. */
export interface AddressRange {
	/** Its first byte. */
	start: number;
	/** The first byte behind the range. */
	end: number;
}

export const sizeOf = ({ start, end }: AddressRange): number => end - start;

export const totalSize = (ranges: readonly AddressRange[]): number =>
	ranges.reduce((sum, range) => sum + sizeOf(range), 0);

export const overlap = (one: AddressRange, other: AddressRange): boolean =>
	one.start < other.end && other.start < one.end;

/** Whether two ranges by length have a byte in common. */
export const overlapping = (one: ByteRange, other: ByteRange): boolean =>
	one.offset < other.offset + other.length && other.offset < one.offset + one.length;

export const byStart = (one: AddressRange, other: AddressRange): number => one.start - other.start;

/** The same addresses in as few ranges as possible, in order. */
export function joined(ranges: readonly AddressRange[]): AddressRange[] {
	const result: AddressRange[] = [];
	for (const { start, end } of [...ranges].sort(byStart)) {
		const last = result.at(-1);
		if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end);
		else result.push({ start, end });
	}
	return result;
}

/** The parts of the ranges that lie in one of the others. Ranges that touch are not joined. */
export function intersect(ranges: readonly AddressRange[], others: readonly AddressRange[]): AddressRange[] {
	const within = joined(others);
	return ranges.flatMap((range) =>
		within
			.filter((other) => overlap(range, other))
			.map(({ start, end }) => ({ start: Math.max(range.start, start), end: Math.min(range.end, end) })),
	);
}

/** The parts of the ranges that lie in none of the others. Ranges that touch are not joined. */
export function subtract(ranges: readonly AddressRange[], others: readonly AddressRange[]): AddressRange[] {
	const taken = joined(others);
	return ranges.flatMap((range) => {
		const left: AddressRange[] = [];
		let { start } = range;
		for (const other of taken) {
			if (!overlap(range, other)) continue;
			if (other.start > start) left.push({ start, end: other.start });
			start = other.end;
		}
		if (start < range.end) left.push({ start, end: range.end });
		return left;
	});
}

const withEnd = ({ offset, length }: ByteRange): AddressRange => ({ start: offset, end: offset + length });
const withLength = ({ start, end }: AddressRange): ByteRange => ({ offset: start, length: end - start });

/** The parts of `ranges` that no range of `others` covers, in order. */
export const without = (ranges: readonly ByteRange[], others: readonly ByteRange[]): ByteRange[] =>
	subtract(ranges.map(withEnd), others.map(withEnd)).map(withLength);

/** What two ranges have in common. undefined if that is nothing. */
export function intersection(one: ByteRange, other: ByteRange): ByteRange | undefined {
	const [both] = intersect([withEnd(one)], [withEnd(other)]);
	return both === undefined || sizeOf(both) === 0 ? undefined : withLength(both);
}

/** Ranges widened to multiples of a unit, in order and merged. */
export const widened = (ranges: readonly ByteRange[], unit: number): ByteRange[] =>
	joined(
		ranges.map(({ offset, length }) => ({
			start: Math.floor(offset / unit) * unit,
			end: Math.ceil((offset + length) / unit) * unit,
		})),
	).map(withLength);

/** The sum of the ranges' lengths. */
export const lengthOf = (ranges: readonly ByteRange[]): number => totalSize(ranges.map(withEnd));
