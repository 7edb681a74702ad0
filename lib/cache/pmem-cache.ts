// PmemCache: a cache whose entries are in a kind, where the garbage collector does not see them.
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { type InspectOptions, inspect, types } from 'node:util';
import { requireBoolean, requireFunction, requireInteger, requireIterable, requireOptions } from '../arguments.ts';
import { daxkindError, illegalConstructor, invalidArgType, invalidState, systemError } from '../errors.ts';
import { FastBuffer } from '../fast-buffer.ts';
import { requireSignal } from '../jobs.ts';
import { insideOf, Kind, type KindInside, PmemKind, type SharedKind } from '../kind/index.ts';
import { type CacheHold, isPeek, type NativeCacheStats, results, takesStale } from '../native/caches.ts';
import { native } from '../native.ts';
import { decode, encode, encodings } from './encoding.ts';
import { tellCacheClosed, tellCacheCreated } from './events.ts';
import { hearEvictions, isChannelHeard, unhearEvictions } from './evictions.ts';
import { Fetches, type PmemCacheFetcher } from './fetching.ts';
import { listKeys, nameOfKey, type PmemCacheKey } from './keys.ts';
import { makeLease, type PmemCacheLease } from './lease.ts';
import { noteCache } from './living.ts';
import {
	type CheckedOptions,
	type CheckedThread,
	checkGetOptions,
	checkOptions,
	checkThreadOptions,
	lifetimeOf,
	type PmemCacheGetOptions,
	type PmemCacheOptions,
	type PmemCacheSetOptions,
	type PmemCacheThreadOptions,
} from './options.ts';
import { Pool } from './pool.ts';
import type { PmemCacheStats } from './stats.ts';
import { writeDraft } from './streams.ts';

const { ENOENT, EFBIG, ENOMEM, ENOSPC, EDQUOT, EAGAIN } = constants.errno;
/** Not among Node's constants: "Memory page has hardware error". */
const EHWPOISON = 133;

/** Bytes that each entry takes beside its value and its key. */
const headerSize = 32;

/** A cache, for `PmemCache.attach` in another thread of this process. `cache.share()` makes it. */
export interface SharedPmemCache {
	readonly type: 'daxkind.PmemCache';
	readonly kind: SharedKind;
	readonly process: number;
	readonly number: number;
	readonly secret: string;
	readonly name: string;
}

export interface PmemCacheWriteOptions extends PmemCacheSetOptions {
	/** How many bytes will be written, if that is known: room is made for them at once. Default 0. */
	size?: number;
}

const writeNames = ['ttl', 'staleTtl', 'size'] as const;

export interface PmemCacheFetchOptions extends PmemCacheSetOptions {
	/** Ends the waiting. The fetcher's own signal aborts when nobody waits any more. */
	signal?: AbortSignal;
	/** Call the fetcher even if there is a fresh entry. Default false. */
	forceRefresh?: boolean;
}

/** This key is known here alone, so that nobody else makes caches. */
const makersKey = Symbol('PmemCache');

/** What a cache of this thread is made of. */
interface Origin {
	hold: CacheHold;
	/** This thread's own hold on the kind. */
	kind: Kind;
	name: string;
	options: CheckedThread;
}

/** The memory into which native code puts what it finds. Made with the first cache. */
let found: Float64Array | undefined;

/** What hears of the evictions of a cache. */
const listeners = new WeakMap<object, object>();

/** Caches that nobody has closed. Their kinds warn. */
const unclosed = new FinalizationRegistry<number>((id) => {
	unhearEvictions(id);
	native.cacheClose(id);
});

/** Caches that have leases. They stay, because somebody may still use the memory of a lease that he has dropped. */
const leasing = new Set<object>();

export class PmemCache<V = unknown> implements Disposable {
	readonly name: string;
	readonly maxSize: number;
	readonly maxEntries: number;
	readonly policy: 's3-fifo' | 'lru';
	#id: number;
	#number: number;
	#kind: Kind;
	#inside: KindInside;
	#options: CheckedThread;
	#found: Float64Array;
	#pool = new Pool();
	#fetches = new Fetches<V>();
	#leases = 0;
	#isOpen = true;

