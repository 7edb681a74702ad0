// Writes files of configuration. At any time such a file is there as a whole or not at all.
import { randomBytes } from 'node:crypto';
import { closeSync, fchmodSync, fsyncSync, linkSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';

/** Writes a file beside `path`, calls `put` to bring it there, and leaves nothing beside it. */
function write(path: string, text: string, put: (temporary: string, path: string) => void): void {
	const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
	const fd = openSync(temporary, 'wx', 0o600);
	try {
		try {
			// The umask does not count, because everybody is to see what is configured.
			fchmodSync(fd, 0o644);
			writeFileSync(fd, text);
			fsyncSync(fd);
		} finally {
			closeSync(fd);
		}
		put(temporary, path);
	} finally {
		rmSync(temporary, { force: true });
	}
}

/**
 * Creates a file. It never replaces one.
 *
 * @throws A system error: EEXIST (link) if the file exists; EACCES, EROFS, ENOSPC.
 */
export const createFile = (path: string, text: string): void => write(path, text, linkSync);

/**
 * Replaces a file. A process that reads it meanwhile sees the old file or the new one.
 *
 * @throws A system error: EACCES, EROFS, ENOSPC.
 */
export const replaceFile = (path: string, text: string): void => write(path, text, renameSync);
