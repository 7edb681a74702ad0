// Kernels and sandboxes that this machine does not have. C programs run a command in one; they are compiled when they
// are first wanted.
import { type Outcome, outcomeOf } from './children.ts';
import { cli } from './cli.ts';
import { compiled } from './compile.ts';

const refuse = compiled('refuse');
const oldKernel = compiled('old-kernel');

/** The reason why no command can be run in them here. Tests are skipped then. */
export const problem: string | undefined = refuse.problem ?? oldKernel.problem;
if (problem !== undefined) console.error(`tests of old kernels and sandboxes are skipped: ${problem}`);

/**
 * The prefix of a command that refuses system calls to it: `statx=1` refuses statx with EPERM. helpers/refuse.c
 * explains the rest.
 */
export const refusing = (...calls: string[]): string[] => [refuse.program, ...calls, '--'];

/** The prefix of a command that runs it as on a kernel before 5.8: without STATX_ATTR_DAX and mount numbers. */
export const before58: string[] = [oldKernel.program];

function run(before: string[], words: string[]): Outcome {
	const [command, ...rest] = [...before, process.execPath, ...words];
	return outcomeOf(command!, rest);
}

/** Runs `daxkind` there. */
export const daxkindIn = (before: string[], ...words: string[]) => run(before, [cli, ...words]);

/**
 * Runs a module's body there. It has `d` for all of daxkind and `path` for a path. What it passes to `say` comes back
 * as JSON.
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
