// Checks the arguments of public functions. Each check returns the value in the type that the code needs, or throws one
// of Node's ERR_* errors, which names the argument.
import { fileURLToPath } from 'node:url';
import { invalidArgType, invalidArgValue, type Named, outOfRange, unknownOption } from './errors.ts';

/** A path, as public functions take it: a string, or a file: URL. */
export function requirePath(name: string, value: unknown): string {
	const path = value instanceof URL ? fileURLToPath(value) : value;
	if (typeof path !== 'string') throw invalidArgType(name, 'of type string or an instance of URL', value);
	if (path.includes('\0')) throw invalidArgValue(name, 'a string without null bytes', path);
	return path;
}

/** An integer from `least` to `most`. */
export function requireInteger(name: string, value: unknown, least = 0, most = Number.MAX_SAFE_INTEGER): number {
	if (typeof value !== 'number') throw invalidArgType(name, 'of type number', value);
	if (!Number.isInteger(value)) throw outOfRange(name, 'an integer', value);
	if (value < least || value > most) throw outOfRange(name, `>= ${least} && <= ${most}`, value);
	return value;
}

/** A size in bytes, from `least` on. Sizes with units are for the command line only. */
export function requireSize(name: string, value: unknown, least: number): number {
	if (typeof value === 'string') {
		throw invalidArgType(name, 'of type number, in bytes (64 * 2 ** 20 is 64 MiB)', value);
	}
	return requireInteger(name, value, least);
}

/** A boolean. */
export function requireBoolean(name: string, value: unknown): boolean {
	if (typeof value !== 'boolean') throw invalidArgType(name, 'of type boolean', value);
	return value;
}

/** One of these words. */
export function requireOneOf<T extends string>(name: string, value: unknown, known: readonly T[]): T {
	if (typeof value !== 'string') throw invalidArgType(name, 'of type string', value);
	const found = known.find((one) => one === value);
	if (found === undefined) throw invalidArgValue(name, `one of ${known.map((one) => `'${one}'`).join(', ')}`, value);
	return found;
}

export function requireFunction(name: string, value: unknown): void {
	if (typeof value !== 'function') throw invalidArgType(name, 'of type function', value);
}

/** What `for … of` takes. `expected` says it to the caller. */
export function requireIterable<T>(name: string, value: Iterable<T>, expected = 'an iterable'): Iterable<T> {
	if (typeof value?.[Symbol.iterator] !== 'function') throw invalidArgType(name, expected, value);
	return value;
}

/** A function, or nothing. */
export function requireCallback(name: string, value: unknown): void {
	if (value !== undefined) requireFunction(name, value);
}

/**
 * How many letters have to be added, removed or changed to turn one name into the other (Levenshtein). Case does not
 * count.
 */
function distanceOf(one: string, other: string): number {
	const [from, to] = [one.toLowerCase(), other.toLowerCase()];
	let distances = Array.from({ length: to.length + 1 }, (_, column) => column);
	for (let row = 1; row <= from.length; row += 1) {
		const above = distances;
		distances = [row];
		for (let column = 1; column <= to.length; column += 1) {
			const changed = above[column - 1]! + (from[row - 1] === to[column - 1] ? 0 : 1);
			distances.push(Math.min(changed, above[column]! + 1, distances[column - 1]! + 1));
		}
	}
	return distances[to.length]!;
}

/** The end of a message: which option the caller may have meant. */
function hintFor(option: string, known: readonly string[], named: Named): string {
	const [nearest] = known
		.map((name) => ({ name, distance: distanceOf(option, name) }))
		.sort((one, other) => one.distance - other.distance);
	// With more edits than these, any short word would be near any other.
	if (nearest && nearest.distance <= Math.ceil(nearest.name.length / 3)) return `Did you mean '${nearest.name}'?`;
	return `The ${named}s are ${known.map((name) => `'${name}'`).join(', ')}`;
}

/**
 * Refuses an unknown own property, because a misspelt option would silently do nothing. It reads no option's value, so
 * it calls no getter. It ignores symbols and inherited properties.
 */
function requireKnownOptions(name: string, options: object, known: readonly string[], named: Named): void {
	const unknown = Object.keys(options).find((option) => !known.includes(option));
	if (unknown !== undefined) throw unknownOption(`${name}.${unknown}`, hintFor(unknown, known, named), named);
}

/**
 * An object with options, or nothing.
 *
 * @param known The names of the options. Without it, the caller has checked them already.
 * @param named What they are to the caller.
 */
export function requireOptions<T extends object>(
	name: string,
	value: T | undefined,
	known?: readonly string[],
	named: Named = 'option',
): Partial<T> {
	if (value === undefined) return {};
	if (typeof value !== 'object' || value === null) throw invalidArgType(name, 'of type object', value);
	if (known !== undefined) requireKnownOptions(name, value, known, named);
	return value;
}
