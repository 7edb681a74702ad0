// The file status that the question "is this path on DAX" is about: of the file itself, or for a directory, which is never in the DAX
// state, of a nameless file made in it.
import { constants } from 'node:fs';
import type { SystemError } from '../errors.ts';
import { type FileStatus, native } from '../native.ts';

/** What was seen of a path. */
export interface Probe {
	/** What statx says of the path itself. */
	status: FileStatus;
	type: 'file' | 'directory' | 'other';
	/** What statx says of the file in question; undefined if none could be made in the directory. */
	subject: FileStatus | undefined;
	/** Why none could be made. */
	refusal?: SystemError;
}

/** Probes a path. Throws the SystemError of `statx` if it cannot be reached. */
export function probe(path: string): Probe {
	const status = native.statx(path);
	const type = status.mode & constants.S_IFMT;
	if (type !== constants.S_IFDIR) {
		return { status, type: type === constants.S_IFREG ? 'file' : 'other', subject: status };
	}
	try {
		return { status, type: 'directory', subject: native.statxTemporary(path) };
	} catch (error) {
		return { status, type: 'directory', subject: undefined, refusal: error as SystemError };
	}
}
