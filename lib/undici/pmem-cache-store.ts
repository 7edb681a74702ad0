// PmemCacheStore: where undici's cache keeps responses. entries.ts says how they are stored.
import { EventEmitter } from 'node:events';
import { nextTick } from 'node:process';
import type { Writable } from 'node:stream';
import { threadId } from 'node:worker_threads';
import { requireOptions } from '../arguments.ts';
import { PmemCache, type PmemCacheOptions } from '../cache/index.ts';
import { unknownOption } from '../errors.ts';
import type { Kind } from '../kind/index.ts';
import { bodyOf } from './body.ts';
import { decode, type Entry, encodeHead, encodeList, isFor, isLive, type Variant } from './entries.ts';
import type { CacheKey, CacheValue, GetResult } from './interface.ts';
import {
	cacheNames,
	checkStoreOptions,
	optionNames,
	type PmemCacheStoreOptions,
	requireKey,
	requireValue,
} from './options.ts';
import { writeBody } from './writing.ts';

/** The methods whose responses undici stores. */
const storedMethods = ['GET', 'HEAD', 'OPTIONS', 'TRACE'];

/** The most variants in a list. More of them than any negotiation has are mistakes, like `Vary: Cookie`. */
const mostListed = 255;

/** A look-up that is a part of another one. */
const peek = { peek: true };

/** Each store has a number in its thread, and each thread one in the process. */
let stores = 0;

/** No address and no method has this character. */
const separator = '\0';
const keyOf = (method: string, { origin, path }: CacheKey) =>
	`undici${separator}${method}${separator}${origin}${separator}${path}`;
const listKeyOf = (name: string) => `${name}${separator}list`;
/** Nothing is ever there. */
const missingKeyOf = (name: string) => `${name}${separator}`;

/**
 * undici's CacheStore, in a PmemCache: `interceptors.cache({ store: new PmemCacheStore('/mnt/pmem') })`. For undici 7
 * and 8.
 *
 * `get` and `delete` do their work at once, in this thread. `get` copies a body of up to 64 KiB; a longer one is a
 * stream over a lease, which reads 64 KiB at a time. A body that is written goes straight into the memory of the cache.
 *
 * Threads share responses: each makes a store over `PmemCache.attach(shared)`.
 */
export class PmemCacheStore extends EventEmitter<{ maxSizeExceeded: [PmemCacheStoreLimits] }> implements Disposable {
	/** Where the responses are. */
	readonly cache: PmemCache;
	#isOwn: boolean;
	#mostCount: number;
	#mostSize: number;
	#mostBody: number;
	#report: (error: Error) => void;
	#name = `undici${separator}${separator}${threadId}.${++stores}.`;
	#written = 0;
	/** The streams of this store that write responses that vary, by the keys of their addresses. */
	#begun = new Map<string, WeakRef<Writable>>();
	/** How many entries the cache had evicted when that was looked at last; undefined while it is known to be full. */
	#evicted: number | undefined;

	/**
	 * It blocks as `PmemCache.create` does, if it is given a place for a cache of its own.
	 *
	 * @param place A cache, which may have other entries, too. Or a directory or a kind, for a cache of its own.
	 * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE for the options; as `PmemCache.create`.
	 */
	constructor(place: PmemCache | string | URL | Kind, options?: PmemCacheStoreOptions) {
		super();
		const given = requireOptions<PmemCacheStoreOptions>('options', options, optionNames);
		checkStoreOptions(given);
		const { maxCount, maxSize, name, maxEntrySize = Number.POSITIVE_INFINITY, errorCallback = () => undefined } = given;
		this.#isOwn = !(place instanceof PmemCache);
		if (place instanceof PmemCache) {
			const wrong = cacheNames.find((one) => given[one] !== undefined);
			const hint = 'A store over a PmemCache takes neither sizes nor a name, because the cache has them';
			if (wrong !== undefined) throw unknownOption(`options.${wrong}`, hint);
			this.cache = place;
		} else {
			const cacheOptions: PmemCacheOptions = {};
			// 0 stores nothing, which a cache cannot say.
			if (maxCount) cacheOptions.maxEntries = maxCount;
			if (maxSize) cacheOptions.maxSize = maxSize;
			if (name !== undefined) cacheOptions.name = name;
			this.cache = PmemCache.create(place, cacheOptions);
		}
		this.#mostCount = maxCount ?? this.cache.maxEntries;
		this.#mostSize = maxSize ?? this.cache.maxSize;
		this.#mostBody = maxEntrySize;
		// Nobody catches what it throws, as with listeners of events: least of all the request.
		this.#report = (error) => nextTick(errorCallback, error);
		this.#evicted = this.cache.stats().evicted;
	}

