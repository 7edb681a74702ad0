// The statistics of a cache.

/** What `stats` returns. The counts are those of all threads, since the cache was made. */
export interface PmemCacheStats {
	/** How many entries there are. */
	entries: number;
	/** How many bytes of the kind they take. */
	bytes: number;
	maxSize: number;
	maxEntries: number;
	/** Entries that are not in the cache any more, but live on because of leases. */
	pinned: number;
	/** Bytes of DRAM that the index and the policy take. */
	indexBytes: number;
	/** How often an entry was found, and how often not. */
	hits: number;
	misses: number;
	/** Hits / (hits + misses). 0 if there was neither. */
	hitRatio: number;
	/** How many values were stored. */
	sets: number;
	/** How many entries were removed by `delete`. */
	deletes: number;
	/** How many entries the cache has removed for the room. */
	evicted: number;
	/** How many it has removed because their time was over. */
	expired: number;
	/** How many it has removed because the medium has lost a page of them. */
	lost: number;
}
