// Finds the memmap= and nokaslr arguments that a machine's configuration has already, and where. What others wrote
// stays, and is not written twice.
import type { Tree } from '../../tree.ts';
import { isMemmapWord } from './argument.ts';
import type { BootSetup } from './detect.ts';
import { dropInDirectory, dropInPath } from './drop-in.ts';
import type { BootFacts } from './facts.ts';

/** A file that gives the kernel arguments of this sort. */
export interface ConfiguredArgument {
	path: string;
	/** The arguments as the kernel gets them. */
	words: string[];
}

/** What a configuration has, besides daxkind's own file. */
export interface Configured {
	elsewhere: ConfiguredArgument[];
	/** The arguments that the kernel gets from it, whichever entry is booted. */
	words: string[];
	/** Files that this user may not read. They may have more such arguments. */
	unread: string[];
	/** A file that GRUB reads after daxkind's and that sets the variable anew, so that its former value is lost. */
	resetBy: string | undefined;
}

/** One assignment of a shell, to a variable with arguments of the kernel. */
interface Assignment {
	variable: string;
	/** Whether the former value of the variable is lost. */
	isReset: boolean;
	words: string[];
}

/**
 * A word of a POSIX shell. It consists of text in quotes, which may have several lines, of escaped characters, and of
 * others.
 */
const shellWord = String.raw`(?:"(?:\\[^]|[^"\\])*"|'[^']*'|\\[^]|[^\s"'\\;&|])*`;
const assignmentPattern = new RegExp(
	String.raw`^[ \t]*(?:export[ \t]+)?(GRUB_CMDLINE_LINUX(?:_DEFAULT)?)(\+?)=(${shellWord})`,
	'gm',
);

/**
 * The arguments of this sort in a text. None of them has a quote or a backslash in it. So any of these in the text is
 * quoting, for one reader or for several.
 */
export const wordsIn = (text: string): string[] =>
	text
		.replaceAll(/[\\"']/g, '')
		.split(/\s+/)
		.filter(isMemmapWord);

/** The assignments in a file of GRUB's, in order. */
function grubAssignments(text: string): Assignment[] {
	return [...text.matchAll(assignmentPattern)].map(([, variable, plus, value]) => ({
		variable: variable!,
		isReset: plus === '' && !new RegExp(String.raw`\$\{?${variable}\b`).test(value!),
		words: wordsIn(value!),
	}));
}

/**
 * The files that grub-mkconfig reads, in its order. The path of daxkind's own file is among them even if that file does
 * not exist yet.
 */
function grubFiles(tree: Tree, hasDropIns: boolean): string[] {
	const names = tree.list(dropInDirectory).filter((name) => name.endsWith('.cfg'));
	const paths = new Set([dropInPath, ...names.map((name) => `${dropInDirectory}/${name}`)]);
	// The shell (dash) sorts the files that a pattern matches in the same way.
	return ['/etc/default/grub', ...(hasDropIns ? [...paths].sort() : [])];
}

function grubConfigured(tree: Tree, hasDropIns: boolean): Configured {
	const unread: string[] = [];
	const variables = new Map<string, ConfiguredArgument[]>();
	let resetBy: string | undefined;
	for (const path of grubFiles(tree, hasDropIns)) {
		if (path === dropInPath) continue;
		const { value = '', error } = tree.read(path);
		if (error !== undefined && error !== 'ENOENT') unread.push(path);
		for (const { variable, isReset, words } of grubAssignments(value)) {
			const before = isReset ? [] : (variables.get(variable) ?? []);
			variables.set(variable, [...before, ...(words.length > 0 ? [{ path, words }] : [])]);
			if (hasDropIns && isReset && variable === 'GRUB_CMDLINE_LINUX' && path > dropInPath) resetBy = path;
		}
	}
	const elsewhere = [...variables.values()].flat();
	return { elsewhere, words: elsewhere.flatMap(({ words }) => words), unread, resetBy };
}

/**
 * What is configured in files that have one kernel command line each: entries, or the line that kernel-install puts
 * into entries.
 */
function linesConfigured(tree: Tree, paths: readonly string[]): Configured {
	const unread: string[] = [];
	const all = paths.map((path) => {
		const { value = '', error } = tree.read(path);
		if (error !== undefined && error !== 'ENOENT') unread.push(path);
		const isEntry = path.endsWith('.conf');
		const text = isEntry ? [...value.matchAll(/^options\s(.*)$/gm)].map(([, options]) => options).join(' ') : value;
		return { path, words: wordsIn(text) };
	});
	const [first] = all;
	return {
		elsewhere: all.filter(({ words }) => words.length > 0),
		words: first?.words.filter((word) => all.every(({ words }) => words.includes(word))) ?? [],
		unread,
		resetBy: undefined,
	};
}

/** What the configuration of a machine has. */
export function configuredIn(tree: Tree, { entries }: BootFacts, { configuration }: BootSetup): Configured {
	if (configuration === 'kernel-install') return linesConfigured(tree, ['/etc/kernel/cmdline']);
	if (configuration === 'grubby' || configuration === 'entries') return linesConfigured(tree, entries);
	return grubConfigured(tree, configuration === 'grub-drop-in');
}
