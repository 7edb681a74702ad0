// Arithmetic on ranges of physical addresses. Everything here is pure.

/** A range of physical addresses, in bytes. */
export interface AddressRange {
	/** Its first byte. */
	start: number;
	/** The first byte behind the range. */
	end: number;
}

/**
 * The kernel's memory subsection, in bytes. The kernel makes page structures for a whole subsection at a time, and so
 * maps all of it or nothing.
 */
export const subsection = 2 ** 21;

export const sizeOf = ({ start, end }: AddressRange): number => end - start;

export const totalSize = (ranges: readonly AddressRange[]): number =>
	ranges.reduce((sum, range) => sum + sizeOf(range), 0);

export const overlap = (one: AddressRange, other: AddressRange): boolean =>
	one.start < other.end && other.start < one.end;

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
