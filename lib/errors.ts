// The errors that daxkind throws. They have the shape of Node's own: a failed system call has errno, code, syscall and
// path; misuse has one of Node's ERR_* codes; a code of daxkind's own begins with ERR_DAXKIND_.
import { getSystemErrorMap } from 'node:util';

/** A failed system call, with the same own enumerable properties as the errors of `node:fs`. */
export interface SystemError extends Error {
	/** Negative, as in libuv and Node: -2 for ENOENT. */
	errno: number;
	/** The name of the error: `ENOENT`, `ENOSPC`… Linux's EOPNOTSUPP is `ENOTSUP`, as everywhere in Node. */
	code: string;
	/** The system call that failed: `open`, `mmap`, `fallocate`, `ioctl`… */
	syscall: string;
	/** The path that was passed to the call, where there is one. */
	path?: string;
}

// libuv's words for these are wrong here ("operation not supported on socket"), or it has none.
const ownWords: ReadonlyMap<number, [code: string, message: string]> = new Map([
	[-95, ['ENOTSUP', 'operation not supported']],
	[-117, ['EUCLEAN', 'structure needs cleaning']],
	[-122, ['EDQUOT', 'disk quota exceeded']],
	[-126, ['ENOKEY', 'required key not available']],
	[-133, ['EHWPOISON', 'memory page has hardware error']],
]);

/** Calls that no kernel refuses with EPERM for a file that this process could open for writing. A sandbox does. */
const rarelyForbidden: ReadonlySet<string> = new Set([
	'statfs',
	'fstatfs',
	'madvise',
	'mmap',
	'msync',
	'ftruncate',
	'fallocate',
]);

/** An addition to the message, if the call itself was refused. */
function refusedCall(code: string, syscall: string): string {
	return code === 'ENOSYS' || (code === 'EPERM' && rarelyForbidden.has(syscall))
		? '; a sandbox may refuse this call, for example the seccomp profile of a container runtime'
		: '';
}

/**
 * Makes the error for a failed system call.
 *
 * @param errno Negative errno, as the native layer returns it.
 * @param syscall Name of the call that failed.
 * @param path The path that was passed to it, where there is one.
 * @param hint What went wrong and what to do next, in our words. It replaces libuv's text.
 */
export function systemError(errno: number, syscall: string, path?: string, hint?: string): SystemError {
	const [code, words] = ownWords.get(errno) ?? getSystemErrorMap().get(errno) ?? [`E${-errno}`, `errno ${-errno}`];
	const where = path === undefined ? '' : ` '${path}'`;
	const error = new Error(`${code}: ${hint ?? words + refusedCall(code, syscall)}, ${syscall}${where}`) as SystemError;
	error.errno = errno;
	error.code = code;
	error.syscall = syscall;
	if (path !== undefined) error.path = path;
	return error;
}

/** Joins a finding, without its full stop, and what fixes it. Every message that has a remedy ends with it. */
export const withFix = (finding: string, remedy: string | undefined): string =>
	remedy === undefined ? `${finding}.` : `${finding}. Fix: ${remedy}`;

/** The finding of such a message, without its remedy. */
export function withoutFix(message: string, remedy: string | undefined): string {
	const fix = ` Fix: ${remedy}`;
	return remedy !== undefined && message.endsWith(fix) ? message.slice(0, -fix.length) : message;
}

/**
 * The error for a failed system call, where it is known what fixes it.
 *
 * @param finding What went wrong, in our words.
 * @param remedy What fixes it. The message ends with it.
 */
export function systemRefusal(
	errno: number,
	syscall: string,
	path: string,
	finding: string,
	remedy: string,
): SystemError & { remedy: string } {
	const error = systemError(errno, syscall, path, finding);
	error.message = withFix(error.message, remedy);
	return Object.assign(error, { remedy });
}

function coded<E extends Error>(error: E, code: string): E & { code: string } {
	// As in Node, the code is in the first line of the stack, but not in the name.
	const { name } = error;
	error.name = `${name} [${code}]`;
	void error.stack;
	Object.defineProperty(error, 'name', { value: name, enumerable: false, configurable: true, writable: true });
	return Object.assign(error, { code });
}

