// A directory for a test's kinds, gone after the file's tests. DAXKIND_TEST_DIR moves it; by default it is on tmpfs.
import { mkdtempSync, rmSync } from 'node:fs';
import { afterAll } from 'vitest';

export function testDirectory(): string {
	const directory = mkdtempSync(`${process.env.DAXKIND_TEST_DIR ?? '/dev/shm'}/daxkind-test-`);
	afterAll(() => rmSync(directory, { recursive: true, force: true }));
	return directory;
}
