// Directories for one test each: where the system keeps temporary files, or on tmpfs.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished, type TestContext } from 'vitest';
import { native } from '#lib/native.js';

/**
 * Makes a new directory, which is removed after the test. It is below `parent`, by default the system's directory for
 * temporary files.
 */
export function temporaryDirectory(parent = tmpdir()): string {
	// On tmpfs it is below the run's directory, so that what an interrupted test leaves there is removed (see
	// global-setup.ts).
	const place = parent === tmpfs ? (process.env.DAXKIND_TEST_TMPFS ?? tmpfs) : parent;
	const directory = mkdtempSync(join(place, 'daxkind-test-'));
	onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
	return directory;
}

/** Where Linux keeps POSIX shared memory: a tmpfs on every distribution. */
export const tmpfs = '/dev/shm';

/**
 * A directory on a file system that has the DAX flag. The test is skipped if temporary files are kept on a file system
 * without it.
 */
export function directoryWithFlag(skip: TestContext['skip']): string {
	const { EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC } = native.constants;
	const directory = temporaryDirectory();
	const has = [EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC].includes(native.statfs(directory).type);
	skip(!has, 'the directory for temporary files is neither on ext4 nor on XFS');
	return directory;
}
