// The kernel arguments that daxkind gives to boot loaders: memmap= with ranges that it takes away from the kernel, and
// nokaslr.

import { overlap, sizeOf } from '../../byte-ranges.ts';
import { invalidArgType, invalidArgValue } from '../../errors.ts';
import { type MemmapEntry, parseMemmapEntry } from '../boot-arguments.ts';

/** A number and its unit. It has no leading 0, which would make it octal. */
const number = String.raw`(?:0x[\da-f]+|[1-9]\d*)[kmgtpe]?`;
const strictPattern = new RegExp(`^${number}[!$]${number}$`, 'i');

/**
 * Whether daxkind writes ranges like this one: with `!`, which makes it persistent memory, or `$`, which keeps it out
 * of use.
 */
const isStrict = (range: string): boolean => strictPattern.test(range) && sizeOf(parseMemmapEntry(range)) > 0;

const prefix = 'memmap=';
const withoutKaslr = 'nokaslr';

/** Whether a word of a kernel's command line is one of the arguments that daxkind writes, whatever its value is. */
export const isMemmapWord = (word: string): boolean => word.startsWith(prefix) || word === withoutKaslr;

/** The ranges in a word, as they are written. Empty for another argument. */
const rangesIn = (word: string): string[] => (word.startsWith(prefix) ? word.slice(prefix.length).split(',') : []);

/**
 * The ranges in words that somebody else may have written, as the kernel reads them. What is not a range is left out.
 */
const entriesIn = (words: readonly string[]): MemmapEntry[] =>
	words
		.flatMap(rangesIn)
		.map(parseMemmapEntry)
		.filter((entry) => sizeOf(entry) > 0);

const isSame = (one: MemmapEntry, other: MemmapEntry) =>
	one.kind === other.kind && one.start === other.start && one.end === other.end;

/**
 * The words, without what `there` says already. `there` may write the same range in another way, as `4096M` for `4G`,
 * or in a list with others.
 */
export function missingFrom(words: readonly string[], there: readonly string[]): string[] {
	const known = entriesIn(there);
	const isMissing = (range: string) =>
		!entriesIn([`${prefix}${range}`]).some((entry) => known.some((other) => isSame(entry, other)));
	return words.flatMap((word) => {
		if (!word.startsWith(prefix)) return there.includes(word) ? [] : [word];
		const ranges = rangesIn(word).filter(isMissing);
		return ranges.length === 0 ? [] : [`${prefix}${ranges.join(',')}`];
	});
}

/** Whether a range in the words overlaps a range of the others, and is not the same. */
export function contradicts(words: readonly string[], others: readonly string[]): boolean {
	const known = entriesIn(others);
	return entriesIn(words).some((entry) => known.some((other) => overlap(entry, other) && !isSame(entry, other)));
}

/** The same words with one memmap= that lists all ranges, each once. */
export function joined(words: readonly string[]): string[] {
	const ranges = [...new Set(words.flatMap(rangesIn))];
	const rest = [...new Set(words.filter((word) => !word.startsWith(prefix)))];
	return [...(ranges.length === 0 ? [] : [`${prefix}${ranges.join(',')}`]), ...rest];
}

const expected =
	'memmap=SIZE!START or memmap=SIZE$START, or several of them separated by commas or blanks, with or without nokaslr';

/**
 * The words of an argument that a caller passes. They can have nothing in them but letters, digits, `=`, `!`, `$`,
 * commas and blanks. The quoting for every place relies on that.
 *
 * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE.
 */
export function requireArgument(value: unknown): string[] {
	if (typeof value !== 'string') throw invalidArgType('argument', 'of type string', value);
	const words = value.split(' ').filter((word) => word !== '');
	const isKnown = (word: string) =>
		word === withoutKaslr || (word.startsWith(prefix) && rangesIn(word).every(isStrict));
	const hasRange = words.some((word) => word.startsWith(prefix));
	if (!hasRange || !words.every(isKnown)) throw invalidArgValue('argument', expected, value);
	return words;
}
