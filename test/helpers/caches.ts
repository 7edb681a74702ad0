// Caches that are closed after the test that made them.
import type { Kind } from 'daxkind';
import { PmemCache, type PmemCacheOptions } from 'daxkind/cache';
import { onTestFinished } from 'vitest';
import { MIB } from '#lib/size.js';
import { testDirectory } from './directory.ts';

export function cacheFor<V = unknown>(place: string | Kind, options?: PmemCacheOptions): PmemCache<V> {
	const cache = PmemCache.create<V>(place, options);
	onTestFinished(() => cache.close());
	return cache;
}

/** A cache on a kind of its own in the test's directory, of 16 MiB unless the options say otherwise. */
export const newCache = <V = unknown>(options: PmemCacheOptions = {}): PmemCache<V> =>
	cacheFor<V>(testDirectory(), { maxSize: 16 * MIB, ...options });
