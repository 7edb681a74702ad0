// Caches of native code: lib/cache. A cache is known by the number of this thread's hold on it. Calls on a hold that has
// been closed answer -EBADF, false or undefined.

/** A thread's hold on a cache. */
export interface CacheHold {
	/** The number of the hold in this thread. It is never used again. */
	id: number;
	/** The number of the cache in this process. */
	number: number;
	maxSize: number;
	maxEntries: number;
	policy: 's3-fifo' | 'lru';
}

/** Bits of the `flags` of cacheGet and cachePin. */
export const takesStale = 1;
export const isPeek = 2;

/** Indexes of the results of cacheGet and cachePin. */
export const results = {
	/** Bytes of the value. */
	length: 0,
	encoding: 1,
	/** 1 if the value is stale. */
	isStale: 2,
	/** The number of the lease, if the entry has been pinned; else -1. */
	lease: 3,
	/** Where the value of a pinned entry is in the kind. */
	segment: 4,
	offset: 5,
} as const;

/** Numbers, for the statistics of a cache. */
export interface NativeCacheStats {
	entries: number;
	/** Bytes of the blocks of all entries. */
	bytes: number;
	/** Entries that have been removed, and that leases keep. */
	pinned: number;
	/** Bytes of DRAM. */
	indexBytes: number;
	hits: number;
	misses: number;
	sets: number;
	deletes: number;
	evicted: number;
	expired: number;
	lost: number;
}

/** Why the cache has removed an entry, by the number that cacheTakeRemoved gives. */
export const removals = ['evicted', 'expired', 'lost'] as const;

/** What a key was, by the number that cacheList and cacheTakeRemoved give. */
export const keySorts = { latin1: 0, utf16: 1, bytes: 2 } as const;

export interface Caches {
	/** The memory of a Float64Array into which calls put what they find. */
	cacheResults(): ArrayBuffer;
	/**
	 * Makes a cache on the kind of that hold. undefined if the kind is closed.
	 *
	 * @throws SystemError of mmap: ENOMEM; EFBIG, the kind has more than 16 TiB.
	 */
	cacheCreate(kindId: number, maxSize: number, maxEntries: number, isLru: boolean): CacheHold | undefined;
	/** What other threads need to join: the process's nonce and the cache's secret. */
	cacheShare(id: number): [process: number, secret: string] | undefined;
	/** Joins a cache. undefined if this process has none of that number, with that secret, on the kind of that hold. */
	cacheAttach(kindId: number, process: number, number: number, secret: string): CacheHold | undefined;
	/** Lets go of the cache. All leases and drafts of the hold end. */
	cacheClose(id: number): void;
	/**
	 * Finds an entry. Copies its value to `to`, from `offset` on, if there is room; else pins the entry, which makes a
	 * lease. What it has found is in the results.
	 *
	 * @returns 0; -ENOENT; -EAGAIN with the length if the entry has 65,535 leases.
	 */
	cacheGet(id: number, key: string | Uint8Array, flags: number, to: Uint8Array, offset: number): number;
	/** Finds an entry and pins it. An empty value is not pinned. Returns as cacheGet. */
	cachePin(id: number, key: string | Uint8Array, flags: number): number;
	/** Ends a lease. 0, or -EINVAL if there is none of that number. */
	cacheUnpin(id: number, lease: number): number;
	/** Copies the value of a leased entry. False if a page of it is lost. */
	cacheCopy(id: number, lease: number, to: Uint8Array): boolean;
	/** How many milliseconds the entry stays fresh. Infinity: for ever. 0: it is stale, or there is none. */
	cacheFreshFor(id: number, key: string | Uint8Array): number;
	/** Removes an entry. Whether there was one. */
	cacheDelete(id: number, key: string | Uint8Array): boolean;
	/**
	 * Stores a value. It is stale after `freshMs`, and gone `staleMs` later. `freshMs` 0: it stays for ever.
	 *
	 * It makes the system calls of the kind's region when the kind needs storage.
	 *
	 * @returns 0; -EFBIG if the cache may not hold that much; -ENOMEM, -ENOSPC, -EDQUOT if there is no memory though
	 *   nothing is left to evict; -EAGAIN if leases have all entries; -EHWPOISON if the memory that it got was lost;
	 *   another error of fallocate or madvise. After an error the key has no entry.
	 */
	cacheSet(
		id: number,
		key: string | Uint8Array,
		value: Uint8Array,
		encoding: number,
		freshMs: number,
		staleMs: number,
	): number;
	/** Begins a value of unknown length. Returns the number of a draft, or an error as cacheSet. */
	cacheBegin(id: number, key: string | Uint8Array, expected: number): number;
	/** Appends bytes to a draft. Returns as cacheSet. After an error the draft can only be abandoned. */
	cacheAppend(id: number, draft: number, bytes: Uint8Array): number;
	/** Makes the draft an entry. It ends, whatever the call returns, which is as cacheSet. */
	cachePublish(id: number, draft: number, encoding: number, freshMs: number, staleMs: number): number;
	/** Ends a draft. */
	cacheAbandon(id: number, draft: number): void;
	/** Removes all entries. Another thread frees their blocks. */
	cacheClear(id: number): void;
	cacheSize(id: number): number | undefined;
	/**
	 * Writes keys into `to`: for each one byte for its sort, four for its length (in the byte order of the machine) and
	 * its bytes. `cursor` is 0, or what the call before gave.
	 *
	 * @returns The next cursor, -1 at the end; how many bytes were written; and how long `to` must be if it was too
	 *   short for the next keys, else 0.
	 */
	cacheList(id: number, cursor: number, to: Uint8Array): [cursor: number, written: number, wanted: number] | undefined;
	cacheStats(id: number): NativeCacheStats | undefined;
	/**
	 * Sets the function that is called, in turns of the event loop, when cacheTakeRemoved has something to give. The
	 * function must not throw.
	 */
	setRemovalHandler(handler: () => void): void;
	/** From now on, what the cache removes is kept for cacheTakeRemoved. */
	cacheListen(id: number): void;
	/** The entries that the cache has removed: why, the sort of the key, the key and the bytes of its block, for each. */
	cacheTakeRemoved(id: number, most: number): (number | NonSharedBuffer)[] | undefined;
}
