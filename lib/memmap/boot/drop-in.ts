// The file that daxkind writes for GRUB, in /etc/default/grub.d: what is in it, whether it is as it was written, and
// how it is made and removed.
import { accessSync, chmodSync, constants, mkdirSync, rmdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { createFile, replaceFile } from '../../create-file.ts';
import { refusal, type SystemError, systemRefusal } from '../../errors.ts';
import { quoted } from '../../format.ts';
import type { Tree } from '../../tree.ts';
import { isMemmapWord, missingFrom } from './argument.ts';
import { grubDefaultLine } from './quoting.ts';

export const dropInDirectory = '/etc/default/grub.d';
/** It sorts behind the files of others, because a file that is read later could set the variable anew. */
export const dropInPath = `${dropInDirectory}/zz-daxkind-memmap.cfg`;

/** This line says that undo removes the directory, too, because there was no such directory before. */
const ownDirectory = `# ${dropInDirectory} was made for this file.\n`;

/** The text of the file. */
export const dropInText = (words: readonly string[], isDirectoryOurs = false): string =>
	`# Written by "daxkind memmap apply"; "daxkind memmap undo" removes it.
${isDirectoryOurs ? ownDirectory : ''}${grubDefaultLine(words)}
`;

/** A file of daxkind's that exists. */
interface DropIn {
	text: string;
	words: string[];
	isDirectoryOurs: boolean;
}

/**
 * The file that daxkind wrote. Undefined where there is no such file.
 *
 * @throws Error ERR_DAXKIND_FOREIGN_FILE for a file that is not as daxkind writes it.
 */
function readDropIn(tree: Tree): DropIn | undefined {
	const stats = tree.stat(dropInPath);
	if (stats === undefined) return undefined;
	const text = stats.isFile() ? tree.bytes(dropInPath).value?.toString() : undefined;
	const isDirectoryOurs = text?.includes(ownDirectory) ?? false;
	const words = (text ?? '').replaceAll(/[\\"]/g, '').split(/\s+/).filter(isMemmapWord);
	if (text !== undefined && text === dropInText(words, isDirectoryOurs)) return { text, words, isDirectoryOurs };
	const place = `${tree.root}${dropInPath}`;
	const remedy = `look at it, and move it away: mv ${quoted(place)} ${quoted(`${place}.old`)}`;
	throw refusal('ERR_DAXKIND_FOREIGN_FILE', dropInPath, `${dropInPath} is not as daxkind wrote it`, remedy);
}

/** What prevents a process from writing to a directory, as access(2) says it, and what to do then. */
const obstacles: Record<string, { errno: number; what: string; remedy: string }> = {
	EACCES: { errno: -13, what: 'permission denied', remedy: 'run as root' },
	EROFS: {
		errno: -30,
		what: 'the file system is mounted read-only',
		remedy: 'mount the file system read-write',
	},
};

/**
 * Refuses a directory in which this process cannot create and remove files.
 *
 * @throws A system error of access: EACCES and EROFS with `remedy`.
 */
function requireWritable(tree: Tree, directory: string): void {
	try {
		accessSync(tree.place(directory), constants.W_OK | constants.X_OK);
	} catch (error) {
		const obstacle = obstacles[(error as SystemError).code];
		if (obstacle === undefined) throw error;
		throw systemRefusal(obstacle.errno, 'access', directory, obstacle.what, obstacle.remedy);
	}
}

/** What a call did to the file. */
interface DropInChange {
	/** Whether anything had to be changed. */
	changed: boolean;
	/** What is in the file now. Undefined if there is no file. */
	text: string | undefined;
	/** The words that were in it before, and no longer are. */
	removed: string[];
}

/** Writes the file with these words, or removes it if there are no words. */
export function putDropIn(tree: Tree, words: readonly string[], dryRun: boolean): DropInChange {
	const present = readDropIn(tree);
	const hasDirectory = tree.isDirectory(dropInDirectory);
	if (words.length === 0) return removeDropIn(tree, dryRun);
	const text = dropInText(words, present?.isDirectoryOurs ?? !hasDirectory);
	if (present?.text === text) return { changed: false, text, removed: [] };
	const change = { changed: true, text, removed: missingFrom(present?.words ?? [], words) };
	if (dryRun) return change;
	requireWritable(tree, hasDirectory ? dropInDirectory : dirname(dropInDirectory));
	if (!hasDirectory) {
		mkdirSync(tree.place(dropInDirectory));
		// The directory gets this mode whatever the umask is.
		chmodSync(tree.place(dropInDirectory), 0o755);
	}
	try {
		const put = present === undefined ? createFile : replaceFile;
		put(tree.place(dropInPath), text);
	} catch (error) {
		if (!hasDirectory) rmdirSync(tree.place(dropInDirectory));
		throw error;
	}
	return change;
}

/** Removes the file. Removes also the directory if it was made for the file, unless others have files there. */
export function removeDropIn(tree: Tree, dryRun: boolean): DropInChange {
	const present = readDropIn(tree);
	if (present === undefined) return { changed: false, text: undefined, removed: [] };
	const change = { changed: true, text: undefined, removed: present.words };
	if (dryRun) return change;
	requireWritable(tree, dropInDirectory);
	rmSync(tree.place(dropInPath));
	if (present.isDirectoryOurs && tree.list(dropInDirectory).length === 0) rmdirSync(tree.place(dropInDirectory));
	return change;
}
