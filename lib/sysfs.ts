// What the text of an attribute of sysfs means. An attribute that is not there, or that this user may not read, is
// undefined, because kernels differ in what they show. tree.ts reads them.
import { readFileSync } from 'node:fs';
import { attempt } from './attempt.ts';

/** The text of an attribute without the end of the line. */
export function readAttribute(path: string): string | undefined {
	return attempt(() => readFileSync(path, 'utf8').trim()).value;
}

/**
 * The number in an attribute's text, decimal or 0x. undefined for any other text, and for a number that JavaScript
 * cannot hold exactly.
 */
export function parseNumber(text: string | undefined): number | undefined {
	if (text === undefined || !/^-?(?:\d+|0x[\da-f]+)$/i.test(text)) return undefined;
	const value = text.startsWith('-') ? -Number(text.slice(1)) : Number(text);
	return Number.isSafeInteger(value) ? value : undefined;
}

/** The major and minor number in a device number of stat: st_rdev or st_dev (gnu_dev_major(3)). */
export function deviceNumbers(device: number): { major: number; minor: number } {
	const number = BigInt(device);
	return {
		major: Number(((number >> 8n) & 0xfffn) | ((number >> 32n) & 0xfffff000n)),
		minor: Number((number & 0xffn) | ((number >> 12n) & 0xffffff00n)),
	};
}

/** What an attribute says that is 0 or 1. undefined for any other text. */
export const parseSwitch = (text: string | undefined): boolean | undefined =>
	text === '1' ? true : text === '0' ? false : undefined;
