// Finds the kernel's command line in a text: in a log, in /proc/cmdline that was pasted, or in the configuration of
// GRUB.

/** What mail, Markdown and comments put before a line. */
const quoting = /^[\s>#|*`]*/;

/** A log has the line early, and once more later, with what was added to it. Only the early one has a capital C. */
const logged = [/\bKernel command line: (.*)/, /\bCommand line: (.*)/];

const grub = /\bGRUB_CMDLINE_LINUX(?:_\w+)?\+?=(["']?)(.*)/;

/** Whether a line continues the arguments of the line above: each word could be an argument, and some have a value. */
function isContinuation(line: string): boolean {
	const words = line.split(/\s+/).filter((word) => word !== '');
	return (
		!line.startsWith('GRUB_') &&
		words.some((word) => /^[\w.]+=/.test(word)) &&
		words.every((word) => /^[\w.-]+(?:$|=)/.test(word))
	);
}

/** The arguments, from the line on which they begin. */
function withContinuations(first: string, rest: readonly string[]): string {
	const end = rest.findIndex((line) => !isContinuation(line));
	return [first, ...(end === -1 ? rest : rest.slice(0, end))].join(' ').trim();
}

function findLogged(lines: readonly string[]): string | undefined {
	for (const pattern of logged) {
		const at = lines.findLastIndex((line) => pattern.test(line));
		if (at !== -1) return withContinuations(pattern.exec(lines[at]!)![1]!, lines.slice(at + 1));
	}
	// /proc/cmdline has no name before it. It is recognised by an argument that nearly every kernel has, and because
	// nothing else is in its line.
	const at = lines.findLastIndex((line) => /\b(?:BOOT_IMAGE|root|console)=/.test(line) && isContinuation(line));
	return at === -1 ? undefined : withContinuations(lines[at]!, lines.slice(at + 1));
}

/**
 * The value of GRUB's variables. A $ has backslashes before it there, for the shell and for GRUB. The kernel does not
 * see them.
 */
function findGrub(lines: readonly string[]): string | undefined {
	const values = lines.flatMap((line, at) => {
		const [, quote = '', value] = grub.exec(line) ?? [];
		if (value === undefined) return [];
		// A quoted value that ends on its line has no further lines.
		const isWhole = quote !== '' && value.includes(quote);
		const text = isWhole ? value.slice(0, value.indexOf(quote)) : withContinuations(value, lines.slice(at + 1));
		return [text.replaceAll(/["']/g, '').replaceAll(/\\+\$/g, '$')];
	});
	return values.length === 0 ? undefined : values.join(' ');
}

/**
 * The command line that a text shows. Undefined where it shows none.
 *
 * @param boot The lines of the boot whose table is used. Its own command line counts.
 * @param all All lines. The configuration of GRUB counts where the log has no command line.
 */
export function findCommandLine(boot: readonly string[], all: readonly string[]): string | undefined {
	const plain = (lines: readonly string[]) => lines.map((line) => line.replace(quoting, ''));
	return findLogged(plain(boot)) ?? findGrub(plain(all));
}
