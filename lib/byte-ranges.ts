// Pure functions on sets of byte ranges.

/** `length` bytes from `offset` on. */
export interface ByteRange {
	offset: number;
	length: number;
}

/** The parts of `ranges` that no range of `others` covers, in order. */
export function without(ranges: readonly ByteRange[], others: readonly ByteRange[]): ByteRange[] {
	const taken = [...others].sort((one, other) => one.offset - other.offset);
	return ranges.flatMap(({ offset, length }) => {
		const end = offset + length;
		const left: ByteRange[] = [];
		let at = offset;
		for (const other of taken) {
			if (other.offset >= end) break;
			if (other.offset > at) left.push({ offset: at, length: other.offset - at });
			at = Math.max(at, other.offset + other.length);
		}
		if (at < end) left.push({ offset: at, length: end - at });
		return left;
	});
}

/** The overlap of two ranges. undefined if there is none. */
export function overlap(one: ByteRange, other: ByteRange): ByteRange | undefined {
	const offset = Math.max(one.offset, other.offset);
	const end = Math.min(one.offset + one.length, other.offset + other.length);
	return offset < end ? { offset, length: end - offset } : undefined;
}

/** Ranges widened to multiples of a unit, in order and merged. */
export function widened(ranges: readonly ByteRange[], unit: number): ByteRange[] {
	const merged: ByteRange[] = [];
	for (const { offset, length } of [...ranges].sort((one, other) => one.offset - other.offset)) {
		const start = Math.floor(offset / unit) * unit;
		const end = Math.ceil((offset + length) / unit) * unit;
		const last = merged.at(-1);
		if (last !== undefined && start <= last.offset + last.length) {
			last.length = Math.max(last.length, end - last.offset);
		} else {
			merged.push({ offset: start, length: end - start });
		}
	}
	return merged;
}

/** The sum of the ranges' lengths. */
export const lengthOf = (ranges: readonly ByteRange[]): number => ranges.reduce((sum, { length }) => sum + length, 0);
