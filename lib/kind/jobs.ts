// The progress of the long calls of kinds.
import type { WatchableOptions } from '../jobs.ts';

/** How far a long call is, in bytes. */
export interface KindProgress {
	done: number;
	total: number;
}

/** Options of the asynchronous calls that fault memory in. */
export interface KindProgressOptions extends WatchableOptions<KindProgress> {}

/** Reads the progress from a job's control. */
export const progressOf = ([, done, total]: Float64Array): KindProgress => ({ done: done!, total: total! });
