// Files of configuration that are there whole or not at all, and never in the place of another.
import { closeSync, fsyncSync, linkSync, openSync, rmSync, writeFileSync } from 'node:fs';

/** @throws A system error: EEXIST (link) if there is such a file; EACCES, EROFS, ENOSPC. */
export function createFile(path: string, text: string): void {
	const temporary = `${path}.${process.pid}.tmp`;
	try {
		const fd = openSync(temporary, 'wx', 0o644);
		try {
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
