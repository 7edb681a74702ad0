// Reading a terminal in whose background a process is, as under timeout(1), or after a shell's `&`, `bg` and `fg`.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, onTestFinished, test } from 'vitest';
import { wouldStop } from '#lib/cli/terminal-input.js';
import { spawn, spawnSync } from '../helpers/children.ts';
import { hasScript } from '../helpers/cli.ts';

/** A program that says what it reads, and says that it was told to end. */
const reader = `
	import { terminalInput } from ${JSON.stringify(import.meta.resolve('#lib/cli/terminal-input.js'))};
	process.on('SIGTERM', () => process.exit(9));
	terminalInput(process.stdin).on('data', (text) => console.log('read: ' + text)).on('end', () => process.exit(7));
	setInterval(() => {}, 1000);
	console.log('process ' + process.pid);
`;

/** Runs a shell command in a terminal. $READ is the command that reads. */
function terminal(command: string) {
	const env = { ...process.env, READ: `${process.execPath} --input-type=module -e "$CODE"`, CODE: reader };
	const script: ChildProcess = spawn('script', ['-qec', `${command}; echo status $?`, '/dev/null'], { env });
	let text = '';
	script.stdout!.setEncoding('utf8').on('data', (more) => {
		text += more;
	});
	const said = async (what: RegExp) => {
		while (!what.test(text)) await once(script.stdout!, 'data');
		return what.exec(text)![1];
	};
	let pid = 0;
	onTestFinished(() => {
		// This signal ends a stopped process, too.
		if (pid !== 0 && spawnSync('kill', ['-KILL', `${pid}`]).status === 0) script.kill('SIGKILL');
	});
	return {
		script,
		said,
		type: (line: string) => script.stdin!.write(line),
		started: async () => {
			pid = Number(await said(/process (\d+)/));
			return pid;
		},
	};
}

describe.skipIf(!hasScript)('on a terminal', () => {
	test('in the background it reads nothing, and hears a signal', async () => {
		const { type, said, started } = terminal('timeout 60 sh -c "$READ"');
		const pid = await started();
		type('typed\n');
		await said(/typed/); // the terminal's echo: it could be read now
		await new Promise((resolve) => setTimeout(resolve, 500));
		process.kill(pid, 'SIGTERM');
		expect(await said(/status (\d+)/)).toBe('9');
	});

	test('in the foreground it reads to the end', async () => {
		const { type, said, started } = terminal('sh -c "$READ"');
		await started();
		type('typed\n');
		expect(await said(/read: (\w+)/)).toBe('typed');
		type('\u0004');
		expect(await said(/status (\d+)/)).toBe('7');
	});

	test('it reads what was typed once it is taken to the foreground', async () => {
		const { type, said, started } = terminal(`bash -c 'set -m; sh -c "$READ" & read; fg'`);
		await started();
		type('\n'); // bash reads this line, and brings the command to the foreground
		await said(/fg|sh -c/);
		type('typed\n');
		expect(await said(/read: (\w+)/)).toBe('typed');
		type('\u0004');
		expect(await said(/status (\d+)/)).toBe('7');
	});
});

test.each([
	['in the foreground', '7 (node) S 1 50 40 34817 50 4194304', 34817, false],
	['in the background', '7 (node) S 1 50 40 34817 40 4194304', 34817, true],
	['in the background, by the name /dev/tty', '7 (node) S 1 50 40 34817 40 4194304', 0x500, true],
	['in the background of another terminal', '7 (node) S 1 50 40 34817 40 4194304', 34818, false],
	['without a terminal of its own', '7 (node) S 1 50 40 0 -1 4194304', 34817, false],
	['with a name like the rest of the line', '7 (a) S 1 50 (b) S 1 50 40 34817 50 4194304', 34817, false],
])('a process %s', (_, stat, device, expected) => {
	expect(wouldStop(stat, device)).toBe(expected);
});
