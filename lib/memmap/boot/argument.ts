// The kernel arguments that boot loaders are given here: memmap= with ranges that it takes away from the kernel, and nokaslr.
import { invalidArgType, invalidArgValue } from '../../errors.ts';

/** One range of a memmap= argument (Documentation/admin-guide/kernel-parameters.txt). */
interface MemmapEntry {
	/** `!` makes the range persistent memory, `$` keeps it out of use. */
	sort: string;
	/** Bytes. */
	start: number;
	/** Bytes. */
	size: number;
}

/** The kernel's memparse() takes decimal and hexadecimal numbers with a unit; with a leading 0 they would be octal. */
const number = String.raw`(0x[\da-f]+|[1-9]\d*)([KMGTPE]?)`;
const entryPattern = new RegExp(`^${number}([!$])${number}$`, 'i');
const unitNames = ['', 'K', 'M', 'G', 'T', 'P', 'E'];

const bytesOf = (digits: string, unit: string) => Number(digits) * 1024 ** unitNames.indexOf(unit.toUpperCase());

function parseEntry(text: string): MemmapEntry | undefined {
	const [, size, sizeUnit, sort, start, startUnit] = entryPattern.exec(text) ?? [];
	if (size === undefined) return undefined;
	return { sort: sort!, start: bytesOf(start!, startUnit!), size: bytesOf(size, sizeUnit!) };
}

const prefix = 'memmap=';
const withoutKaslr = 'nokaslr';

/** Whether a word of a kernel's command line is one of the arguments that are written here, whatever it says. */
export const isMemmapWord = (word: string): boolean => word.startsWith(prefix) || word === withoutKaslr;

/** The ranges in a word, as they are written; none for another argument. */
const rangesIn = (word: string): string[] => (word.startsWith(prefix) ? word.slice(prefix.length).split(',') : []);

/** The ranges in words that somebody else may have written; what is no range of these sorts is left out. */
const entriesIn = (words: readonly string[]): MemmapEntry[] =>
	words.flatMap(rangesIn).flatMap((range) => parseEntry(range) ?? []);

const isSame = (one: MemmapEntry, other: MemmapEntry) =>
	one.sort === other.sort && one.start === other.start && one.size === other.size;

const isOverlap = (one: MemmapEntry, other: MemmapEntry) =>
	one.start < other.start + other.size && other.start < one.start + one.size;

/**
 * The words, without what `there` says already: the same range may be written otherwise there, `4096M` for `4G`, or in a list with others.
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

/** Whether words have a range that has a part in common with a range of the others, and is not the same. */
export function contradicts(words: readonly string[], others: readonly string[]): boolean {
	const known = entriesIn(others);
	return entriesIn(words).some((entry) => known.some((other) => isOverlap(entry, other) && !isSame(entry, other)));
}

/** The same with one memmap= that lists all ranges, each once. */
export function joined(words: readonly string[]): string[] {
	const ranges = [...new Set(words.flatMap(rangesIn))];
	const rest = [...new Set(words.filter((word) => !word.startsWith(prefix)))];
	return [...(ranges.length === 0 ? [] : [`${prefix}${ranges.join(',')}`]), ...rest];
}

const expected =
	'memmap=SIZE!START or memmap=SIZE$START, several of them with commas or blanks between, and nokaslr if wanted';

/**
 * The words of an argument that a caller passes. Nothing but letters, digits, `=`, `!`, `$`, commas and blanks can be in them, on which the
 * quoting of every place relies.
 *
 * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE.
 */
export function requireArgument(value: unknown): string[] {
	if (typeof value !== 'string') throw invalidArgType('argument', 'of type string', value);
	const words = value.split(' ').filter((word) => word !== '');
	const isKnown = (word: string) =>
		word === withoutKaslr || (word.startsWith(prefix) && rangesIn(word).every((range) => parseEntry(range)));
	const hasRange = words.some((word) => word.startsWith(prefix));
	if (!hasRange || !words.every(isKnown)) throw invalidArgValue('argument', expected, value);
	return words;
}
