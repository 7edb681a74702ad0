// Kernels and sandboxes that this machine does not have: programs in C, compiled when they are first wanted, that run a command in one.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { compiled } from './compile.ts';

const refuse = compiled('refuse');
const oldKernel = compiled('old-kernel');

/** What keeps tests from running commands in here; they are skipped then. */
export const problem: string | undefined = refuse.problem ?? oldKernel.problem;
if (problem !== undefined) console.error(`tests of old kernels and sandboxes are skipped: ${problem}`);

/** A command's prefix that refuses system calls: `statx=1` for EPERM of statx, or as helpers/refuse.c says. */
export const refusing = (...calls: string[]): string[] => [refuse.program, ...calls, '--'];

/** A command's prefix for a kernel before 5.8: without STATX_ATTR_DAX and mount numbers. */
export const before58: string[] = [oldKernel.program];

const cli = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

function run(before: string[], words: string[]) {
	const [command, ...rest] = [...before, process.execPath, ...words];
	const { status, signal, stdout, stderr } = spawnSync(command!, rest, { encoding: 'utf8' });
	return { status: status ?? signal, stdout, stderr };
}

/** Runs the command line there. */
export const daxkindIn = (before: string[], ...words: string[]) => run(before, [cli, ...words]);

/**
 * Runs a module's body there, with `d` for all of daxkind and `path` for a path; what it gives to `say`, by JSON.
 */
export function evaluateIn(before: string[], body: string, path: string): unknown {
	const code = `import * as d from 'daxkind';
		const path = process.argv[1];
		const say = (value) => console.log(JSON.stringify(value, (_, v) => (v === undefined ? null : typeof v === 'bigint' ? String(v) : v)));
		${body}`;
	const { status, stdout, stderr } = run(before, ['--input-type=module', '-e', code, path]);
	if (status !== 0) throw new Error(`status ${status}: ${stderr}`);
	return JSON.parse(stdout);
}
