// Files of configuration that are there whole or not at all, and never in the place of another.
import { randomBytes } from 'node:crypto';
import { closeSync, fchmodSync, fsyncSync, linkSync, openSync, rmSync, writeFileSync } from 'node:fs';

/** @throws A system error: EEXIST (link) if there is such a file; EACCES, EROFS, ENOSPC. */
export function createFile(path: string, text: string): void {
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
		linkSync(temporary, path);
	} finally {
		rmSync(temporary, { force: true });
	}
}
