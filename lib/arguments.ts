// Checks of what a caller passes to a public function: each returns the value in the type the code needs, or throws one of Node's
// ERR_* errors that names the argument.
import { fileURLToPath } from 'node:url';
import { invalidArgType, invalidArgValue, outOfRange } from './errors.ts';

/** A path as a public function takes it: a string, or a file: URL. */
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

/** A boolean. */
export function requireBoolean(name: string, value: unknown): boolean {
	if (typeof value !== 'boolean') throw invalidArgType(name, 'of type boolean', value);
	return value;
}

/** An object with options, or nothing. */
export function requireOptions<T extends object>(name: string, value: T | undefined): Partial<T> {
	if (value === undefined) return {};
	if (typeof value !== 'object' || value === null) throw invalidArgType(name, 'of type object', value);
	return value;
}
