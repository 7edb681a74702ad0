// Regions of emulated persistent memory, as the kernel's command line has them.
import { formatSize } from '../size.ts';
import { type AddressRange, sizeOf } from './ranges.ts';

/** A region, in bytes. */
export interface Region {
	start: number;
	size: number;
}

export const rangeOf = ({ start, size }: Region): AddressRange => ({ start, end: start + size });

export const regionOf = (range: AddressRange): Region => ({ start: range.start, size: sizeOf(range) });

/** `4G!4G`: the size, then the place. */
export const memmapEntry = ({ start, size }: Region): string => `${formatSize(size)}!${formatSize(start)}`;

/** `memmap=4G!4G memmap=4G!8G`, as the kernel wants it. */
export const memmapArgument = (regions: readonly Region[]): string =>
	regions.map((region) => `memmap=${memmapEntry(region)}`).join(' ');
