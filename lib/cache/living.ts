// The caches that this thread holds and has not closed.
import { WeakList } from '../weak-list.ts';
import type { PmemCache } from './pmem-cache.ts';

const living = new WeakList<PmemCache>((cache) => !cache.closed);

/** Lists a cache that was just made. */
export function noteCache(cache: object): void {
	living.add(cache as PmemCache);
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
	return living.list();
}
