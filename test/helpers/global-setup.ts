// The parents of all directories that tests make, one on each file system that they use. They are removed when the run
// ends, also when it is interrupted or killed. A test's own clean-up is not enough: a test file that is skipped makes
// its directory, and its clean-up never runs.
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tmpfs } from './temporary-directory.ts';

/**
 * The variables that say where tests, and what they start, make their directories; with the place that is used outside
 * a run.
 */
const places: Record<string, string> = {
	TMPDIR: tmpdir(),
	DAXKIND_TEST_DIR: process.env.DAXKIND_TEST_DIR ?? tmpfs,
	DAXKIND_TEST_TMPFS: tmpfs,
};

// This ends when the test run ends, because its input ends then. It has a session of its own, so Ctrl-C does not reach
// it. It removes twice, because a process that is still running may make a file after the first time.
const removeAtTheEnd = 'cat; rm -rf -- "$@"; sleep 2; exec rm -rf -- "$@"';

export default function setup(): () => void {
	const parents = Object.entries(places).map(([variable, place]) => {
		const parent = mkdtempSync(join(place, 'daxkind-test-'));
		// Some tests go on as the user nobody.
		chmodSync(parent, 0o755);
		process.env[variable] = parent;
		return parent;
	});
	const remover = spawn('sh', ['-c', removeAtTheEnd, 'sh', ...parents], {
		detached: true,
		stdio: ['pipe', 'ignore', 'ignore'],
	});
	remover.unref();
	// Without this, the pipe would keep the runner alive.
	(remover.stdin as unknown as { unref(): void }).unref();
	return () => {
		for (const parent of parents) rmSync(parent, { recursive: true, force: true });
		remover.kill();
	};
}
