// What the commands about DAX print with: colours on a terminal only, lines no wider than it, JSON, and errors of the machine.
import { styleText } from 'node:util';
import { type DaxkindRefusal, type SystemError, withoutFix } from '../errors.ts';
import { shown, shownJson } from '../format.ts';
import { flagMessage, isUsageError, troubleStatus } from './usage.ts';

type Style = Parameters<typeof styleText>[0];

/** Text in a colour, if standard output is a terminal that shows colours (NO_COLOR, FORCE_COLOR and the like have their say). */
export const paint = (style: Style, text: string): string => styleText(style, text, { stream: process.stdout });

/** Columns of the terminal; elsewhere, and where a terminal says 0 as that of a container may, the usual width of one. */
export const width = (): number => Math.min(process.stdout.columns || 80, 120);

/** Marks that stand above or below another character, and what shows nothing. */
const zeroWidth = /[\p{Mn}\p{Me}\p{Cf}]/gu;
/** What terminals draw two columns wide (Unicode Standard Annex 11, East Asian Width). */
const doubleWidth =
	/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\uff01-\uff60]/gu;

/** Columns that a text takes on a terminal, near enough to align names of any script. */
function columnsOf(text: string): number {
	if (/^[ -~]*$/.test(text)) return text.length;
	const seen = text.replace(zeroWidth, '');
	return [...seen].length + (seen.match(doubleWidth)?.length ?? 0);
}

/** A text with blanks behind it, up to that many columns. */
export const padded = (text: string, columns: number): string =>
	text + ' '.repeat(Math.max(0, columns - columnsOf(text)));

/** The most columns that one of the texts takes. */
export const widest = (texts: readonly string[]): number => Math.max(0, ...texts.map(columnsOf));

/** Breaks text between words into lines of at most so many columns; a longer word, as a path may be, stays whole. */
function broken(text: string, columns: number): string[] {
	const lines: string[] = [];
	let line = '';
	// A word with the blanks before it, of which there may be several.
	for (const word of text.match(/\s*\S+/g) ?? []) {
		if (line !== '' && columnsOf(line + word) > columns) {
			lines.push(line);
			line = word.trimStart();
		} else line += word;
	}
	return [...lines, line];
}

/**
 * Breaks text into lines that fit beside an indent. Control characters in it are shown as escapes.
 *
 * @param indent Columns before each line but the first, which has as many before it already.
 */
export const wrapped = (text: string, indent: number, columns = width()): string =>
	broken(shown(text), Math.max(columns - indent, 20)).join(`\n${' '.repeat(indent)}`);

/**
 * A text that is one line for programs, so that `head -1` has all of it; on a terminal it is broken between words, and goes on below
 * itself. Control characters in it are shown as escapes.
 */
export const sentence = (text: string): string => (process.stdout.isTTY ? wrapped(text, 2) : shown(text));

/** Rows of a name and a value, the values below one another. */
export function aligned(rows: readonly (readonly [name: string, value: string])[], indent = 2): string {
	const named = rows.map(([name, value]) => [shown(name), value] as const);
	const column = indent + widest(named.map(([name]) => name)) + 2;
	return named
		.map(([name, value]) => `${' '.repeat(indent)}${padded(name, column - indent)}${wrapped(value, column)}\n`)
		.join('');
}

/** Commands, or lines of a file, each in a line of its own that can be copied: they are not broken, whatever the width. */
export const commandLines = (commands: readonly string[]): string =>
	commands.map((command) => `    ${shown(command)}\n`).join('');

/** Masks, whose bits mean something, as the kernel's headers write them. */
const masks = new Set(['attributes', 'attributesMask']);

/** A value as one JSON document. What is not known is null, so that each field is always there; 64-bit numbers are strings. */
export function toJson(value: unknown): string {
	const replacer = (name: string, field: unknown) => {
		if (field === undefined) return null;
		if (typeof field !== 'bigint') return field;
		return masks.has(name) ? `0x${field.toString(16)}` : `${field}`;
	};
	return `${shownJson(JSON.stringify(value, replacer, 2))}\n`;
}

/**
 * What is wrong, after who says so. It is one line, whatever names are in it, unless it is given as several: then those after the first
 * are indented.
 */
export const complaint = (who: string, ...lines: string[]): string => `${who}: ${lines.map(shown).join('\n  ')}\n`;

/** Writes a complaint to standard error. */
export function complain(who: string, ...lines: string[]): void {
	process.stderr.write(complaint(who, ...lines));
}

/** The lines of a message that we have laid out, some of which may be what another program said. */
export const linesOf = (message: string): string[] => message.split(/\n {0,2}/);

/** The message of a failed system call, for standard error; anything else is a fault of ours and is thrown on. */
export function machineTrouble(error: unknown): string {
	if (!(error instanceof Error && 'syscall' in error)) throw error;
	return (error as SystemError).message;
}

/** What an error of the machine, or a refusal, says, for standard error: the finding, and what fixes it in a line of its own. */
function refusalLines(error: unknown): string[] {
	const { code = '', message, remedy } = error as Partial<DaxkindRefusal> & Error;
	const said = code.startsWith('ERR_DAXKIND_') ? message : machineTrouble(error);
	const finding = withoutFix(said, remedy);
	return finding === said ? [said] : [finding, `Fix: ${remedy}`];
}

/**
 * Says what is wrong: an option, in the words of the command line; or what stood in the way, and what fixes it in a line of its own.
 *
 * @param adapted What the library says of its own options, in the words of the command line.
 * @returns Whether it is wrong usage.
 */
export function complainOf(who: string, error: unknown, adapted = (line: string) => line): boolean {
	const isUsage = isUsageError(error);
	complain(who, ...(isUsage ? [flagMessage(error)] : refusalLines(error).map(adapted)));
	return isUsage;
}

/**
 * Runs the body of a command that answers a question, with its exit status: 0 for yes, 1 for no, 2 where it could not be asked, or the
 * answer, undefined, is that it is not known.
 */
export function answer(command: string, body: () => boolean | undefined): void {
	try {
		const is = body();
		process.exitCode = is === undefined ? troubleStatus : is ? 0 : 1;
	} catch (error) {
		process.exitCode = troubleStatus;
		complain(`daxkind ${command}`, machineTrouble(error));
	}
}

/** Exit statuses of commands that answer a question, for their help. */
export const questionStatus = `
Exit status: 0 if it is on DAX, 1 if it is not, 2 for wrong usage and where the
  answer cannot be found out (no such path…).`;
