// Waiting for what the thread pool does: with an AbortSignal, and with a report of how far it is.
import { setInterval } from 'node:timers';
import { requireOptions } from './arguments.ts';
import { invalidArgType, type SystemError } from './errors.ts';
import type { NativeJob } from './native.ts';

/** Options of the asynchronous calls. */
export interface JobOptions {
	/** Ends the call early: the promise is rejected with the signal's reason. */
	signal?: AbortSignal;
}

/** Options of the asynchronous calls that say how far they are. */
export interface WatchedJobOptions<Progress> extends JobOptions {
	/** Called about ten times a second, and at the end. */
	onProgress?: (progress: Progress) => void;
}

const reportMs = 100;

/** Where in its control a job is told to end. */
const aborted = 0;

/** Checks the options of an asynchronous call; throws if they are none, and the reason of a signal that is aborted. */
export function checkJobOptions<Options extends WatchedJobOptions<never>>(options: Options | undefined) {
	const given = requireOptions<Options>('options', options);
	if (given.signal !== undefined && !(given.signal instanceof AbortSignal)) {
		throw invalidArgType('options.signal', 'an instance of AbortSignal', given.signal);
	}
	if (given.onProgress !== undefined && typeof given.onProgress !== 'function') {
		throw invalidArgType('options.onProgress', 'of type function', given.onProgress);
	}
	given.signal?.throwIfAborted();
	return given;
}

/** What `finish` has to know of a job. */
interface JobNature<Result, Progress> {
	/** Reads how far it is from its control; without it, nothing is reported. */
	progressOf?: (control: Float64Array) => Progress;
	/** Undoes what it has done, if it is done and rejected all the same. */
	discard?: (result: Result) => Promise<unknown>;
}

/**
 * The result of a job. An aborted one is rejected with the signal's reason once the pool has let go of it; one that was
 * done before it saw the signal is a success. An error that `onProgress` throws aborts the job, and is the rejection.
 */
export async function finish<Result, Progress>(
	job: NativeJob<Result>,
	{ signal, onProgress }: WatchedJobOptions<Progress>,
	{ progressOf, discard }: JobNature<Result, Progress> = {},
): Promise<Result> {
	const control = new Float64Array(job.control);
	let thrown: { error: unknown } | undefined;
	const abort = () => {
		control[aborted] = 1;
	};
	const report = () => {
		try {
			if (progressOf) onProgress?.(progressOf(control));
		} catch (error) {
			thrown ??= { error };
			abort();
		}
	};
	signal?.addEventListener('abort', abort, { once: true });
	const timer = onProgress === undefined ? undefined : setInterval(report, reportMs);
	try {
		const result = await job.promise;
		clearInterval(timer);
		report();
		if (thrown) {
			await discard?.(result);
			throw thrown.error;
		}
		return result;
	} catch (error) {
		if (thrown) throw thrown.error;
		if ((error as SystemError).code !== 'ECANCELED' || !signal?.aborted) throw error;
		report();
		throw signal.reason;
	} finally {
		clearInterval(timer);
		signal?.removeEventListener('abort', abort);
	}
}
