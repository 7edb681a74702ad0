// What the stores for both contracts of Keyv have in common: keys with namespaces, over a PmemCache.
import { EventEmitter } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { PmemCache, type PmemCacheOptions } from '../cache/index.ts';
import { invalidArgType, invalidArgValue, unknownOption } from '../errors.ts';
import type { Kind } from '../kind/index.ts';
import { pack, unpack } from './envelopes.ts';

/** After so many keys, an iteration lets the event loop turn. They take about a millisecond. */
const keysPerTurn = 4096;

/**
 * Before the namespace and after it. No namespace has it, so two namespaces have no key in common, whatever their names
 * are. With ':' the key 'b:c' of 'a' would be the key 'c' of 'a:b'.
 */
const separator = '\0';

/** What comes before the keys of a namespace. To have none is a namespace, too: the one of no name. */
const prefixOf = (namespace: string | undefined) => `keyv${separator}${namespace ?? ''}${separator}`;

/** The options of a PmemCache, for a store that makes its own, and the namespace. */
export interface KeyvPmemOptions extends PmemCacheOptions {
	/** Comes before all keys. Keyv sets it to its own. Default: none. */
	namespace?: string;
}

/** What `KeyvPmem` and `KeyvPmemV6` have in common. */
export abstract class KeyvPmemStore extends EventEmitter implements Disposable {
	/** Where the entries are. */
	readonly cache: PmemCache;
	#isOwn: boolean;
	#namespace: string | undefined;
	#prefix = prefixOf(undefined);

	constructor(place: PmemCache | string | URL | Kind, options: KeyvPmemOptions = {}) {
		super();
		if (typeof options !== 'object' || options === null) throw invalidArgType('options', 'of type object', options);
		const { namespace, ...cacheOptions } = options;
		this.namespace = namespace;
		this.#isOwn = !(place instanceof PmemCache);
		if (place instanceof PmemCache) {
			const [wrong] = Object.keys(cacheOptions);
			const hint = 'A store over a PmemCache takes only namespace, because the cache has the others';
			if (wrong !== undefined) throw unknownOption(`options.${wrong}`, hint);
			this.cache = place;
		} else this.cache = PmemCache.create(place, cacheOptions);
	}

	/**
	 * The namespace of all calls from now on. Keyv sets it. Keyvs with different namespaces therefore need different
	 * stores; they may be stores over one PmemCache.
	 *
	 * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE if it has a null character.
	 */
	get namespace(): string | undefined {
		return this.#namespace;
	}

	set namespace(namespace: string | undefined) {
		if (namespace !== undefined && namespace !== null) {
			if (typeof namespace !== 'string') throw invalidArgType('namespace', 'of type string', namespace);
			if (namespace.includes(separator)) {
				throw invalidArgValue('namespace', 'a string without null characters', namespace);
			}
		}
		this.#namespace = namespace || undefined;
		this.#prefix = prefixOf(this.#namespace);
	}

	/** What Keyv has stored under the key: a string, or an envelope `{ value, expires }`. undefined if there is nothing. */
	async get<Value>(key: string): Promise<Value | undefined> {
		return unpack(this.cache.get(this.#keyOf(key))) as Value | undefined;
	}

	/** `get` of each key. */
	async getMany<Value>(keys: string[]): Promise<(Value | undefined)[]> {
		return keys.map((key) => unpack(this.cache.get(this.#keyOf(key))) as Value | undefined);
	}

	/** Whether there is a fresh entry. */
	async has(key: string): Promise<boolean> {
		return this.cache.has(this.#keyOf(key));
	}

	/** `has` of each key. */
	async hasMany(keys: string[]): Promise<boolean[]> {
		return keys.map((key) => this.cache.has(this.#keyOf(key)));
	}

	/** Removes an entry. Whether there was one. */
	async delete(key: string): Promise<boolean> {
		return this.cache.delete(this.#keyOf(key));
	}

	/**
	 * Removes all entries of the namespace; without one, all that were stored without one. It looks at all keys of the
	 * cache, in turns of a millisecond.
	 */
	async clear(): Promise<void> {
		for await (const key of this.#keysFrom(this.#prefix)) this.cache.delete(key);
	}

	/** The keys of a namespace, without it, and what Keyv has stored under them, in no order. */
	async *iterator<Value>(
		namespace: string | undefined = this.#namespace,
	): AsyncGenerator<(string | Awaited<Value> | undefined)[], void> {
		const prefix = prefixOf(namespace);
		for await (const key of this.#keysFrom(prefix)) {
			const value = unpack(this.cache.get(key, { peek: true })) as Awaited<Value> | undefined;
			if (value !== undefined) yield [key.slice(prefix.length), value];
		}
	}

	/** Closes the cache, if this store made it. */
	async disconnect(): Promise<void> {
		this[Symbol.dispose]();
	}

	// These two are as those of every EventEmitter, with the types that Keyv 6 wants.
	override listeners(event: string | symbol): ((...args: unknown[]) => void)[] {
		return super.listeners(event) as ((...args: unknown[]) => void)[];
	}

	override rawListeners(event: string | symbol): ((...args: unknown[]) => void)[] {
		return super.rawListeners(event) as ((...args: unknown[]) => void)[];
	}

	[Symbol.dispose](): void {
		if (this.#isOwn) this.cache.close();
	}

	/**
	 * Stores what Keyv gives.
	 *
	 * @param ttl In milliseconds. undefined: the default of the cache.
	 */
	protected put(key: string, value: unknown, ttl: number | undefined): boolean {
		const name = this.#keyOf(key);
		// What is over already replaces what was there, and so does undefined, which stands for a miss.
		if (value === undefined || (ttl !== undefined && ttl <= 0)) {
			this.cache.delete(name);
			return true;
		}
		return this.cache.set(name, pack(value), ttl === undefined ? undefined : { ttl });
	}

	/** Stores entries one by one. One that fails does not stop the others: its error is an event, and its result false. */
	protected putMany<Entry>(entries: Entry[], put: (entry: Entry) => boolean): boolean[] {
		return entries.map((entry) => {
			try {
				return put(entry);
			} catch (error) {
				// An event that nobody listens to would be thrown.
				if (this.listenerCount('error') > 0) this.emit('error', error);
				return false;
			}
		});
	}

	/** Removes entries. Whether there was one, for each. */
	protected remove(keys: string[]): boolean[] {
		return keys.map((key) => this.cache.delete(this.#keyOf(key)));
	}

	#keyOf(key: string): string {
		return this.#prefix + key;
	}

	/** The keys of the cache that begin so. */
	async *#keysFrom(prefix: string): AsyncGenerator<string, void> {
		let seen = 0;
		for (const key of this.cache.keys()) {
			if (typeof key === 'string' && key.startsWith(prefix)) yield key;
			if (++seen % keysPerTurn === 0) await setImmediate();
		}
	}
}
