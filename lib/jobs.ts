// Waiting for what another thread does: with an AbortSignal, and with a report of how far it is.
import { clearInterval, setInterval } from 'node:timers';
import { requireCallback, requireOptions } from './arguments.ts';
import { invalidArgType, type SystemError } from './errors.ts';
import type { NativeJob } from './native.ts';

/** Options of the asynchronous calls. */
export interface AbortableOptions {
	/** Ends the call early: the promise is rejected with the signal's reason. */
	signal?: AbortSignal;
}

/** Options of the asynchronous calls that say how far they are. */
export interface WatchableOptions<Progress> extends AbortableOptions {
	/** Called about ten times a second, and at the end. */
	onProgress?: (progress: Progress) => void;
}

const reportMs = 100;

/** Where in its control a job is told to end. */
const aborted = 0;

// Taken once: what is put in their place later, on one signal or on all, could throw in the middle of a job.
const { addEventListener, removeEventListener } = EventTarget.prototype;
const isAbortedSignal = getterOf('aborted');
const reasonOfSignal = getterOf('reason');
const startTimer = setInterval;
const stopTimer = clearInterval;

function getterOf(name: 'aborted' | 'reason'): (this: unknown) => unknown {
	return Object.getOwnPropertyDescriptor(AbortSignal.prototype, name)!.get!;
}

/** Whether it works as one, not only by its prototype. */
function isSignal(value: unknown): value is AbortSignal {
	try {
		isAbortedSignal.call(value);
		return true;
	} catch {
		return false;
	}
}

/** Throws the reason of a signal that is aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
	if (signal !== undefined && isAbortedSignal.call(signal)) throw reasonOfSignal.call(signal);
}

/** The options that all asynchronous calls have, checked and read once. */
export interface CheckedJobOptions<Progress> {
	signal?: AbortSignal | undefined;
	onProgress?: ((progress: Progress) => void) | undefined;
}

/**
 * Checks the options that all asynchronous calls have, reading each once, and gives them; throws if they are none, and the
 * reason of a signal that is aborted.
 *
 * @param known As of `requireOptions`.
 */
export function checkJobOptions<Progress>(
	options: WatchableOptions<Progress> | undefined,
	known?: readonly string[],
): CheckedJobOptions<Progress> {
	const { signal, onProgress } = requireOptions<WatchableOptions<Progress>>('options', options, known);
	if (signal !== undefined && !isSignal(signal)) {
		throw invalidArgType('options.signal', 'an instance of AbortSignal', signal);
	}
	requireCallback('options.onProgress', onProgress);
	throwIfAborted(signal);
	return { signal, onProgress };
}

/** What `finish` has to know of a job. */
interface JobNature<Result, Progress> {
	/** Reads how far it is from its control; without it, nothing is reported. */
	progressOf?: (control: Float64Array) => Progress;
	/** Undoes what it has done, if it is done and rejected all the same. */
	discard?: (result: Result) => Promise<unknown>;
}

/**
 * Starts a job and waits for its result. An aborted one is rejected with the signal's reason once its thread has let go of it;
 * one that was done before it saw the signal is a success. An error that `onProgress` throws aborts the job, and is the
 * rejection.
 *
 * @param options What `checkJobOptions` gave.
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
	// What can throw comes before the job: nobody would wait for its promise then.
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
		// A Proxy's handler can throw. The result counts, and nobody else would let go of it.
	}
}
