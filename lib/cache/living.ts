// The caches that this thread holds and has not closed. That one is listed keeps it alive no longer.
import type { PmemCache } from './pmem-cache.ts';

/** A set keeps the order in which caches were made. */
const living = new Set<WeakRef<PmemCache>>();
/** How many caches are made before those that are garbage are forgotten. */
let untilSweep = 64;

/** Lists a cache that was just made. */
export function noteCache(cache: object): void {
	untilSweep -= 1;
	if (untilSweep <= 0) {
		caches();
		untilSweep = 64 + living.size;
	}
	living.add(new WeakRef(cache as PmemCache));
}

/**
 * The caches of this thread that are open, the oldest first: those that it created, and those that it attached to. The
 * list is for metrics. It keeps no cache alive.
 *
 * ```js
 * import { caches } from 'daxkind/cache';
 *
 * for (const cache of caches()) console.log(cache.name, cache.stats().hitRatio);
 * ```
 */
export function caches(): PmemCache[] {
	const open: PmemCache[] = [];
	for (const each of living) {
		const cache = each.deref();
		if (cache !== undefined && !cache.closed) open.push(cache);
		else living.delete(each);
	}
	return open;
}
