// Waits for a job on another thread, with an AbortSignal and reports of its progress.
import { clearInterval, setInterval } from 'node:timers';
import { requireCallback, requireOptions } from './arguments.ts';
import { invalidArgType, type SystemError } from './errors.ts';
import type { NativeJob } from './native/job.ts';

/** Options of the asynchronous calls that can be aborted. */
export interface AbortableOptions {
	/** Ends the call early. The promise is rejected with the signal's reason once the work has stopped. */
	signal?: AbortSignal;
}

/** Options of the asynchronous calls that report their progress. */
export interface WatchableOptions<Progress> extends AbortableOptions {
	/**
	 * Called about ten times a second, and at the end, on the thread that made the call. An error that it throws aborts
	 * the call, and rejects its promise.
	 */
	onProgress?: (progress: Progress) => void;
}

const reportMs = 100;

/** The index in a job's control that tells it to end. */
const aborted = 0;

// Taken once, because a script may replace them later, on one signal or on all. Its function could throw in the middle
// of a job.
const { addEventListener, removeEventListener } = EventTarget.prototype;
const isAbortedSignal = getterOf('aborted');
const reasonOfSignal = getterOf('reason');
const startTimer = setInterval;
const stopTimer = clearInterval;

function getterOf(name: 'aborted' | 'reason'): (this: unknown) => unknown {
	return Object.getOwnPropertyDescriptor(AbortSignal.prototype, name)!.get!;
}

/** Whether the value works as a signal. An object that only has the prototype does not. */
function isSignal(value: unknown): value is AbortSignal {
	try {
		isAbortedSignal.call(value);
		return true;
	} catch {
		return false;
	}
}

/** A signal, or nothing. */
export function requireSignal(name: string, value: unknown): void {
	if (value !== undefined && !isSignal(value)) throw invalidArgType(name, 'an instance of AbortSignal', value);
}

/** Throws the signal's reason if it is aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
	if (signal !== undefined && isAbortedSignal.call(signal)) throw reasonOfSignal.call(signal);
}

/** The options that all asynchronous calls have, checked and read once. */
export interface CheckedJobOptions<Progress> {
	signal?: AbortSignal | undefined;
	onProgress?: ((progress: Progress) => void) | undefined;
}

/**
 * Checks the options that all asynchronous calls have, and returns them. It reads each one once. It throws if an option
 * is wrong, and it throws the reason of a signal that is already aborted.
 *
 * @param known As for `requireOptions`.
 */
export function checkJobOptions<Progress>(
	options: WatchableOptions<Progress> | undefined,
	known?: readonly string[],
): CheckedJobOptions<Progress> {
	const { signal, onProgress } = requireOptions<WatchableOptions<Progress>>('options', options, known);
	requireSignal('options.signal', signal);
	requireCallback('options.onProgress', onProgress);
	throwIfAborted(signal);
	return { signal, onProgress };
}

/** What `finish` needs to know about a job. */
interface JobNature<Result, Progress> {
	/** Reads the job's progress from its control. Without it, no progress is reported. */
	progressOf?: (control: Float64Array) => Progress;
	/** Undoes the job's result, when the job is done but the promise is rejected all the same. */
	discard?: (result: Result) => Promise<unknown>;
}

/**
 * Starts a job and waits for its result. An aborted job is rejected with the signal's reason once its thread has let go
 * of it. A job that was done before it saw the signal is a success. If `onProgress` throws an error, the job is
 * aborted, and the promise is rejected with that error.
 *
 * @param options What `checkJobOptions` returned.
 */
export async function finish<Result, Progress>(
	start: () => NativeJob<Result>,
	{ signal, onProgress }: CheckedJobOptions<Progress>,
	{ progressOf, discard }: JobNature<Result, Progress> = {},
): Promise<Result> {
	let control: Float64Array | undefined;
	let thrown: { error: unknown } | undefined;
	const abort = () => {
		if (control) control[aborted] = 1;
	};
	const report = () => {
		try {
			if (control && progressOf) onProgress?.(progressOf(control));
		} catch (error) {
			thrown ??= { error };
			abort();
		}
	};
	// Everything that can throw comes before the job starts. After that, nobody would wait for its promise.
	if (signal) addEventListener.call(signal, 'abort', abort);
	const timer = onProgress === undefined ? undefined : startTimer(report, reportMs);
	try {
		const job = start();
		control = new Float64Array(job.control);
		const result = await job.promise;
		stopTimer(timer);
		report();
		if (thrown) {
			await discard?.(result);
			throw thrown.error;
		}
		return result;
	} catch (error) {
		if (thrown) throw thrown.error;
		if ((error as SystemError).code !== 'ECANCELED' || !signal || !isAbortedSignal.call(signal)) throw error;
		report();
		throw reasonOfSignal.call(signal);
	} finally {
		stopTimer(timer);
		if (signal) forget(signal, abort);
	}
}

function forget(signal: AbortSignal, listener: () => void): void {
	try {
		removeEventListener.call(signal, 'abort', listener);
	} catch {
		// The signal can be a Proxy whose handler throws. That must not replace the result of the job.
	}
}
