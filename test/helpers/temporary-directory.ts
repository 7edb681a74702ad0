// Directories for tests of system calls: one where the system keeps temporary files, and one on tmpfs.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished, type TestContext } from 'vitest';
import { native } from '#lib/native.js';

/** A new directory, gone after the test; below `parent`, or the system's directory for temporary files. */
export function temporaryDirectory(parent = tmpdir()): string {
	// What an interrupted test leaves on tmpfs is below the run's directory there (see global-setup.ts).
	const place = parent === tmpfs ? (process.env.DAXKIND_TEST_TMPFS ?? tmpfs) : parent;
	const directory = mkdtempSync(join(place, 'daxkind-test-'));
	onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
	return directory;
}

/** Where Linux keeps POSIX shared memory: a tmpfs on every distribution. */
export const tmpfs = '/dev/shm';

/** A directory on a file system with the DAX flag; the test is skipped if temporary files are kept on another. */
export function directoryWithFlag(skip: TestContext['skip']): string {
	const { EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC } = native.constants;
	const directory = temporaryDirectory();
	const has = [EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC].includes(native.statfs(directory).type);
	skip(!has, 'the directory for temporary files is neither on ext4 nor on XFS');
	return directory;
}