	/** Not for callers: see `create` and `attach`. */
	private constructor(key: typeof makersKey, origin: Origin) {
		if (key !== makersKey) throw illegalConstructor('PmemCache.create(directory)');
		const { hold, kind, name, options } = origin;
		this.name = name;
		this.maxSize = hold.maxSize;
		this.maxEntries = hold.maxEntries >= Number.MAX_SAFE_INTEGER ? Number.POSITIVE_INFINITY : hold.maxEntries;
		this.policy = hold.policy;
		this.#id = hold.id;
		this.#number = hold.number;
		this.#kind = kind;
		this.#inside = insideOf(kind);
		this.#options = options;
		found ??= new Float64Array(native.cacheResults());
		this.#found = found;
		if (options.onEvict !== undefined || isChannelHeard()) {
			const listener = { cache: this, onEvict: options.onEvict };
			// It lives as long as this cache.
			listeners.set(this, listener);
			hearEvictions(hold.id, listener);
		}
		unclosed.register(this, hold.id, this);
		// Without its hold on the kind, the cache could not show its memory.
		this.#inside.serveCache(() => this.close());
	}

	/**
	 * Makes a cache.
	 *
	 * It blocks as `PmemKind.create` does, if it is given a directory: for some system calls.
	 *
	 * @param place A directory, best of a DAX file system, in which the cache makes a PmemKind of its own. It has room
	 *   for an eighth more than `maxSize`, because blocks never fill a kind without a gap. Or a kind of any class, which
	 *   may be used for other things, too. It lives as long as the cache, even if it is closed before.
	 * @throws As `PmemKind.create`; TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, RangeError ERR_OUT_OF_RANGE
	 *   for the options; SystemError of mmap: ENOMEM.
	 */
	static create<V = unknown>(place: string | URL | Kind, options?: PmemCacheOptions): PmemCache<V> {
		const checked = checkOptions(options);
		const kind = place instanceof Kind ? Kind.attach(place.share()) : kindFor(place, checked);
		const most = Math.floor((kind.capacity / 16) * 15);
		const { maxSize = most, maxEntries, isLru, name = kind.name } = checked;
		return PmemCache.#make(
			kind,
			name,
			checked,
			() => native.cacheCreate(insideOf(kind).id, Math.min(maxSize, kind.capacity), maxEntries, isLru)!,
		);
	}

	/**
	 * Joins a cache that another thread of this process has shared.
	 *
	 * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE for what `share` did not make.
	 * @throws Error ERR_DAXKIND_KIND_GONE, ERR_DAXKIND_CACHE_GONE if every thread has closed it.
	 */
	static attach<V = unknown>(shared: SharedPmemCache, options?: PmemCacheThreadOptions): PmemCache<V> {
		const given = shared as Partial<SharedPmemCache> | null | undefined;
		if (given?.type !== 'daxkind.PmemCache') throw invalidArgType('shared', 'what cache.share() returns', shared);
		const checked = checkThreadOptions(options);
		const { process, number, secret, name } = shared;
		const kind = Kind.attach(shared.kind);
		return PmemCache.#make(kind, String(name), checked, () => {
			const hold = native.cacheAttach(insideOf(kind).id, process, number, secret);
			if (hold !== undefined) return hold;
			throw daxkindError(
				'ERR_DAXKIND_CACHE_GONE',
				'There is no such cache in this process: every thread that held it has closed it, another process made it, or it is not of that kind',
			);
		});
	}

	static #make<V>(kind: Kind, name: string, options: CheckedThread, make: () => CacheHold): PmemCache<V> {
		try {
			const cache = new PmemCache<V>(makersKey, { hold: make(), kind, name, options });
			noteCache(cache);
			tellCacheCreated(cache);
			return cache;
		} catch (error) {
			kind.close();
			throw error;
		}
	}

	/** A plain object for `postMessage`, with which other threads of this process join by `PmemCache.attach`. */
	share(): SharedPmemCache {
		this.#checkOpen();
		const [process, secret] = native.cacheShare(this.#id)!;
		const { name } = this;
		return { type: 'daxkind.PmemCache', kind: this.#kind.share(), process, number: this.#number, secret, name };
	}

	// ---- Reading ----------------------------------------------------------------------------------------------------

	/**
	 * The value of a key: a copy, which is safe for ever. undefined if there is no fresh entry.
	 *
	 * The key is looked up in native code, which copies the value under a lock that no other key waits for, unless it
	 * shares one of 256. Short copies are parts of ArrayBuffers of up to 256 KiB, as Node's short Buffers are of 8 KiB
	 * ones: copy again what you keep for long, because a part keeps the whole.
	 *
	 * @throws TypeError ERR_INVALID_ARG_TYPE if the key is neither a string nor a Uint8Array; RangeError
	 *   ERR_OUT_OF_RANGE if it is longer than 1 MiB; what the deserializer throws.
	 * @throws Error ERR_INVALID_STATE after `close`.
	 */
	get(key: PmemCacheKey, options?: PmemCacheGetOptions): V | undefined {
		const status = this.#copy(key, flagsOf(options));
		return status === 0 ? this.#copied() : this.#miss(status);
	}

	/** `get` of each key. */
	getMany(keys: Iterable<PmemCacheKey>, options?: PmemCacheGetOptions): (V | undefined)[] {
		this.#checkOpen();
		const values: (V | undefined)[] = [];
		for (const key of requireIterable('keys', keys)) values.push(this.get(key, options));
		return values;
	}

	/**
	 * Calls a function with the memory of a value, without a copy. The bytes are there for the length of the call,
	 * whatever other threads do with the entry. Do not keep the Buffer, and do not write into it. For what is not a
	 * Buffer, they are the bytes of its encoding.
	 *
	 * @returns What the function returns. undefined if there is no fresh entry.
	 * @throws As `lease`; what the function throws; TypeError ERR_INVALID_RETURN_VALUE if it returns a promise, because
	 *   the memory is not there any more when the promise is settled: see `lease`.
	 */
	read<R>(key: PmemCacheKey, visit: (value: NonSharedBuffer) => R, options?: PmemCacheGetOptions): R | undefined {
		requireFunction('visit', visit);
		const status = native.cachePin(this.#id, key, flagsOf(options));
		if (status !== 0) return this.#miss(status);
		const lease = this.#found[results.lease]!;
		try {
			const result = visit(lease < 0 ? Buffer.alloc(0) : this.#leasedView());
			if (typeof (result as PromiseLike<unknown> | null | undefined)?.then === 'function') {
				// The error below is the one to be seen.
				if (types.isPromise(result)) result.catch(() => undefined);
				throw Object.assign(
					new TypeError(
						'The function given to read returned a promise. Use lease(key), which lasts until it is disposed',
					),
					{ code: 'ERR_INVALID_RETURN_VALUE' },
				);
			}
			return result;
		} finally {
			if (lease >= 0) native.cacheUnpin(this.#id, lease);
		}
	}

	/**
	 * Pins an entry and gives its memory until the lease is disposed: for what a response or a file write is still
	 * sending. undefined if there is no fresh entry. A lease that is never disposed keeps its memory until the thread
	 * closes the cache, or ends.
	 *
	 * @throws As `get`; Error ERR_DAXKIND_TOO_MANY_LEASES if the entry has 65,535 of them.
	 */
	lease(key: PmemCacheKey, options?: PmemCacheGetOptions): PmemCacheLease | undefined {
		const status = native.cachePin(this.#id, key, flagsOf(options));
		if (status !== 0) return this.#miss(status);
		const lease = this.#found[results.lease]!;
		const isStale = this.#found[results.isStale] === 1;
		if (lease < 0) return makeLease(Buffer.alloc(0), isStale, () => undefined);
		const view = this.#leasedView();
		if (this.#leases++ === 0) leasing.add(this);
		return makeLease(view, isStale, () => {
			if (--this.#leases === 0) leasing.delete(this);
			native.cacheUnpin(this.#id, lease);
		});
	}

	/**
	 * A stream of the bytes of a value: `createReadStream` of a lease, which see for its errors. undefined if there is
	 * no fresh entry.
	 */
	createReadStream(key: PmemCacheKey, options?: PmemCacheGetOptions): Readable | undefined {
		return this.lease(key, options)?.createReadStream();
	}

	/** Whether there is a fresh entry. It counts as no use of the entry. */
	has(key: PmemCacheKey): boolean {
		this.#checkOpen();
		return native.cacheFreshFor(this.#id, key) > 0;
	}

	/**
	 * How many milliseconds the entry stays fresh. Infinity if it stays so for ever, 0 if it is stale or not there.
	 */
	getRemainingTtl(key: PmemCacheKey): number {
		this.#checkOpen();
		return native.cacheFreshFor(this.#id, key);
	}

	// ---- Writing ----------------------------------------------------------------------------------------------------

	/**
	 * Stores a value. Other entries go if there is no room. Strings and typed arrays are stored as they are, other
	 * values as the serializer makes them.
	 *
	 * It blocks as `kind.malloc` does when the kind needs storage.
	 *
	 * @returns Whether it was stored: false if it is too large and the option `tooLarge` is 'skip', or if the medium has
	 *   lost all memory that the kind could give. A value for which there is no room leaves the key without a value.
	 * @throws As `get`; Error ERR_DAXKIND_CACHE_TOO_LARGE; OutOfMemoryError if the kind would have no memory
	 *   with nothing left to evict, because other users of the kind, or leases, have all of it;
	 *   ERR_DAXKIND_TOO_MANY_LEASES if leases keep more entries than the index has room for.
	 * @throws TypeError ERR_INVALID_ARG_TYPE for undefined, which stands for a miss; what the serializer throws.
	 */
	set(key: PmemCacheKey, value: V, options?: PmemCacheSetOptions): boolean {
		const { freshMs, staleMs } = lifetimeOf(options, this.#options);
		const { bytes, encoding } = encode(value, this.#options.serializer);
		const status = native.cacheSet(this.#id, key, bytes, encoding, freshMs, staleMs);
		if (!this.#fetches.isIdle) this.#fetches.outdate(nameOfKey(key));
		return this.#stored(status, bytes.length);
	}

	/** `set` of each pair. Returns how many were stored. */
	setMany(entries: Iterable<readonly [key: PmemCacheKey, value: V]>, options?: PmemCacheSetOptions): number {
		this.#checkOpen();
		let stored = 0;
		for (const [key, value] of requireIterable('entries', entries)) if (this.set(key, value, options)) stored++;
		return stored;
	}

	/**
	 * A stream that writes a value of unknown length into the cache's memory: up to an eighth of `maxSize`, and what
	 * becomes longer is in DRAM until it is whole. It is an entry, a Buffer, when the stream has been ended; if it is
	 * destroyed, or is garbage, before, nothing has happened. The memory of open streams is beside `maxSize`.
	 *
	 * An error of `set` is the stream's error, also if `tooLarge` is 'skip'; and ERR_DAXKIND_MEDIA_ERROR if the medium
	 * has lost a page of what was written.
	 *
	 * @throws As `get`; TypeError ERR_INVALID_ARG_TYPE, RangeError ERR_OUT_OF_RANGE for the options.
	 */
	createWriteStream(key: PmemCacheKey, options?: PmemCacheWriteOptions): Writable {
		const { size = 0, ...times } = requireOptions<PmemCacheWriteOptions>('options', options, writeNames);
		requireInteger('options.size', size);
		const { freshMs, staleMs } = lifetimeOf(times, this.#options);
		// Refuses a wrong key now.
		this.has(key);
		// The caller may write into his Buffer while the stream is open.
		const own = ownKey(key);
		const id = this.#id;
		let draft = -1;
		let written = 0;
		const check = (status: number, length: number) => {
			// The key has no entry any more.
			if (status < 0) this.#fetches.outdate(nameOfKey(own));
			this.#stored(status, length, true);
		};
		return writeDraft({
			begin: () => {
				draft = native.cacheBegin(id, own, size);
				check(draft, size);
			},
			append: (bytes) => {
				written += bytes.length;
				check(native.cacheAppend(id, draft, bytes), written);
			},
			publish: () => {
				this.#fetches.outdate(nameOfKey(own));
				check(native.cachePublish(id, draft, encodings.buffer, freshMs, staleMs), written);
			},
			dispose: () => {
				if (draft >= 0) native.cacheAbandon(id, draft);
			},
		});
	}

	/**
	 * The value of a key, and if there is no fresh entry, what the fetcher makes of it, which is stored. All who wait
	 * for the same key in this thread wait for one call. If there is a stale entry, it is returned at once, and the
	 * fetcher refreshes it for the next ones. What the fetcher gives is not stored if the key has been set or deleted by
	 * this thread meanwhile, nor if it is undefined, nor if there is no room for it.
	 *
	 * All who wait get the same object. A fetcher that waits for `fetch` of its own key waits for ever.
	 *
	 * @throws What the fetcher throws; the signal's reason; as `get`; as `set`, but for the errors that say that there is
	 *   no room.
	 */
	async fetch(
		key: PmemCacheKey,
		fetcher: PmemCacheFetcher<V>,
		options?: PmemCacheFetchOptions,
	): Promise<V | undefined> {
		requireFunction('fetcher', fetcher);
		const known = ['ttl', 'staleTtl', 'signal', 'forceRefresh'] as const;
		const given = requireOptions<PmemCacheFetchOptions>('options', options, known);
		const { signal, forceRefresh = false } = given;
		requireSignal('options.signal', signal);
		requireBoolean('options.forceRefresh', forceRefresh);
		const times: PmemCacheSetOptions = {};
		if (given.ttl !== undefined) times.ttl = given.ttl;
		if (given.staleTtl !== undefined) times.staleTtl = given.staleTtl;
		lifetimeOf(times, this.#options);
		const status = this.#copy(key, takesStale);
		// Asked before the value is made, because the deserializer may look up other keys.
		const isFresh = status === 0 && this.#found[results.isStale] === 0;
		const stale = status === 0 ? this.#copied() : this.#miss(status);
		if (isFresh && stale !== undefined && !forceRefresh) return stale;
		// The caller may write into his Buffer while the fetcher works.
		const own = ownKey(key);
		const store = (value: V) => {
			try {
				if (this.#isOpen) this.set(own, value, times);
			} catch (error) {
				// Those who wait want the value, and do not mind whether it is kept.
				if (!isNoRoom(error)) throw error;
			}
		};
		const make = (aborted: AbortSignal) => fetcher(own, { signal: aborted, stale });
		const name = nameOfKey(own);
		if (stale === undefined || forceRefresh) return await this.#fetches.join(name, make, store, signal);
		this.#fetches.refresh(name, make, store);
		return stale;
	}

	/** Removes an entry. Whether there was one, fresh or stale. */
	delete(key: PmemCacheKey): boolean {
		this.#checkOpen();
		const isThere = native.cacheDelete(this.#id, key);
		if (!this.#fetches.isIdle) this.#fetches.outdate(nameOfKey(key));
		return isThere;
	}

	/** Removes all entries at once. Another thread gives their memory back to the kind. */
	clear(): void {
		this.#checkOpen();
		this.#fetches.outdateAll();
		native.cacheClear(this.#id);
	}

	// ---- Looking around ---------------------------------------------------------------------------------------------

	/** How many entries there are. One that has expired is counted until it is noticed, some milliseconds later. */
	get size(): number {
		this.#checkOpen();
		return native.cacheSize(this.#id)!;
	}

	/** How many bytes of the kind the entries take. */
	get bytes(): number {
		return this.#nativeStats().bytes;
	}

	/** How the cache is used, by all threads since it was made. */
	stats(): PmemCacheStats {
		const stats = this.#nativeStats();
		const lookups = stats.hits + stats.misses;
		const { maxSize, maxEntries } = this;
		return { ...stats, maxSize, maxEntries, hitRatio: lookups === 0 ? 0 : stats.hits / lookups };
	}

	/**
	 * The keys, in no order, while the cache may change. A key that is there from the first to the last is given
	 * exactly once.
	 */
	keys(): Generator<string | NonSharedBuffer, undefined> {
		this.#checkOpen();
		return listKeys(this.#id, () => this.#checkOpen());
	}

	/** The keys and copies of their values. It counts as no use of the entries. */
	entries(): Generator<[string | NonSharedBuffer, V], undefined> {
		return this.#entriesOf(this.keys());
	}

	/** As `entries`, without the keys. */
	values(): Generator<V, undefined> {
		return secondOf(this.entries());
	}

	[Symbol.iterator](): Generator<[string | NonSharedBuffer, V], undefined> {
		return this.entries();
	}

	/** True after `close`. */
	get closed(): boolean {
		return !this.#isOpen;
	}

	/**
	 * Lets go of the cache. Its leases end, and their Buffers have length 0. The last thread frees the entries: with the
	 * kind, if the cache made it. Closing twice is no error. Await operations that were given a lease first.
	 */
	close(): void {
		if (!this.#isOpen) return;
		this.#isOpen = false;
		unclosed.unregister(this);
		leasing.delete(this);
		unhearEvictions(this.#id);
		this.#fetches.outdateAll();
		native.cacheClose(this.#id);
		this.#kind.close();
		tellCacheClosed(this);
	}

	[Symbol.dispose](): void {
		this.close();
	}

	/** What console.log shows: its limits, and how full it is. */
	[inspect.custom](depth: number, options: InspectOptions): string {
		// What only has the prototype can be shown, too.
		if (!(#isOpen in this)) return 'PmemCache {}';
		const { name, policy, maxSize, maxEntries } = this;
		const shown = this.#isOpen
			? { name, policy, maxSize, maxEntries, entries: this.size, bytes: this.bytes, closed: false }
			: { name, policy, maxSize, maxEntries, closed: true };
		return `PmemCache ${inspect(shown, { ...options, depth })}`;
	}

	declare readonly [Symbol.toStringTag]: string;
	static {
		Object.defineProperty(PmemCache.prototype, Symbol.toStringTag, { value: 'PmemCache', configurable: true });
	}

	// ---- Slow paths -------------------------------------------------------------------------------------------------

	*#entriesOf(keys: Iterable<string | NonSharedBuffer>): Generator<[string | NonSharedBuffer, V], undefined> {
		for (const key of keys) {
			const value = this.get(key, { peek: true });
			if (value !== undefined) yield [key, value];
		}
	}

	#checkOpen(): void {
		if (!this.#isOpen) throw invalidState('the cache is closed');
	}

	#nativeStats(): NativeCacheStats {
		this.#checkOpen();
		return native.cacheStats(this.#id)!;
	}

	/** The memory of the value that has just been pinned. */
	#leasedView(): NonSharedBuffer {
		const at = this.#found;
		return this.#inside.views.plain(at[results.segment]!, at[results.offset]!, at[results.length]!);
	}

	/** Copies a value into the pool, or pins it if it is too long. 0, or why there is none. */
	#copy(key: PmemCacheKey, flags: number): number {
		const pool = this.#pool;
		pool.prepare();
		let status = native.cacheGet(this.#id, key, flags, pool.memory, pool.at);
		// It is too long for the pool, and has all the leases that it may have.
		while (status === -EAGAIN) {
			pool.prepare(this.#found[results.length]);
			status = native.cacheGet(this.#id, key, flags, pool.memory, pool.at);
		}
		return status;
	}

	/** The value that #copy has just copied, or pinned because it was too long for the pool. */
	#copied(): V | undefined {
		const pool = this.#pool;
		const length = this.#found[results.length]!;
		const encoding = this.#found[results.encoding]!;
		const lease = this.#found[results.lease]!;
		if (lease >= 0) return this.#copyLeased(lease, length, encoding);
		const at = pool.take(length);
		if (encoding === encodings.buffer) return new FastBuffer(pool.buffer, at, length) as V;
		return decode(encoding, pool.memory, at, length, this.#options.serializer) as V;
	}

	/** Copies a value that was too long for the pool. */
	#copyLeased(lease: number, length: number, encoding: number): V | undefined {
		try {
			const bytes = Buffer.allocUnsafeSlow(length);
			if (!native.cacheCopy(this.#id, lease, bytes)) return undefined;
			return decode(encoding, bytes, 0, length, this.#options.serializer) as V;
		} finally {
			native.cacheUnpin(this.#id, lease);
		}
	}

	#miss(status: number): undefined {
		if (status === -ENOENT) return undefined;
		this.#checkOpen();
		if (status === -EAGAIN) {
			throw daxkindError('ERR_DAXKIND_TOO_MANY_LEASES', 'This entry has 65,535 leases; dispose some of them');
		}
		throw systemError(status, 'mmap', this.#kind.path);
	}

	/** Throws what a status of native code says about storing so many bytes. */
	#stored(status: number, length: number, isStream = false): boolean {
		if (status >= 0) return true;
		this.#checkOpen();
		if (status === -EHWPOISON) {
			// The medium has lost all memory that was to be had.
			if (!isStream) return false;
			throw daxkindError('ERR_DAXKIND_MEDIA_ERROR', 'The medium has lost a page of the value that was being written');
		}
		if (status === -EFBIG) {
			if (this.#options.isSkipping && !isStream) return false;
			throw daxkindError(
				'ERR_DAXKIND_CACHE_TOO_LARGE',
				`A value of ${length} bytes does not fit into the cache '${this.name}', whose maxSize is ${this.maxSize} bytes`,
			);
		}
		if (status === -EAGAIN) {
			throw daxkindError(
				'ERR_DAXKIND_TOO_MANY_LEASES',
				'Leases have all entries that there can be; dispose some of them',
			);
		}
		if (status === -ENOMEM || status === -ENOSPC || status === -EDQUOT) {
			return this.#inside.outOfMemory(length + headerSize, status);
		}
		throw systemError(status, this.#kind.type === 'node' ? 'madvise' : 'fallocate', this.#kind.path);
	}
}

function* secondOf<T>(pairs: Iterable<readonly [unknown, T]>): Generator<T, undefined> {
	for (const [, value] of pairs) yield value;
}

/** A key that nobody else can change. */
function ownKey(key: PmemCacheKey): PmemCacheKey {
	return typeof key === 'string' ? key : Buffer.from(key);
}

/** Whether `set` has found no room for a value. */
function isNoRoom(error: unknown): boolean {
	const code = (error as { code?: unknown } | null | undefined)?.code;
	return (
		code === 'ERR_DAXKIND_CACHE_TOO_LARGE' ||
		code === 'ERR_DAXKIND_OUT_OF_MEMORY' ||
		code === 'ERR_DAXKIND_TOO_MANY_LEASES'
	);
}

/** A kind for a cache alone. */
function kindFor(directory: string | URL, { maxSize, name }: CheckedOptions): Kind {
	const named = name === undefined ? {} : { name };
	if (maxSize === undefined) return PmemKind.create(directory, named);
	const slack = Math.max(16 * 2 ** 20, Math.ceil(maxSize / 8));
	return PmemKind.create(directory, { maxSize: maxSize + slack, ...named });
}

function flagsOf(options: PmemCacheGetOptions | undefined): number {
	if (options === undefined) return 0;
	const { allowStale, peek } = checkGetOptions(options);
	return (allowStale ? takesStale : 0) | (peek ? isPeek : 0);
}
