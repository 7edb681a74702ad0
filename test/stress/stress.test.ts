// Short stress runs. They do what `npm run stress` does for ten minutes.
import { describe, expect, test } from 'vitest';
import { testDirectory } from '../helpers/directory.ts';
import { stress, summaryOf } from '../helpers/stress.ts';

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

test('a wrong option is told with the usage, and status 2', async () => {
	const { status, stderr } = await stress('--size', '3');
	expect(status).toBe(2);
	expect(stderr).toMatch(/^--size must be 16m or more, not 3\n\nUsage:/);
});
