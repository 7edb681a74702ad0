// Signals such as Ctrl-C, for commands that take long: such a command ends between two files, and says how far it came.
import { constants } from 'node:os';

const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Runs work that SIGINT, SIGTERM or SIGHUP aborts. The exit status then is that of a process which the signal killed. A
 * second signal does kill the process.
 */
export async function interruptible(body: (signal: AbortSignal) => Promise<void>): Promise<void> {
	const stop = new AbortController();
	const listeners = names.map((name) => ({ name, listener: () => stop.abort(name) }));
	for (const { name, listener } of listeners) process.once(name, listener);
	try {
		await body(stop.signal);
	} finally {
		for (const { name, listener } of listeners) process.removeListener(name, listener);
	}
	if (stop.signal.aborted) process.exitCode = 128 + constants.signals[stop.signal.reason as NodeJS.Signals];
}
