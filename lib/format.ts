// Formats numbers, names and commands for people.

/** Bytes in the largest unit that leaves a number of at least 1: `3.2 MiB`. */
export function formatBytes(bytes: number): string {
	const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
	let unit = 0;
	let value = bytes;
	// What is rounded to 1024 is 1 of the next unit.
	while (Math.round(value) >= 1024 && unit < units.length - 1) {
		value /= 1024;
		unit++;
	}
	return `${unit > 0 && value < 10 ? value.toFixed(1).replace('.0', '') : Math.round(value)} ${units[unit]}`;
}

/** Bytes as a person reads them, and exactly: `4 KiB (4096 bytes)`. */
export const formatBytesExactly = (bytes: number): string =>
	bytes < 1024 ? `${bytes} bytes` : `${formatBytes(bytes)} (${bytes} bytes)`;

/** `1 file`, `2,000 files`. */
export const formatCounted = (count: number, one: string, many = `${one}s`): string =>
	`${formatCount(count)} ${count === 1 ? one : many}`;

/** 12345.6 as `12,346`. */
export const formatCount = (count: number): string => Math.round(count).toLocaleString('en-US');

/**
 * The characters that a terminal obeys, or that change how a person reads the text around them: controls, line
 * separators, directions of writing.
 */
const obeyed = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;

const codeOf = (character: string, digits: number) => character.charCodeAt(0).toString(16).padStart(digits, '0');

/**
 * A name that is not ours, or a text with such a name in it, changed so that it fits in a line and does nothing to a
 * terminal. Every text for people goes through this.
 *
 * @example shown('red\u001b[31m') // 'red\\x1b[31m'
 */
export function shown(text: string): string {
	return text.replace(obeyed, (found) => (found < '\u0080' ? `\\x${codeOf(found, 2)}` : `\\u${codeOf(found, 4)}`));
}

/**
 * A JSON document in which JSON's escapes replace the same characters. JSON.stringify leaves them as they are, except
 * C0 controls. The layout of the document stays.
 */
export function shownJson(json: string): string {
	return json.replace(obeyed, (found) => (found < ' ' ? found : `\\u${codeOf(found, 4)}`));
}

/** A path for people. Bytes that are not UTF-8 are shown as \xff, which a shell's $'…' takes. */
export function readable(path: Buffer): string {
	const text = path.toString();
	if (Buffer.from(text).equals(path)) return text;
	return path.toString('latin1').replace(/[\x80-\xff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`);
}

/** A command that needs root, as this user has to type it. */
export const asRoot = (command: string): string => `${process.getuid?.() === 0 ? '' : 'sudo '}${command}`;

/** An argument, quoted for a POSIX shell where that is needed. */
export function quoted(argument: string): string {
	return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}
