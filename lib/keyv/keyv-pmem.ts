// The store for Keyv 5, and for what is made of it: cacheable, cache-manager. Keyv 6 takes it, too.
import { KeyvPmemStore } from './store.ts';

/**
 * A store for Keyv, in a PmemCache. It has the contract of Keyv 5, whose times are relative. Keyv 6 takes it through its
 * bridge; see `KeyvPmemV6` for a store that needs none.
 *
 * Each call does its work before it returns its promise, in this thread. It takes some microseconds, and a copy of the
 * value.
 *
 * @throws As `PmemCache.create`, if it is given a place for a cache of its own; TypeError ERR_INVALID_ARG_VALUE for
 *   options of a cache that has been made already. The promises of `set` and `get` reject with what the same methods of
 *   a PmemCache throw. Keyv 5 makes an event 'error' of what `set` throws, and a miss of what `get` throws.
 */
export class KeyvPmem extends KeyvPmemStore {
	/**
	 * Keyv 5 offers its `iterator` only for stores whose options name a database from its own list. So this store names
	 * one, and Keyv looks at it for nothing else.
	 */
	readonly opts: { dialect: string; [option: string]: unknown } = { dialect: 'redis' };

	/**
	 * Stores a value.
	 *
	 * @param ttl How long the entry is fresh, in milliseconds. Default: the `ttl` of the cache.
	 * @returns Whether it was stored: false if it is too large and the cache has `tooLarge: 'skip'`.
	 */
	async set(key: string, value: unknown, ttl?: number): Promise<boolean> {
		return this.put(key, value, ttl);
	}

	/**
	 * `set` of each entry. It gives Keyv whether each was stored, for `keyv.setMany` to return, though Keyv's type says
	 * void. What fails is an event 'error'.
	 */
	async setMany(entries: { key: string; value: unknown; ttl?: number }[]): Promise<void> {
		return this.putMany(entries, ({ key, value, ttl }) => this.put(key, value, ttl)) as unknown as undefined;
	}

	/**
	 * Removes entries. Whether there was one of them: that is what the test suite of Keyv 5 asks for. The bridge of Keyv 6
	 * says the same of each key.
	 */
	async deleteMany(keys: string[]): Promise<boolean> {
		return this.remove(keys).includes(true);
	}
}
