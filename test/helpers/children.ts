// Child processes that have a time limit. The runner cannot end a test that waits for a synchronous child, so a child
// that hangs would hang the whole run. These are the functions of node:child_process by their own names; the limit is
// one of the options and can be given as ever.
import child from 'node:child_process';
import { promisify } from 'node:util';
import { TestRunner } from 'vitest';

/**
 * A process that takes longer has stopped making progress, even in a guest without KVM, where a process takes seconds
 * to start.
 */
const forEverMs = 240_000;
/** What cleans up after a test has this time, also after a test that took too long. */
const leastMs = 10_000;
/** The limit is by so much before the runner's, so that the test says itself what it has waited for. */
const aheadMs = 1000;

/**
 * The milliseconds that the running test has left. Outside tests it is four minutes, and in concurrent tests, because
 * nobody knows which of them asks.
 */
export function leftMs(): number {
	const test = TestRunner.getCurrentTest();
	if (test?.result?.startTime === undefined || test.concurrent) return forEverMs;
	return Math.max(leastMs, test.result.startTime + test.timeout - aheadMs - Date.now());
}

const limits = () => ({ timeout: leftMs(), killSignal: 'SIGKILL' as const });

type Call = (program: string, args: readonly string[], options: object) => unknown;

function limited<Function>(call: Function): Function {
	const withLimit = (program: string, ...rest: unknown[]) => {
		const [args, options] = Array.isArray(rest[0]) ? rest : [[], rest[0]];
		return (call as Call)(program, args as string[], { ...limits(), ...(options as object) });
	};
	return withLimit as Function;
}

export const spawn = limited(child.spawn);
export const spawnSync = limited(child.spawnSync);
export const execFileSync = limited(child.execFileSync);

/** Runs a program to its end, beside the test. It is as execFile with a promise is. */
export const execFile = (program: string, args: string[], options: child.ExecFileOptions = {}) =>
	promisify(child.execFile)(program, args, { ...limits(), ...options, encoding: 'utf8' });

/** How a program ended, and what it printed. */
export interface Outcome {
	/** Its exit status, or the signal that killed it. It is null if the program could not be started. */
	status: number | NodeJS.Signals | null;
	stdout: string;
	stderr: string;
}

/** Runs a program to its end. */
export function outcomeOf(program: string, args: string[], options: child.SpawnSyncOptions = {}): Outcome {
	const { status, signal, stdout, stderr } = spawnSync(program, args, { ...options, encoding: 'utf8' });
	return { status: status ?? signal, stdout, stderr };
}
