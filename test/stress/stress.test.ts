// Short stress runs. They do what `npm run stress` does for ten minutes.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { testDirectory } from '../helpers/directory.ts';
import { stress, stressWith, summaryOf } from '../helpers/stress.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

const directory = testDirectory();
const limit = 180_000;

describe('threads that share kinds and do everything at random', { concurrent: true, timeout: limit }, () => {
	test('find every byte where it belongs and leave an empty kind', async () => {
		const args = ['--seconds', 8, '--workers', 3, '--size', '64M', '--directory', directory];
		const { status, stdout, stderr } = await stress(...args);
		expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
		const summary = summaryOf(stdout);
		expect(summary.kinds).toEqual(['default', 'conservative', 'fixed'].map((sort) => `${sort} in ${directory}`));
		expect(summary.never).toEqual([]);
		expect(summary.outOfMemory).toBeGreaterThan(0);
		expect(summary.killed).toBeGreaterThanOrEqual(3);
		expect(summary.checked).toBeGreaterThan(summary.done / 3);
	});

	test('and so they do in debug mode', async () => {
		const args = ['--seconds', 4, '--workers', 2, '--size', '64M', '--directory', directory, '--debug'];
		const { status, stderr } = await stress(...args);
		expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
	});

	test('and a wrong byte is found and reported with the seed that shows it again', async () => {
		const { status, stderr } = await stress(
			'--seconds',
			4,
			'--workers',
			2,
			'--seed',
			5,
			'--directory',
			directory,
			'--spoil',
		);
		expect(status).toBe(1);
		expect(stderr).toMatch(/^FAILED: a wrong byte\n/);
		expect(stderr).toMatch(/^ {2}wrong bytes: 1$/m);
		expect(stderr).toMatch(/^Repeat with: npm run stress -- .*--seed 5 /m);
	});
});

test.each([
	['in its work', 'open', 'a worker has done nothing for 3 s'],
	['while it is terminated', 'purge', 'a terminated worker has not ended for 3 s'],
])('a worker that hangs %s is reported, and the run ends', { timeout: limit }, async (_, lastAnswer, reported) => {
	const fifo = `${temporaryDirectory()}/fifo`;
	spawnSync('mkfifo', [fifo]);
	const hang = `${fifo}.cjs`;
	// A thread in open() of a pipe that nobody writes does not end when it is told to.
	writeFileSync(
		hang,
		`const { parentPort } = require('node:worker_threads');
		const post = parentPort?.postMessage;
		if (post) parentPort.postMessage = function (message) {
			post.call(this, message);
			if (message.to === ${JSON.stringify(lastAnswer)}) require('node:fs').openSync(${JSON.stringify(fifo)});
		};`,
	);
	const args = ['--seconds', 3, '--workers', 1, '--size', '32M', '--directory', directory, '--patience', 3];
	const { status, stderr } = await stressWith(['--require', hang], ...args);
	expect(stderr).toMatch(new RegExp(`^FAILED: ${reported}\n {2}worker: 1\n`));
	// Node itself waits for all its threads, so only a signal ends such a process.
	expect(status).toBe('SIGKILL');
});

test('a wrong option is told with the usage, and status 2', async () => {
	const { status, stderr } = await stress('--size', '3');
	expect(status).toBe(2);
	expect(stderr).toMatch(/^--size must be 16m or more, not 3\n\nUsage:/);
});
