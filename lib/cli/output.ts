// How the commands about DAX print: colours only on a terminal, lines no wider than the terminal, JSON, and errors of
// the machine.
import { styleText } from 'node:util';
import { type DaxkindRefusal, type SystemError, withoutFix } from '../errors.ts';
import { shown, shownJson } from '../format.ts';
import { flagMessage, isUsageError, troubleStatus } from './usage.ts';

type Style = Parameters<typeof styleText>[0];

/**
 * Text in a colour, if standard output is a terminal that shows colours. NO_COLOR, FORCE_COLOR and the like are obeyed.
 */
export const paint = (style: Style, text: string): string => styleText(style, text, { stream: process.stdout });

/**
 * The width of the terminal in columns, at most 120. 80 where there is no terminal, or where it says 0, as in some
 * containers.
 */
export const width = (): number => Math.min(process.stdout.columns || 80, 120);

/** Marks above or below another character, and characters that show nothing. */
const zeroWidth = /[\p{Mn}\p{Me}\p{Cf}]/gu;
/** What terminals draw two columns wide (Unicode Standard Annex 11, East Asian Width). */
const doubleWidth =
	/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\uff01-\uff60]/gu;

/** The columns that a text takes on a terminal. It is exact enough to align names of any script. */
function columnsOf(text: string): number {
	if (/^[ -~]*$/.test(text)) return text.length;
	const seen = text.replace(zeroWidth, '');
	return [...seen].length + (seen.match(doubleWidth)?.length ?? 0);
}

/** A text with blanks after it, up to the given number of columns. */
export const padded = (text: string, columns: number): string =>
	text + ' '.repeat(Math.max(0, columns - columnsOf(text)));

/** The columns of the widest of the texts. */
export const widest = (texts: readonly string[]): number => Math.max(0, ...texts.map(columnsOf));

/**
 * Breaks text between words into lines of at most so many columns. A word that is longer, such as a path, stays whole.
 */
function broken(text: string, columns: number): string[] {
	const lines: string[] = [];
	let line = '';
	// Each word is taken with the blanks before it, because there may be several.
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
 * @param indent Columns before each line. The caller has printed them before the first line already.
 */
export const wrapped = (text: string, indent: number, columns = width()): string =>
	broken(shown(text), Math.max(columns - indent, 20)).join(`\n${' '.repeat(indent)}`);

/**
 * A text that is one line for programs, so that `head -1` gets all of it. On a terminal it is broken between words, and
 * the later lines are indented. Control characters in it are shown as escapes.
 */
export const sentence = (text: string): string => (process.stdout.isTTY ? wrapped(text, 2) : shown(text));

/** Rows of a name and a value. All values begin in the same column. */
export function aligned(rows: readonly (readonly [name: string, value: string])[], indent = 2): string {
	const named = rows.map(([name, value]) => [shown(name), value] as const);
	const column = indent + widest(named.map(([name]) => name)) + 2;
	return named
		.map(([name, value]) => `${' '.repeat(indent)}${padded(name, column - indent)}${wrapped(value, column)}\n`)
		.join('');
}

/** Commands, or lines of a file, one a line. They are never broken, so that a person can copy them. */
export const commandLines = (commands: readonly string[]): string =>
	commands.map((command) => `    ${shown(command)}\n`).join('');

/** The option of every command that can print JSON. */
export const jsonOption = ['--json', 'print one JSON document (docs/cli.md)'] as const;

/** Fields whose bits have meanings. They are printed as the kernel's headers write them. */
const masks = new Set(['attributes', 'attributesMask']);

/**
 * A value as one JSON document. Unknown values are null, so that every field is always there. 64-bit numbers are
 * strings.
 */
export function toJson(value: unknown): string {
	const replacer = (name: string, field: unknown) => {
		if (field === undefined) return null;
		if (typeof field !== 'bigint') return field;
		return masks.has(name) ? `0x${field.toString(16)}` : `${field}`;
	};
	return `${shownJson(JSON.stringify(value, replacer, 2))}\n`;
}

/** The fields of an error for JSON, without its stack. */
export const errorJson = ({ code, errno, syscall, path, message }: SystemError) => ({
	code,
	errno,
	syscall,
	path,
	message,
});

/**
 * A message about what is wrong, after the name of the command. A message given as one text stays one line, whatever
 * names are in it. Of several lines, all but the first are indented.
 */
export const complaint = (who: string, ...lines: string[]): string => `${who}: ${lines.map(shown).join('\n  ')}\n`;

/** Writes a complaint to standard error. */
export function complain(who: string, ...lines: string[]): void {
	process.stderr.write(complaint(who, ...lines));
}

/** The lines of a message that we have laid out. Some of them may come from another program. */
export const linesOf = (message: string): string[] => message.split(/\n {0,2}/);

/** The message of a failed system call, for standard error. Any other error is a bug of ours, and is thrown on. */
export function machineTrouble(error: unknown): string {
	if (!(error instanceof Error && 'syscall' in error)) throw error;
	return (error as SystemError).message;
}

/** The lines for an error of the machine or a refusal, for standard error: the finding, then what fixes it. */
function refusalLines(error: unknown): string[] {
	const { code = '', message, remedy } = error as Partial<DaxkindRefusal> & Error;
	const said = code.startsWith('ERR_DAXKIND_') ? message : machineTrouble(error);
	const finding = withoutFix(said, remedy);
	return finding === said ? [said] : [finding, `Fix: ${remedy}`];
}

/**
 * Prints what is wrong. For a wrong option it uses the words of the command line. Otherwise it prints what prevented
 * the work, and what fixes that in a line of its own.
 *
 * @param adapted Puts a line about the library's own options into the words of the command line.
 * @returns Whether it is wrong usage.
 */
export function complainOf(who: string, error: unknown, adapted = (line: string) => line): boolean {
	const isUsage = isUsageError(error);
	complain(who, ...(isUsage ? [flagMessage(error)] : refusalLines(error).map(adapted)));
	return isUsage;
}

/**
 * Runs the body of a command that answers a question, and sets the exit status: 0 for yes, 1 for no. It is 2 if the
 * answer is not known (undefined), or if a system call failed.
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

/** Text for the help of commands that answer a question. */
export const questionStatus = `
Exit status: 0 if it is on DAX, 1 if it is not, 2 for wrong usage and if the
  answer is not known (no such path…).`;
