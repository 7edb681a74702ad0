// The steps that npm's commands run first: what a person sees when one fails, and when Ctrl-C ends it.
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { spawn, spawnSync } from '../helpers/children.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

const steps = fileURLToPath(new URL('../../scripts/steps.mjs', import.meta.url));

/** A script of one step, which runs a shell with these arguments. */
const script = (...args: string[]) => [
	'--input-type=module',
	'-e',
	`import { main, step } from ${JSON.stringify(steps)};
	await main(async () => { await step('a step', 'sh', ${JSON.stringify(args)}); console.log('next'); });`,
];

test('a step that fails shows its output, and the script ends with status 1', () => {
	const { status, stdout, stderr } = spawnSync(process.execPath, script('-c', 'echo what it said; exit 3'), {
		encoding: 'utf8',
	});
	expect(status).toBe(1);
	expect(stdout).toMatch(/^a step +FAILED +\d+\.\d s\n$/);
	expect(stderr).toMatch(/^what it said\n\na step failed with status 3: /);
});

test.each([
	['Ctrl-C, which reaches the step too', 'SIGINT', 130],
	['SIGTERM to the script alone', 'SIGTERM', 143],
] as const)('after %s the script says nothing more, and its status is that of %s', async (_, signal, expected) => {
	const fifo = `${temporaryDirectory()}/fifo`;
	spawnSync('mkfifo', [fifo]);
	// The step opens the pipe to say that it has come that far.
	const child = spawn(process.execPath, script('-c', 'echo half of it; : > "$0"; exec sleep 60', fifo), {
		detached: true,
	});
	let output = '';
	for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
	const ended = once(child, 'close');
	spawnSync('cat', [fifo]);
	process.kill(signal === 'SIGINT' ? -child.pid! : child.pid!, signal);
	expect(await ended).toEqual([expected, null]);
	expect(output).toBe('');
});
