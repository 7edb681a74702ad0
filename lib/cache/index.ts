// The door of lib/cache. It is also the package's entry `daxkind/cache`.

export type { PmemCacheSerializer } from './encoding.ts';
export type { PmemCacheFetcher } from './fetching.ts';
export type { PmemCacheKey } from './keys.ts';
export type { PmemCacheLease } from './lease.ts';
export { caches } from './living.ts';
export type {
	PmemCacheEviction,
	PmemCacheGetOptions,
	PmemCacheOptions,
	PmemCacheSetOptions,
	PmemCacheThreadOptions,
} from './options.ts';
export {
	PmemCache,
	type PmemCacheFetchOptions,
	type PmemCacheWriteOptions,
	type SharedPmemCache,
} from './pmem-cache.ts';
export type { PmemCacheStats } from './stats.ts';
