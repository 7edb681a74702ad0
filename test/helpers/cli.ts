// The command line, as a process of its own.
import type { SpawnSyncOptions } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Outcome, outcomeOf, spawnSync } from './children.ts';

/** The program of `daxkind`. */
export const cli = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** Runs `daxkind` to its end. */
export const daxkind = (...args: string[]): Outcome => daxkindWith({}, ...args);

/** Does the same with options for the process: its input, its directory. */
export const daxkindWith = (options: SpawnSyncOptions, ...args: string[]): Outcome =>
	outcomeOf(process.execPath, [cli, ...args], options);

/** Whether there is script(1), which runs a command in a terminal. */
export const hasScript = spawnSync('script', ['--version']).status === 0;

/** What a shell command writes to a terminal, on standard output and standard error. */
export function onTerminal(command: string, environment: NodeJS.ProcessEnv = {}): string {
	const env = { ...process.env, TERM: 'xterm', ...environment };
	return spawnSync('script', ['-qec', command, '/dev/null'], { encoding: 'utf8', env }).stdout;
}
