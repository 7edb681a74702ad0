// Ctrl-C and its like, for commands that take a while: they end between two files, and say how far they were.
import { constants } from 'node:os';

const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Runs work that such a signal aborts; the exit status is then that of a process which it killed. A second one kills it. */
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
