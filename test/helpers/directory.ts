// A directory for a test file's kinds. It is removed after the file's tests. It is on tmpfs unless DAXKIND_TEST_DIR
// names another place.
import { mkdtempSync, rmSync } from 'node:fs';
import { afterAll } from 'vitest';

export function testDirectory(): string {
	const directory = mkdtempSync(`${process.env.DAXKIND_TEST_DIR ?? '/dev/shm'}/daxkind-test-`);
	afterAll(() => rmSync(directory, { recursive: true, force: true }));
	return directory;
}
