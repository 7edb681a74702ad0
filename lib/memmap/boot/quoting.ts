// The quoting of kernel arguments. The readers of a place decide what has to be escaped there. Words are as
// requireArgument() allows them.
import { quoted } from '../../format.ts';
import { joined } from './argument.ts';

/**
 * GRUB's own language: an unescaped $ begins a variable, and a number can be one, as in $4 (GNU GRUB manual,
 * "Shell-like scripting").
 */
export const forGrub = (text: string) => text.replaceAll('$', '\\$');

/** Text between double quotes of a POSIX shell that reads a file, where ! has no meaning. */
const inDoubleQuotes = (text: string) => text.replaceAll(/[\\$]/g, '\\$&');

/**
 * An assignment for /etc/default/grub and its drop-ins. A shell reads it, and then GRUB reads what the shell made of
 * it.
 */
export const grubDefaultLine = (words: readonly string[]): string =>
	`GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX ${inDoubleQuotes(forGrub(words.join(' ')))}"`;

/**
 * Whether GRUB can read these words from an entry of the Boot Loader Specification. GRUB takes every $ there for a
 * variable, even an escaped one.
 */
export const fitsGrubEntry = (words: readonly string[]): boolean => !words.some((word) => word.includes('$'));

/**
 * The command of grubby. grubby removes every memmap= that is there before it adds one, and old versions keep only the
 * last one that they add. So it gets one memmap= with all ranges.
 */
export const grubbyCommand = (words: readonly string[]): string =>
	`grubby --update-kernel=ALL --args=${quoted(joined(words).join(' '))}`;
