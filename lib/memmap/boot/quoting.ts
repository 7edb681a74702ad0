// The quoting of kernel arguments: who reads a place decides what has to be escaped there. Words are as requireArgument() lets them through.
import { quoted } from '../../format.ts';
import { joined } from './argument.ts';

/** GRUB's own language: an unescaped $ begins a variable, also of a number as in $4 (GNU GRUB manual, "Shell-like scripting"). */
export const forGrub = (text: string) => text.replaceAll('$', '\\$');

/** Between double quotes of a POSIX shell that reads a file, where ! has no meaning. */
const inDoubleQuotes = (text: string) => text.replaceAll(/[\\$]/g, '\\$&');

/** An assignment for /etc/default/grub and its drop-ins: a shell reads it, then GRUB what the shell made of it. */
export const grubDefaultLine = (words: readonly string[]): string =>
	`GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX ${inDoubleQuotes(forGrub(words.join(' ')))}"`;

/** Whether GRUB can read it from an entry of the Boot Loader Specification: it takes every $ there for a variable, also an escaped one. */
export const fitsGrubEntry = (words: readonly string[]): boolean => !words.some((word) => word.includes('$'));

/**
 * grubby takes away every memmap= that is there before it adds one, and old versions all but the last that they add: so it gets one with
 * all ranges.
 */
export const grubbyCommand = (words: readonly string[]): string =>
	`grubby --update-kernel=ALL --args=${quoted(joined(words).join(' '))}`;
