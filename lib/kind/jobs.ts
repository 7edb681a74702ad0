// The long calls of kinds: how far they are, and why they fail.
import type { SystemError } from '../errors.ts';
import type { WatchableOptions } from '../jobs.ts';
import type { NativeJob } from '../native/job.ts';

/** How far a long call is, in bytes. */
export interface KindProgress {
	done: number;
	total: number;
}

/** Options of the asynchronous calls that fault memory in. */
export interface KindProgressOptions extends WatchableOptions<KindProgress> {}

/** Reads the progress from a job's control. */
export const progressOf = ([, done, total]: Float64Array): KindProgress => ({ done: done!, total: total! });

/** Adds the reason to an error of native code. */
export type Explain = (error: SystemError) => Error;

/**
 * Starts a job whose own error is explained. Whoever waits for the job may be given other errors: the reason of a
 * signal, and what `onProgress` throws. They can look like native code's, so they must not come here.
 *
 * @param canceled Is given ECANCELED instead: the job has stopped early, and no call of it has failed.
 */
export function explainedJob<Result>(
	start: () => NativeJob<Result>,
	explained: Explain,
	canceled: Explain = (error) => error,
): NativeJob<Result> {
	try {
		const { promise, control } = start();
		return { promise: explainedResult(promise, explained, canceled), control };
	} catch (error) {
		throw explained(error as SystemError);
	}
}

async function explainedResult<Result>(
	promise: Promise<Result>,
	explained: Explain,
	canceled: Explain,
): Promise<Result> {
	try {
		return await promise;
	} catch (error) {
		const failure = error as SystemError;
		throw failure.code === 'ECANCELED' ? canceled(failure) : explained(failure);
	}
}
