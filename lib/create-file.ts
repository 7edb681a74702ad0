// Files of configuration that are there whole or not at all.
import { randomBytes } from 'node:crypto';
import { closeSync, fchmodSync, fsyncSync, linkSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';

/** Writes a file beside `path`, has `put` bring it there, and leaves nothing beside it. */
function write(path: string, text: string, put: (temporary: string, path: string) => void): void {
	const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
	const fd = openSync(temporary, 'wx', 0o600);
	try {
		try {
			// Whatever the umask: everybody is to see what is configured.
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
 * Creates a file, never in the place of another.
 *
 * @throws A system error: EEXIST (link) if there is such a file; EACCES, EROFS, ENOSPC.
 */
export const createFile = (path: string, text: string): void => write(path, text, linkSync);

/**
 * Puts a file in the place of another; who reads meanwhile sees the one or the other.
 *
 * @throws A system error: EACCES, EROFS, ENOSPC.
 */
export const replaceFile = (path: string, text: string): void => write(path, text, renameSync);