	/**
	 * The stored response for a request: of the same method and address, not yet to be deleted, and with the same values
	 * of all headers that it varies with. It may be stale.
	 *
	 * @throws TypeError ERR_INVALID_ARG_TYPE for what is no key. All else that goes wrong is a miss.
	 */
	get(key: CacheKey): GetResult | undefined {
		requireKey(key);
		return this.#attempt(() => {
			const name = keyOf(key.method, key);
			let id = name;
			let found = this.#open(key, id);
			if (found === undefined) {
				const variant = this.#listOf(name).find((one) => isFor(key, one));
				if (variant !== undefined) {
					id = variant.id;
					found = this.#open(key, id);
				}
			}
			this.#count(name, found && id);
			return found;
		});
	}

	/**
	 * A stream that stores a response when it has been ended. It takes the place of the one that `get` gives for the
	 * same key. If there is no room, or the body is too long, the stream destroys itself without an error.
	 *
	 * @returns undefined if the response cannot be stored.
	 * @throws TypeError ERR_INVALID_ARG_TYPE for what is no key or no value.
	 */
	createWriteStream(key: CacheKey, value: CacheValue): Writable | undefined {
		requireKey(key);
		requireValue(value);
		const ttl = value.deleteAt - Date.now();
		if (!(ttl > 0) || this.#mostCount === 0 || this.#mostSize === 0) return undefined;
		return this.#attempt(() => {
			const name = keyOf(key.method, key);
			const isVaried = Object.keys(value.vary ?? {}).length > 0;
			const id = isVaried && this.#isTaken(name, key) ? this.#name + ++this.#written : name;
			const draft = this.cache.createWriteStream(id, { ttl, staleTtl: 0 });
			draft.write(encodeHead(value));
			const published = () => {
				const listed = id === name ? undefined : { id, vary: value.vary!, deleteAt: value.deleteAt };
				// A response for all requests takes the place of all variants.
				this.#list(name, (one) => !isVaried || isFor(key, one), listed);
				const first = listed && this.#firstOf(name);
				// One for the same request was written at the same time.
				if (first !== undefined && isFor(key, first)) this.cache.delete(name);
				this.#watchSize();
			};
			const failed = (error: Error & { code?: string }) => {
				// A body that is too long is nothing to tell.
				if (error.code !== 'ERR_DAXKIND_CACHE_TOO_LARGE') this.#report(error);
			};
			const isThere = () => !this.cache.closed && this.cache.has(id);
			const stream = writeBody({ draft, most: this.#mostBody, isThere, published, failed });
			if (isVaried && id === name) {
				// Whoever drops the stream does not close it.
				const begun = new WeakRef(stream);
				this.#begun.set(name, begun);
				stream.once('close', () => {
					if (this.#begun.get(name) === begun) this.#begun.delete(name);
				});
			}
			return stream;
		});
	}

	/**
	 * Removes all responses of an address: those of all methods, and all variants.
	 *
	 * @throws TypeError ERR_INVALID_ARG_TYPE for what is no key.
	 */
	delete(key: CacheKey): void {
		requireKey({ ...key, method: key?.method ?? '' });
		this.#attempt(() => {
			for (const method of new Set([...storedMethods, key.method])) {
				const name = keyOf(method, key);
				this.cache.delete(name);
				this.#list(name, () => true);
			}
			return undefined;
		});
	}

	/** Closes the cache, if this store made it. Responses that are being read end with an error. */
	close(): void {
		if (this.#isOwn) this.cache.close();
	}

	[Symbol.dispose](): void {
		this.close();
	}

	/** A cache that fails must not fail the request. */
	#attempt<T>(action: () => T): T | undefined {
		try {
			return action();
		} catch (error) {
			this.#report(error as Error);
			return undefined;
		}
	}

	/**
	 * Counts one request in the statistics of the cache: a miss, or a hit and a use of the response. With each use the
	 * cache counts a hit, so a response that is in a list and its list, which both are used, are used in turns. Chance
	 * has the turns, because requests may have an order.
	 */
	#count(name: string, id: string | undefined): void {
		let used = id ?? missingKeyOf(name);
		if (id !== undefined && id !== name && Math.random() < 0.5) used = listKeyOf(name);
		this.cache.read(used, () => undefined);
	}

	/** What an entry says of itself. */
	#entryAt(id: string): Entry | undefined {
		return this.cache.read(id, decode, peek);
	}

	/** Opens a response, if it may be served for the request. */
	#open(key: CacheKey, id: string): GetResult | undefined {
		const lease = this.cache.lease(id, peek);
		if (lease === undefined) return undefined;
		const entry = decode(lease.value!);
		if (entry === undefined || !('head' in entry) || !isFor(key, entry.head)) {
			lease.dispose();
			return undefined;
		}
		const { head, bodyAt } = entry;
		const body = bodyOf(lease, bodyAt);
		return body && { ...head, cacheControlDirectives: head.cacheControlDirectives ?? {}, body };
	}

	/** Whether the key of an address has a response for other requests, or will have one soon. */
	#isTaken(name: string, key: CacheKey): boolean {
		if (this.#begun.get(name)?.deref()?.destroyed === false) return true;
		const first = this.#firstOf(name);
		return first !== undefined && isLive(first) && !isFor(key, first);
	}

	/** The head of the response under the key of an address. */
	#firstOf(name: string): CacheValue | undefined {
		const entry = this.#entryAt(name);
		return entry !== undefined && 'head' in entry ? entry.head : undefined;
	}

	/** The variants in the list of an address, the newest first. */
	#listOf(name: string): Variant[] {
		const entry = this.#entryAt(listKeyOf(name));
		return entry !== undefined && 'variants' in entry ? entry.variants : [];
	}

	/**
	 * Removes variants from the list of an address, and from the cache, and lists a new one. If two threads do this at
	 * once, one of two new variants may not be listed: then it is as if it had been evicted.
	 */
	#list(name: string, isRemoved: (variant: Variant) => boolean, added?: Variant): void {
		const before = this.#listOf(name);
		const kept = before.filter((variant) => isLive(variant) && !isRemoved(variant));
		if (added === undefined && kept.length === before.length) return;
		const variants = (added === undefined ? kept : [added, ...kept]).slice(0, mostListed);
		const ttl = Math.max(...variants.map(({ deleteAt }) => deleteAt)) - Date.now();
		if (ttl > 0) this.cache.set(listKeyOf(name), encodeList(variants), { ttl, staleTtl: 0 });
		else this.cache.delete(listKeyOf(name));
		const ids = new Set(variants.map(({ id }) => id));
		for (const { id } of before) if (!ids.has(id)) this.cache.delete(id);
	}

	/** Emits 'maxSizeExceeded' when the cache begins to evict: once, and again after it was half empty. */
	#watchSize(): void {
		const { evicted, bytes, entries } = this.cache.stats();
		if (this.#evicted === undefined) {
			const isRoomy = bytes <= this.#mostSize / 2 && entries <= this.#mostCount / 2;
			if (isRoomy) this.#evicted = evicted;
		} else if (evicted > this.#evicted) {
			this.#evicted = undefined;
			this.emit('maxSizeExceeded', { size: bytes, maxSize: this.#mostSize, count: entries, maxCount: this.#mostCount });
		}
	}
}

/** What listeners of 'maxSizeExceeded' get: how full the cache is. Sizes are in bytes. */
export interface PmemCacheStoreLimits {
	size: number;
	maxSize: number;
	count: number;
	maxCount: number;
}
