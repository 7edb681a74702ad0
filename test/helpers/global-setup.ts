// The parents of all directories that tests make, one on each file system that they use; gone with the run, also when it is
// interrupted or killed. A test's own clean-up is not enough: a skipped file makes its directory and never comes to its end.
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tmpfs } from './temporary-directory.ts';

/** Variables that say where tests, and what they start, make their directories, and where that is without a run. */
const places: Record<string, string> = {
	TMPDIR: tmpdir(),
	DAXKIND_TEST_DIR: process.env.DAXKIND_TEST_DIR ?? tmpfs,
	DAXKIND_TEST_TMPFS: tmpfs,
};

// Ends when this process does, for then its input ends; Ctrl-C does not reach its session. What still runs may make a file once more.
const removeAtTheEnd = 'cat; rm -rf -- "$@"; sleep 2; exec rm -rf -- "$@"';

export default function setup(): () => void {
	const parents = Object.entries(places).map(([variable, place]) => {
		const parent = mkdtempSync(join(place, 'daxkind-test-'));
		// Some tests go on as nobody.
		chmodSync(parent, 0o755);
		process.env[variable] = parent;
		return parent;
	});
	const remover = spawn('sh', ['-c', removeAtTheEnd, 'sh', ...parents], {
		detached: true,
		stdio: ['pipe', 'ignore', 'ignore'],
	});
	remover.unref();
	// A pipe's end keeps the runner alive otherwise.
	(remover.stdin as unknown as { unref(): void }).unref();
	return () => {
		for (const parent of parents) rmSync(parent, { recursive: true, force: true });
		remover.kill();
	};
}
