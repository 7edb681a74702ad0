// Reads attributes of sysfs. What is not there, or not for this user, is undefined: kernels differ in what they show.
import { readdirSync, readFileSync, realpathSync } from 'node:fs';
import { attempt } from './attempt.ts';

/** An attribute's text without the line's end. */
export function readAttribute(path: string): string | undefined {
	return attempt(() => readFileSync(path, 'utf8').trim()).value;
}

/** The number that an attribute's text is, decimal or 0x; undefined for anything else, and for what no number holds exactly. */
export function parseNumber(text: string | undefined): number | undefined {
	if (text === undefined || !/^-?(?:\d+|0x[\da-f]+)$/i.test(text)) return undefined;
	const value = text.startsWith('-') ? -Number(text.slice(1)) : Number(text);
	return Number.isSafeInteger(value) ? value : undefined;
}

/** The numbers of a device, as stat's st_rdev and st_dev have them (gnu_dev_major(3)). */
export function deviceNumbers(device: number): { major: number; minor: number } {
	const number = BigInt(device);
	return {
		major: Number(((number >> 8n) & 0xfffn) | ((number >> 32n) & 0xfffff000n)),
		minor: Number((number & 0xffn) | ((number >> 12n) & 0xffffff00n)),
	};
}

/** An attribute that is a number, decimal or 0x. */
export const readNumber = (path: string): number | undefined => parseNumber(readAttribute(path));

/** An attribute that is 0 or 1. */
export function readSwitch(path: string): boolean | undefined {
	const text = readAttribute(path);
	return text === '1' ? true : text === '0' ? false : undefined;
}

/** Where a link leads, all links resolved. */
export function resolveLink(path: string): string | undefined {
	return attempt(() => realpathSync.native(path)).value;
}

/** What is in a directory. */
export function listDirectory(path: string): string[] {
	return attempt(() => readdirSync(path)).value ?? [];
}
