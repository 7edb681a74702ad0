// Commands about DAX that take a while: what a person at a terminal sees of them, and how they end early.
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { spawn } from '../helpers/children.ts';
import { cli, daxkindWith, hasScript, onTerminal } from '../helpers/cli.ts';
import { testDirectory } from '../helpers/directory.ts';

const directory = testDirectory();
/** More files than lsattr reads between two checks for signals. */
const files = 3000;

beforeAll(() => {
	mkdirSync(join(directory, 'many'));
	for (let n = 0; n < files; n++) writeFileSync(join(directory, 'many', `${n}`), '');
});

/** What `lsattr -R` writes to a terminal as standard error while its output goes to a file. */
function standardError(environment: NodeJS.ProcessEnv): string {
	const command = `'${process.execPath}' '${cli}' lsattr -R '${directory}' >'${directory}/out'`;
	return onTerminal(command, { CI: undefined, ...environment });
}

describe.skipIf(!hasScript)('a recursive command on a terminal', () => {
	test('counts in a line that is gone at its end, and gives the cursor back', () => {
		const text = standardError({});
		expect(text).toMatch(/[\d,]+ files and directories/);
		// The cursor is shown again. Then the cursor goes to the beginning of the line and the line is erased.
		expect(text.endsWith('\u001b[?25h\u001b[1G\u001b[0K')).toBe(true);
	});

	test.each([{ TERM: 'dumb' }, { CI: 'true' }])('counts nothing with %j, where no line can be taken away', (env) => {
		expect(standardError(env)).toBe('');
	});
});

test.skipIf(!hasScript).each([
	[0, 80],
	[60, 60],
	[200, 120],
])('on a terminal of %i columns lines are broken at %i', (columns, width) => {
	const command = `stty cols ${columns} && '${process.execPath}' '${cli}' explain /dev/shm`;
	const text = onTerminal(command, { NO_COLOR: '1', FORCE_COLOR: undefined });
	const longest = Math.max(...text.split('\r\n').map((line) => line.length));
	expect(longest).toBeLessThanOrEqual(width);
	expect(longest).toBeGreaterThan(Math.min(width, 90) - 20);
});

test('a recursive command off a terminal writes no escape codes and counts nothing', () => {
	const { status, stdout, stderr } = daxkindWith({ maxBuffer: 2 ** 26 }, 'lsattr', '-R', directory);
	expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
	expect(stdout).not.toContain('\u001b');
	expect(stdout.trim().split('\n').length).toBeGreaterThanOrEqual(files + 2);
});

test.each([
	['SIGINT', 130],
	['SIGTERM', 143],
] as const)('%s ends it between two files with status %i', async (signal, status) => {
	const child = spawn(process.execPath, [cli, 'lsattr', '-R', '/'], { stdio: ['ignore', 'pipe', 'ignore'] });
	await once(child.stdout, 'data');
	child.kill(signal);
	child.stdout.resume();
	expect(await once(child, 'close')).toEqual([status, null]);
});

test('it reads no further when nobody reads what it lists, and ends quietly as by SIGPIPE', async () => {
	const child = spawn(process.execPath, [cli, 'lsattr', '-R', '/usr'], { stdio: ['ignore', 'pipe', 'pipe'] });
	let stderr = '';
	child.stderr.setEncoding('utf8').on('data', (text) => {
		stderr += text;
	});
	await once(child.stdout, 'data');
	child.stdout.destroy();
	expect(await once(child, 'close')).toEqual([141, null]);
	expect(stderr).toBe('');
});
