// The options of caches.
import {
	requireBoolean,
	requireCallback,
	requireFunction,
	requireInteger,
	requireOneOf,
	requireOptions,
} from '../arguments.ts';
import { invalidArgType, outOfRange } from '../errors.ts';
import { defaultSerializer, type PmemCacheSerializer } from './encoding.ts';

/** An entry that the cache itself has removed. */
export interface PmemCacheEviction {
	key: string | NonSharedBuffer;
	/**
	 * - `evicted`: its room was needed.
	 * - `expired`: its time was over.
	 * - `lost`: the medium has lost a page of it.
	 */
	cause: 'evicted' | 'expired' | 'lost';
	/** How many bytes of the kind it took. */
	bytes: number;
}

/** The options of one thread's hold on a cache. */
export interface PmemCacheThreadOptions {
	/** How long entries of `set` are fresh, in milliseconds, unless `set` says otherwise. Default Infinity. */
	ttl?: number;
	/**
	 * How long they are kept after that, for `get` with `allowStale` and for `fetch`, in milliseconds. Default 0.
	 */
	staleTtl?: number;
	/**
	 * What happens to a value that is larger than the cache, or than any block can be: `set` throws
	 * ERR_DAXKIND_CACHE_TOO_LARGE, or it returns false. Default 'throw'.
	 */
	tooLarge?: 'throw' | 'skip';
	/** For values that are neither strings nor typed arrays. All threads must use the same. Default node:v8. */
	serializer?: PmemCacheSerializer;
	/**
	 * Called for each entry that the cache itself has removed, by whatever thread, in a later turn of this thread's
	 * event loop. Not called for entries that were deleted, replaced or cleared. If 65,536 wait to be told, or 16 MiB of
	 * keys, the oldest of them are dropped.
	 */
	onEvict?: (eviction: PmemCacheEviction) => void;
}

export interface PmemCacheOptions extends PmemCacheThreadOptions {
	/**
	 * The most bytes that entries take, as the kind counts them: value, key and 32 bytes of header, rounded up to a
	 * block. Default: 15/16 of what the kind can hold, because its blocks never fill it without a gap.
	 */
	maxSize?: number;
	/** The most entries. Default: no limit but the bytes. */
	maxEntries?: number;
	/**
	 * Which entry goes when there is no room. 's3-fifo' finds out which entries are used again, and is not disturbed by
	 * a scan. 'lru' removes the one that was used longest ago. Default 's3-fifo'.
	 */
	policy?: 's3-fifo' | 'lru';
	/** A name for metrics and messages, also of the kind that the cache makes. Default: the kind's name. */
	name?: string;
}

/** The options of `set` and of what stores like it. */
export interface PmemCacheSetOptions {
	/** How long the entry is fresh, in milliseconds. Infinity: for ever. Default: the cache's `ttl`. */
	ttl?: number;
	/** How long it is kept after that, in milliseconds. Default: the cache's `staleTtl`. */
	staleTtl?: number;
}

const threadNames = ['ttl', 'staleTtl', 'tooLarge', 'serializer', 'onEvict'] as const;
const names = [...threadNames, 'maxSize', 'maxEntries', 'policy', 'name'] as const;
const setNames = ['ttl', 'staleTtl'] as const;

const policies = ['s3-fifo', 'lru'] as const;

/** Options of a thread, checked. Times are whole milliseconds; `ttl` 0: for ever. */
export interface CheckedThread {
	ttl: number;
	staleTtl: number;
	isSkipping: boolean;
	serializer: PmemCacheSerializer;
	onEvict: PmemCacheThreadOptions['onEvict'] | undefined;
}

/** A time as native code takes it: whole milliseconds, and 0 for ever. */
function requireTtl(name: string, value: unknown): number {
	if (typeof value !== 'number') throw invalidArgType(name, 'of type number', value);
	if (!(value > 0)) throw outOfRange(name, '> 0', value);
	return value > Number.MAX_SAFE_INTEGER ? 0 : Math.ceil(value);
}

function requireStaleTtl(name: string, value: unknown): number {
	return value === 0 ? 0 : requireTtl(name, value) || Number.MAX_SAFE_INTEGER;
}

/** Reads each option once, because a getter could say something else the next time. */
function threadOptionsOf(given: Partial<PmemCacheThreadOptions>): CheckedThread {
	const { ttl = Number.POSITIVE_INFINITY, staleTtl = 0, tooLarge = 'throw', serializer, onEvict } = given;
	requireCallback('options.onEvict', onEvict);
	const { serialize, deserialize } = serializer ?? defaultSerializer;
	requireFunction('options.serializer.serialize', serialize);
	requireFunction('options.serializer.deserialize', deserialize);
	return {
		ttl: requireTtl('options.ttl', ttl),
		staleTtl: requireStaleTtl('options.staleTtl', staleTtl),
		isSkipping: requireOneOf('options.tooLarge', tooLarge, ['throw', 'skip']) === 'skip',
		serializer: serializer ?? defaultSerializer,
		onEvict,
	};
}

export function checkThreadOptions(options: unknown): CheckedThread {
	return threadOptionsOf(requireOptions('options', options as PmemCacheThreadOptions, threadNames));
}

export interface CheckedOptions extends CheckedThread {
	maxSize: number | undefined;
	maxEntries: number;
	isLru: boolean;
	name: string | undefined;
}

export function checkOptions(options: unknown): CheckedOptions {
	const given = requireOptions('options', options as PmemCacheOptions, names);
	const { maxSize, maxEntries = Number.POSITIVE_INFINITY, policy = 's3-fifo', name } = given;
	if (maxSize !== undefined) requireInteger('options.maxSize', maxSize, 1);
	if (maxEntries !== Number.POSITIVE_INFINITY) requireInteger('options.maxEntries', maxEntries, 1);
	if (name !== undefined && typeof name !== 'string') throw invalidArgType('options.name', 'of type string', name);
	return {
		...threadOptionsOf(given),
		maxSize,
		maxEntries: Math.min(maxEntries, Number.MAX_SAFE_INTEGER),
		isLru: requireOneOf('options.policy', policy, policies) === 'lru',
		name,
	};
}

/** The lifetime of an entry, in milliseconds as native code takes it. */
export interface Lifetime {
	freshMs: number;
	staleMs: number;
}

export function lifetimeOf(options: PmemCacheSetOptions | undefined, { ttl, staleTtl }: CheckedThread): Lifetime {
	if (options === undefined) return { freshMs: ttl, staleMs: staleTtl };
	const given = requireOptions('options', options, setNames);
	return {
		freshMs: given.ttl === undefined ? ttl : requireTtl('options.ttl', given.ttl),
		staleMs: given.staleTtl === undefined ? staleTtl : requireStaleTtl('options.staleTtl', given.staleTtl),
	};
}

/** The options of `get` and of what finds like it. */
export interface PmemCacheGetOptions {
	/** Also take an entry whose `ttl` is over, as long as its `staleTtl` keeps it. Default false. */
	allowStale?: boolean;
	/** Do not count this as a use of the entry, nor in the statistics. Default false. */
	peek?: boolean;
}

const getNames = ['allowStale', 'peek'] as const;

export function checkGetOptions(options: PmemCacheGetOptions): { allowStale: boolean; peek: boolean } {
	const { allowStale = false, peek = false } = requireOptions('options', options, getNames);
	return {
		allowStale: requireBoolean('options.allowStale', allowStale),
		peek: requireBoolean('options.peek', peek),
	};
}
