// The options of a PmemCacheStore, and the keys and values that undici gives it. Wrong ones are TypeErrors, as undici's
// own stores have it.
import { requireCallback } from '../arguments.ts';
import { invalidArgType, invalidArgValue } from '../errors.ts';
import type { CacheKey, CacheValue } from './interface.ts';

/** The options of every store. */
export interface PmemCacheStoreOptions {
	/**
	 * The most responses, for a store that makes its own cache. An address with several variants counts one more. Default:
	 * no limit.
	 */
	maxCount?: number;
	/** The most bytes, heads included, for a store that makes its own cache. Default: 15/16 of what its kind can hold. */
	maxSize?: number;
	/** A name for metrics and messages, for a store that makes its own cache. Default: its kind's name. */
	name?: string;
	/** The longest body that is stored, in bytes. Default: what the cache can hold. */
	maxEntrySize?: number;
	/**
	 * Called soon after each error of the cache: no memory, a closed cache. The request goes on as if there were no store.
	 * What the callback throws is an uncaught exception. Default: nobody is told.
	 */
	errorCallback?: (error: Error) => void;
}

/** What only a store takes that makes its own cache. */
export const cacheNames = ['maxCount', 'maxSize', 'name'] as const;
export const optionNames = [...cacheNames, 'maxEntrySize', 'errorCallback'] as const;

export function checkStoreOptions(given: Partial<PmemCacheStoreOptions>): void {
	for (const name of ['maxCount', 'maxSize', 'maxEntrySize'] as const) {
		const value: unknown = given[name];
		if (value === undefined) continue;
		if (typeof value !== 'number') throw invalidArgType(`options.${name}`, 'of type number', value);
		if (Number.isInteger(value) && value >= 0) continue;
		throw invalidArgValue(`options.${name}`, 'a non-negative integer', value);
	}
	requireCallback('options.errorCallback', given.errorCallback);
}

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null;

export function requireKey(key: CacheKey): void {
	if (!isObject(key)) throw invalidArgType('key', 'of type object', key);
	for (const name of ['origin', 'method', 'path'] as const) {
		if (typeof key[name] !== 'string') throw invalidArgType(`key.${name}`, 'of type string', key[name]);
	}
	const { headers } = key;
	if (headers !== undefined && !isObject(headers)) throw invalidArgType('key.headers', 'of type object', headers);
}

export function requireValue(value: CacheValue): void {
	if (!isObject(value)) throw invalidArgType('value', 'of type object', value);
	for (const name of ['statusCode', 'cachedAt', 'staleAt', 'deleteAt'] as const) {
		if (typeof value[name] !== 'number') throw invalidArgType(`value.${name}`, 'of type number', value[name]);
	}
	const { statusMessage, headers, vary, etag } = value;
	if (typeof statusMessage !== 'string') throw invalidArgType('value.statusMessage', 'of type string', statusMessage);
	for (const [name, part] of Object.entries({ headers, vary })) {
		if (part !== undefined && part !== null && !isObject(part)) {
			throw invalidArgType(`value.${name}`, 'of type object', part);
		}
	}
	if (etag !== undefined && typeof etag !== 'string') throw invalidArgType('value.etag', 'of type string', etag);
}
