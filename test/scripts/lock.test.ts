// The lock that keeps scripts from building in the same directory at the same time.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { withLock } from '../../scripts/lock.mjs';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

const lock = fileURLToPath(new URL('../../scripts/lock.mjs', import.meta.url));

/** A process that runs this code in a directory, while it has the lock of it. */
const inLock = (directory: string, code: string) =>
	spawn(
		process.execPath,
		[
			'--input-type=module',
			'-e',
			`import { appendFileSync, mkdirSync, rmdirSync } from 'node:fs';
			import { withLock } from ${JSON.stringify(lock)};
			await withLock('.', async () => { ${code} });`,
		],
		{ cwd: directory },
	);

const ended = async (child: ChildProcess) => (await once(child, 'close'))[0];

test('the lock of a killed process is free at once, and then one of those that wait has it at a time', async () => {
	const directory = temporaryDirectory();
	const owner = inLock(directory, `console.log('locked'); await new Promise(() => setInterval(() => {}, 1000));`);
	await once(owner.stdout, 'data');
	// Making the same folder twice fails.
	const code = "mkdirSync('mine'); await null; rmdirSync('mine'); appendFileSync('log', 'x');";
	const others = Array.from({ length: 6 }, () => inLock(directory, code));
	const waiting = others.map(async (child) => once(child.stdout, 'data'));
	const statuses = others.map(ended);
	await Promise.all(waiting);
	expect(existsSync(`${directory}/log`)).toBe(false);
	owner.kill('SIGKILL');
	expect(await Promise.all(statuses)).toEqual([0, 0, 0, 0, 0, 0]);
	expect(readFileSync(`${directory}/log`, 'utf8')).toBe('xxxxxx');
});

test('a function that fails gives the lock back', async () => {
	const directory = temporaryDirectory();
	const failing = withLock(directory, async () => {
		throw new Error('it failed');
	});
	await expect(failing).rejects.toThrow('it failed');
	expect(await withLock(directory, async () => 'done')).toBe('done');
});
