// Bad ranges and the extents of files. Pure. Native code has the function on which everything is based: it says which
// bytes of a file are on bad bytes of its device.
import { requireInteger, requireOptions } from '../arguments.ts';
import type { ByteRange } from '../byte-ranges.ts';
import { invalidArgType } from '../errors.ts';
import { native } from '../native.ts';
import { MIB } from '../size.ts';

/** A run of blocks of a file, in bytes: `logical` is its offset in the file, `physical` on the device. */
export interface FileExtent {
	logical: number;
	physical: number;
	length: number;
	/** FIEMAP_EXTENT_ bits. Default 0. Extents whose place is not known (UNKNOWN, ENCODED) are ignored. */
	flags?: number;
}

/** No file system or device reads and writes larger parts than this. */
export const mostUnit = MIB;

export interface BadRangesOptions {
	/** The smallest part that can be read or written, in bytes. Ranges are widened to multiples of it. Default 1. */
	unit?: number;
}

/** The bytes of an array of numbers, in the form that native code takes. */
export const bytesOf = (numbers: readonly number[]): Uint8Array => new Uint8Array(Float64Array.from(numbers).buffer);

/** Ranges in the form that native code takes. */
export const rangeBytes = (ranges: readonly ByteRange[]): Uint8Array =>
	bytesOf(ranges.flatMap(({ offset, length }) => [offset, length]));

/** The rows of an array of numbers. */
export function rowsOf(numbers: Float64Array, columns: number): number[][] {
	return Array.from({ length: numbers.length / columns }, (_, row) => [
		...numbers.subarray(row * columns, (row + 1) * columns),
	]);
}

function requireList<T extends object>(name: string, value: readonly T[]): readonly T[] {
	if (Array.isArray(value)) return value;
	throw invalidArgType(name, 'an instance of Array', value);
}

/**
 * Which bytes of a file are on bad bytes of its device. It is pure. The ranges may be in any order, and may overlap.
 * The extents are in the order of the file.
 *
 * @returns The bad ranges in the order of the file, widened to `unit` and merged, so that none overlaps or touches
 * another.
 * @throws TypeError ERR_INVALID_ARG_TYPE, RangeError ERR_OUT_OF_RANGE.
 * @example
 * badRangesIn([{ offset: 512, length: 512 }], [{ logical: 0, physical: 0, length: 1024 }], { unit: 1024 }); // [{
 * offset: 0, length: 1024 }]
 */
export function badRangesIn(
	bad: readonly ByteRange[],
	extents: readonly FileExtent[],
	options?: BadRangesOptions,
): ByteRange[] {
	const { unit = 1 } = requireOptions<BadRangesOptions>('options', options, ['unit']);
	requireInteger('options.unit', unit, 1, mostUnit);
	for (const { offset, length } of requireList('bad', bad)) {
		requireInteger('bad.offset', offset);
		requireInteger('bad.length', length);
	}
	const rows = requireList('extents', extents).flatMap(({ logical, physical, length, flags = 0 }) => [
		requireInteger('extents.logical', logical),
		requireInteger('extents.physical', physical),
		requireInteger('extents.length', length),
		requireInteger('extents.flags', flags, 0, 2 ** 32 - 1),
	]);
	const found = native.badRangesIn(rangeBytes(bad), bytesOf(rows), unit);
	return rowsOf(found, 2).map(([offset, length]) => ({ offset: offset!, length: length! }));
}