/** A short description of a value for an error message, as Node words it. */
function received(value: unknown): string {
	if (value === null || value === undefined) return `${value}`;
	if (typeof value === 'function') return `function ${value.name}`;
	if (typeof value === 'object') {
		const name = value.constructor?.name;
		return name ? `an instance of ${name}` : 'an object';
	}
	const shown = typeof value === 'string' ? `'${value.slice(0, 28)}${value.length > 28 ? '…' : ''}'` : String(value);
	return `type ${typeof value} (${shown}${typeof value === 'bigint' ? 'n' : ''})`;
}

/** TypeError ERR_INVALID_ARG_TYPE: an argument or option has the wrong type. */
export function invalidArgType(name: string, expected: string, value: unknown): TypeError & { code: string } {
	const what = name.includes('.') ? 'property' : 'argument';
	return coded(
		new TypeError(`The "${name}" ${what} must be ${expected}. Received ${received(value)}`),
		'ERR_INVALID_ARG_TYPE',
	);
}

/** RangeError ERR_OUT_OF_RANGE: a number is outside what the call takes. */
export function outOfRange(name: string, expected: string, value: unknown): RangeError & { code: string } {
	const shown = typeof value === 'string' ? `'${value}'` : String(value);
	return coded(
		new RangeError(`The value of "${name}" is out of range. It must be ${expected}. Received ${shown}`),
		'ERR_OUT_OF_RANGE',
	);
}

/** TypeError ERR_INVALID_ARG_VALUE: the right type, but not one of the values the call knows. */
export function invalidArgValue(name: string, expected: string, value: unknown): TypeError & { code: string } {
	const what = name.includes('.') ? 'property' : 'argument';
	const shown = typeof value === 'string' ? `'${value}'` : String(value);
	return coded(new TypeError(`The ${what} '${name}' must be ${expected}. Received ${shown}`), 'ERR_INVALID_ARG_VALUE');
}

/** What a caller names in an object. */
export type Named = 'option' | 'field';

/**
 * TypeError ERR_INVALID_ARG_VALUE: an option that the call does not know. `hint` says what the caller may have meant.
 */
export function unknownOption(name: string, hint: string, named: Named = 'option'): TypeError & { code: string } {
	const expected = named === 'option' ? 'an option' : 'a field';
	return coded(new TypeError(`The property '${name}' is not ${expected}. ${hint}`), 'ERR_INVALID_ARG_VALUE');
}

/** TypeError ERR_ILLEGAL_CONSTRUCTOR: `maker` makes the objects of the class. */
export function illegalConstructor(maker: string): TypeError & { code: string } {
	return coded(new TypeError(`Illegal constructor. Use ${maker}`), 'ERR_ILLEGAL_CONSTRUCTOR');
}

/** TypeError ERR_INVALID_THIS: a method or getter was called on something that is not an object of its class. */
export function invalidThis(expected: string): TypeError & { code: string } {
	return coded(new TypeError(`Value of "this" must be of type ${expected}`), 'ERR_INVALID_THIS');
}

/** Error ERR_INVALID_STATE: the object is closed, or not yet where the call needs it to be. */
export function invalidState(message: string): Error & { code: string } {
	return coded(new Error(`Invalid state: ${message}`), 'ERR_INVALID_STATE');
}

/** An error with a code of daxkind's own, which begins with ERR_DAXKIND_. */
export function daxkindError(code: `ERR_DAXKIND_${string}`, message: string): Error & { code: string } {
	return coded(new Error(message), code);
}

/** An error that says what prevents the call, which file or device it concerns, and what to do next. */
export interface DaxkindRefusal extends Error {
	/** ERR_DAXKIND_… */
	code: string;
	/** The file or the name of the device that it concerns. */
	path: string;
	/** What fixes it, often a command. undefined if no fix is known. The message ends with it. */
	remedy: string | undefined;
}

/** @param finding A sentence without its full stop. */
export function refusal(code: `ERR_DAXKIND_${string}`, path: string, finding: string, remedy?: string): DaxkindRefusal {
	const error = daxkindError(code, withFix(finding, remedy));
	return Object.assign(error, { path, remedy });
}

/** ERR_DAXKIND_NO_SYSFS. */
export function noSysfs(path: string, finding: string): DaxkindRefusal {
	const remedy = 'mount sysfs at /sys; in a container, give it the sysfs of the host';
	return refusal('ERR_DAXKIND_NO_SYSFS', path, finding, remedy);
}
