// How far the long calls of kinds are.
import type { WatchableOptions } from '../jobs.ts';

/** How far a long call is, in bytes. */
export interface KindProgress {
	done: number;
	total: number;
}

/** Options of the asynchronous calls that fault memory in. */
export interface KindProgressOptions extends WatchableOptions<KindProgress> {}

/** Reads it from a job's control. */
export const progressOf = ([, done, total]: Float64Array): KindProgress => ({ done: done!, total: total! });
