// The store for Keyv 6, which needs no bridge.
import { outOfRange } from '../errors.ts';
import { KeyvPmemStore } from './store.ts';

/** What the store says of itself, in the words of Keyv 6. */
export interface KeyvPmemCapabilities {
	compatible: true;
	store: 'keyvStorage';
	methods: Record<
		| 'get'
		| 'getMany'
		| 'has'
		| 'hasMany'
		| 'set'
		| 'setMany'
		| 'delete'
		| 'deleteMany'
		| 'clear'
		| 'disconnect'
		| 'iterator',
		{ exists: boolean; methodType: 'sync' | 'async' | 'none' }
	>;
	/** Times are absolute. */
	expires: true;
}

const isAsync = { exists: true, methodType: 'async' } as const;

const capabilities: KeyvPmemCapabilities = {
	compatible: true,
	store: 'keyvStorage',
	methods: {
		...{ get: isAsync, getMany: isAsync, has: isAsync, hasMany: isAsync, set: isAsync, setMany: isAsync },
		...{ delete: isAsync, deleteMany: isAsync, clear: isAsync, disconnect: isAsync },
		// Keyv calls all functions 'sync' that are not made by `async function`, generators too.
		iterator: { exists: true, methodType: 'sync' },
	},
	expires: true,
};

/**
 * As `KeyvPmem`, with the contract of Keyv 6: times are absolute, and methods for many keys return a boolean for each.
 * For Keyv 6 alone: Keyv 5 gives relative times, which here are an error.
 *
 * @throws As `KeyvPmem`. Keyv 6 makes an event 'error' of everything that a method throws.
 */
export class KeyvPmemV6 extends KeyvPmemStore {
	/** What Keyv 6 asks for, to know that it needs no bridge. */
	get capabilities(): KeyvPmemCapabilities {
		return capabilities;
	}

	/**
	 * Stores a value.
	 *
	 * @param expires When the entry stops being fresh, in milliseconds since 1970. What is over already is not stored, and
	 *   removes what was there. The time that is left is measured by a clock that nobody can set. Default: the `ttl` of
	 *   the cache.
	 * @returns Whether it was stored: false if it is too large and the cache has `tooLarge: 'skip'`.
	 * @throws RangeError ERR_OUT_OF_RANGE if `expires` can only be a relative time.
	 */
	async set(key: string, value: unknown, expires?: number): Promise<boolean> {
		return this.put(key, value, ttlOf(expires));
	}

	/** `set` of each entry, and whether it was stored. What fails is an event 'error', and false. */
	async setMany(entries: { key: string; value?: unknown; expires?: number | undefined }[]): Promise<boolean[]> {
		return this.putMany<Entry>(entries, ({ key, value, expires, ttl }) => {
			// Keyv 6 gives none. That of Keyv 5 would be lost, and the entry would stay for ever.
			if (ttl !== undefined && ttl !== null) throw relativeTime('ttl', ttl);
			return this.put(key, value, ttlOf(expires));
		});
	}

	/** Removes entries. Whether there was one, for each key. */
	async deleteMany(keys: string[]): Promise<boolean[]> {
		return this.remove(keys);
	}
}

interface Entry {
	key: string;
	value?: unknown;
	expires?: number | undefined;
	/** What Keyv 5 would give. */
	ttl?: number;
}

const relativeTime = (name: string, time: number) =>
	outOfRange(name, 'a time since 1970, as Keyv 6 gives it; KeyvPmem is for Keyv 5', time);

function ttlOf(expires: number | undefined): number | undefined {
	if (expires === undefined || expires === null) return undefined;
	const now = Date.now();
	// If Keyv 5 had this store, nothing would ever be found in it, and nobody would know why.
	if (expires > 0 && expires < now / 2) throw relativeTime('expires', expires);
	return expires - now;
}
