// Regions of emulated persistent memory, as the kernel's command line has them.

import { type AddressRange, sizeOf } from '../byte-ranges.ts';
import { formatSize } from '../size.ts';

/**
 * The kernel's memory subsection, in bytes. The kernel makes page structures for a whole subsection at a time, and so
 * maps all of it or nothing.
 */
export const subsection = 2 ** 21;

/** A region, in bytes. */
export interface MemmapRegion {
	start: number;
	size: number;
}

export const rangeOf = ({ start, size }: MemmapRegion): AddressRange => ({ start, end: start + size });

export const regionOf = (range: AddressRange): MemmapRegion => ({ start: range.start, size: sizeOf(range) });

/** `4G!4G`: the size, then the place. */
export const memmapEntry = ({ start, size }: MemmapRegion): string => `${formatSize(size)}!${formatSize(start)}`;

/** `memmap=4G!4G memmap=4G!8G`, as the kernel wants it. */
export const memmapArgument = (regions: readonly MemmapRegion[]): string =>
	regions.map((region) => `memmap=${memmapEntry(region)}`).join(' ');
