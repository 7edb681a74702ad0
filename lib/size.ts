// Converts sizes as people write them ("512M", "4G") to bytes and back.
import { invalidArgType, invalidArgValue } from './errors.ts';

/** A number of bytes, or text with a binary suffix: `'512M'`, `'1.5G'`, `'64MiB'`. */
export type Size = number | string;

export const KIB = 2 ** 10;
export const MIB = 2 ** 20;
export const GIB = 2 ** 30;

const units: ReadonlyMap<string, number> = new Map([
	['', 1],
	['k', KIB],
	['m', MIB],
	['g', GIB],
	['t', 2 ** 40],
]);

/**
 * The bytes of a size. The suffixes K, M, G and T (with or without `B` or `iB`, in either case) are binary, as in
 * `memmap=` and `mkfs`.
 *
 * @param size Bytes as a number, or text.
 * @param name The name of the value in an error.
 * @throws ERR_INVALID_ARG_VALUE for anything that is not a whole, positive number of bytes below 2^53.
 * @example parseSize('512M') // 536870912
 */
export function parseSize(size: Size, name = 'size'): number {
	if (typeof size !== 'number' && typeof size !== 'string') throw invalidArgType(name, 'a number or a string', size);
	let bytes: number;
	if (typeof size === 'number') bytes = size;
	else {
		const match = /^\s*(\d+(?:\.\d+)?)\s*(?:([kmgt])(?:i?b)?|b)?\s*$/i.exec(size);
		bytes = match ? Number(match[1]) * units.get((match[2] ?? '').toLowerCase())! : Number.NaN;
	}
	if (!Number.isSafeInteger(bytes) || bytes <= 0) {
		throw invalidArgValue(name, 'a size in whole bytes, such as 512M or 4G', size);
	}
	return bytes;
}

/**
 * The shortest text that is exactly a number of bytes, and that {@link parseSize} and the kernel's `memmap=` read:
 * `'1536M'`.
 */
export function formatSize(bytes: number): string {
	for (const [suffix, unit] of [...units].reverse()) {
		if (bytes >= unit && bytes % unit === 0 && suffix !== 't') return `${bytes / unit}${suffix.toUpperCase()}`;
	}
	return String(bytes);
}
