// The package's entry `daxkind/undici`: a store for undici's cache. It imports nothing of undici.

export type { CacheControlDirectives, CacheKey, CacheValue, GetResult } from './interface.ts';
export type { PmemCacheStoreOptions } from './options.ts';
export { PmemCacheStore, type PmemCacheStoreLimits } from './pmem-cache-store.ts';
