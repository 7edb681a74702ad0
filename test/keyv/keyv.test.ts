// KeyvPmem and KeyvPmemV6, beyond what Keyv's published suite looks at.
import type { PmemCache } from 'daxkind/cache';
import { KeyvPmem, KeyvPmemV6 } from 'daxkind/keyv';
import { PmemCacheStore } from 'daxkind/undici';
import { Keyv as Keyv5 } from 'keyv';
import { Keyv as Keyv6, KeyvBridgeAdapter } from 'keyv-6';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { MIB } from '#lib/size.js';
import { newCache } from '../helpers/caches.ts';
import { testDirectory } from '../helpers/directory.ts';
import { until } from '../helpers/process.ts';

const directory = testDirectory();
const code = (code: string) => expect.objectContaining({ code });

type Make = (cache: PmemCache, namespace?: string) => Keyv6;

/** Both versions have the same methods, in other types. */
const keyv5 = (options: object) => new Keyv5(options) as unknown as Keyv6;
const named = (namespace: string | undefined) => (namespace === undefined ? {} : { namespace });

/** The same Keyv of each version, and of 6 with each store. */
const versions: [name: string, make: Make][] = [
	['Keyv 5', (cache, namespace) => keyv5({ store: new KeyvPmem(cache), ...named(namespace) })],
	['Keyv 6', (cache, namespace) => new Keyv6({ store: new KeyvPmemV6(cache), ...named(namespace) })],
	['Keyv 6 by its bridge', (cache, namespace) => new Keyv6({ store: new KeyvPmem(cache), ...named(namespace) })],
];

async function entriesOf(keyv: Keyv6): Promise<[string, unknown][]> {
	const found: [string, unknown][] = [];
	for await (const [key, value] of keyv.iterator()) found.push([key, value]);
	return found.sort();
}

describe.each(versions)('%s', (_, make) => {
	test('values come back, one by one and many at once', async () => {
		const keyv = make(newCache());
		expect(await keyv.set('a', { deep: [1, null] })).toBe(true);
		expect(await keyv.get('a')).toEqual({ deep: [1, null] });
		const entries: { key: string; value: unknown }[] = [
			{ key: 'b', value: 1 },
			{ key: 'c', value: Buffer.from('bytes') },
		];
		expect(await keyv.setMany(entries)).toEqual([true, true]);
		expect(await keyv.get(['b', 'c', 'd'])).toEqual([1, Buffer.from('bytes'), undefined]);
		expect(await keyv.has(['b', 'd'])).toEqual([true, false]);
		expect(await keyv.delete('b')).toBe(true);
		expect(await keyv.delete('b')).toBe(false);
		expect(await keyv.get('b')).toBeUndefined();
	});

	test('an entry expires in the cache, too', async () => {
		const cache = newCache();
		const keyv = make(cache);
		await keyv.set('short', 1, 30);
		await keyv.setMany([{ key: 'also short', value: 1, ttl: 30 }]);
		await keyv.set('long', 1, 60_000);
		await keyv.set('for ever', 1);
		expect(cache.size).toBe(4);
		await until(() => cache.size === 2);
		expect(await keyv.has('short')).toBe(false);
		expect(await keyv.get('long')).toBe(1);
		const left = [...cache.keys()].map((key) => cache.getRemainingTtl(key)).sort((a, b) => a - b);
		expect(left[0]).toBeGreaterThan(50_000);
		expect(left[0]).toBeLessThanOrEqual(60_000);
		expect(left[1]).toBe(Number.POSITIVE_INFINITY);
	});

	test('namespaces of one cache are apart, also when their names look alike', async () => {
		const cache = newCache();
		const keyvs = ['a', 'a:b', 'a::b', 'z'].map((namespace) => make(cache, namespace));
		for (const [i, keyv] of keyvs.entries()) {
			for (const key of ['x', 'b:x', 'b::x', ':x']) await keyv.set(key, `${i} ${key}`);
		}
		for (const [i, keyv] of keyvs.entries()) {
			for (const key of ['x', 'b:x', 'b::x', ':x']) expect(await keyv.get(key)).toBe(`${i} ${key}`);
			expect(await entriesOf(keyv)).toHaveLength(4);
		}
		await keyvs[0]!.clear();
		expect(await entriesOf(keyvs[0]!)).toEqual([]);
		for (const keyv of keyvs.slice(1)) expect(await entriesOf(keyv)).toHaveLength(4);
		expect(await keyvs[3]!.get('x')).toBe('3 x');
	});

	test('without a namespace it sees and clears nothing of others', async () => {
		const cache = newCache();
		const [plain, tenant, undici] = [make(cache, ''), make(cache, 'tenant'), make(cache, 'undici')];
		cache.set('own', 1);
		cache.set('tenant\0own', 1);
		const responses = new PmemCacheStore(cache);
		const request = { origin: 'http://localhost', method: 'GET', path: '/' };
		const times = { cachedAt: 0, staleAt: Date.now() + 60_000, deleteAt: Date.now() + 60_000 };
		const response = { statusCode: 200, statusMessage: '', headers: {}, ...times };
		responses.createWriteStream(request, response)!.end('body');
		await tenant.set('secret', 1);
		const others = [...cache.keys()].sort();
		await plain.set('mine', 1);
		for (const key of others) expect(await plain.get(String(key))).toBeUndefined();
		expect(await plain.get('tenant\0secret')).toBeUndefined();
		// Keyv 5 takes a part of the key for the namespace that there is not.
		expect((await entriesOf(plain)).map(([, value]) => value)).toEqual([1]);
		expect(await entriesOf(undici)).toEqual([]);
		await plain.clear();
		await undici.clear();
		expect([...cache.keys()].sort()).toEqual(others);
		expect(responses.get(request)).toBeDefined();
		expect(await tenant.get('secret')).toBe(1);
	});

	test('a namespace of many keys is cleared while the event loop turns', async () => {
		const cache = newCache({ maxSize: 32 * MIB });
		const [one, other] = [make(cache, 'one'), make(cache, 'other')];
		for (let i = 0; i < 10_000; i++) await one.set(`${i}`, i);
		await other.set('key', 1);
		let turns = 0;
		const count = () => {
			turns++;
			immediate = setImmediate(count);
		};
		let immediate = setImmediate(count);
		await one.clear();
		clearImmediate(immediate);
		expect(turns).toBeGreaterThanOrEqual(2);
		expect(cache.size).toBe(1);
		expect(await other.get('key')).toBe(1);
	});
});

describe('without serialisation', () => {
	const makers: typeof versions = [
		['Keyv 5', (cache) => keyv5({ store: new KeyvPmem(cache), serialize: undefined, deserialize: undefined })],
		['Keyv 6', (cache) => new Keyv6({ store: new KeyvPmemV6(cache), serialization: false })],
	];

	test.each(makers)('%s stores bytes as they are', async (_, make) => {
		const cache = newCache();
		const keyv = make(cache);
		const bytes = Buffer.alloc(100_000, 7);
		await keyv.set('key', bytes, 60_000);
		await keyv.set('array', new Uint8Array([1, 2]));
		await keyv.set('empty', Buffer.alloc(0));
		await keyv.set('floats', new Float64Array([0.5]));
		await keyv.set('object', { when: new Date(5), map: new Map([[1, Buffer.from('x')]]) });
		const found = (await keyv.get('key')) as Buffer;
		expect(Buffer.isBuffer(found)).toBe(true);
		expect(found.equals(bytes)).toBe(true);
		expect(await keyv.get('array')).toStrictEqual(new Uint8Array([1, 2]));
		expect(await keyv.get('empty')).toStrictEqual(Buffer.alloc(0));
		expect(await keyv.get('floats')).toStrictEqual(new Float64Array([0.5]));
		expect(await keyv.get('object')).toMatchObject({ when: new Date(5) });
		const raw = (await keyv.getRaw('key')) as { expires: number };
		expect(raw.expires).toBeGreaterThan(Date.now());
		expect(raw.expires).toBeLessThanOrEqual(Date.now() + 60_000);
		// Neither base64 nor a structured clone: the bytes and some more.
		const [length] = [...cache.keys()].map((key) => cache.read(key, (value) => value.length)!).sort((a, b) => b - a);
		expect(length).toBe(100_009);
	});

	test('what something else has stored under a key is a miss, not an error', async () => {
		const cache = newCache();
		const store = new KeyvPmem(cache);
		await store.set('key', 'value');
		const [name] = [...cache.keys()];
		for (const bytes of [Buffer.from('x'), Buffer.alloc(100, 255)]) {
			cache.set(name!, bytes);
			expect(await store.get('key')).toBeUndefined();
		}
	});

	test('bytes that Keyv 6 compresses come back', async () => {
		const compression = {
			compress: async (value: unknown) => Buffer.from(String(value)).reverse(),
			decompress: async (value: unknown) =>
				Buffer.from(value as Buffer)
					.reverse()
					.toString(),
		};
		const keyv = new Keyv6({ store: new KeyvPmemV6(newCache()), compression, checkExpired: false } as object);
		await keyv.set('key', 'text');
		const store = keyv.store as unknown as KeyvPmemV6;
		expect(Buffer.isBuffer(await store.get('key'))).toBe(true);
	});
});

describe('the contract of Keyv 6', () => {
	/** How long the only entry stays fresh. */
	const remainingOf = (cache: PmemCache) => cache.getRemainingTtl([...cache.keys()][0]!);

	test('the store is used as it is, and KeyvPmem by the bridge', () => {
		const store = new KeyvPmemV6(newCache());
		expect(new Keyv6({ store }).store).toBe(store);
		expect(new Keyv6({ store: new KeyvPmem(newCache()) }).store).toBeInstanceOf(KeyvBridgeAdapter);
	});

	test('times are absolute', async () => {
		const cache = newCache();
		const store = new KeyvPmemV6(cache);
		expect(await store.set('key', 'value', Date.now() + 1000)).toBe(true);
		expect(remainingOf(cache)).toBeGreaterThan(900);
		expect(remainingOf(cache)).toBeLessThanOrEqual(1000);
		// What is over already takes what was there with it.
		expect(await store.set('key', 'new', Date.now() - 1)).toBe(true);
		expect(await store.get('key')).toBeUndefined();
		expect(
			await store.setMany([
				{ key: 'a', value: 'x', expires: Date.now() - 1 },
				{ key: 'b', value: 'y' },
			]),
		).toEqual([true, true]);
		expect(await store.getMany(['a', 'b'])).toEqual([undefined, 'y']);
		expect(await store.hasMany(['a', 'b'])).toEqual([false, true]);
		expect(await store.deleteMany(['a', 'b'])).toEqual([false, true]);
	});

	test('a clock that somebody sets does not change how long an entry lives', async () => {
		vi.useFakeTimers({ toFake: ['Date'], now: 1_000 });
		onTestFinished(() => void vi.useRealTimers());
		const cache = newCache();
		const store = new KeyvPmemV6(cache);
		await store.set('key', 'value', 61_000);
		vi.setSystemTime(50_000);
		expect(await store.get('key')).toBe('value');
		expect(remainingOf(cache)).toBeGreaterThan(59_000);
	});

	test('a relative time is refused, because it would be a miss for ever', async () => {
		await expect(new KeyvPmemV6(newCache()).set('key', 'value', 60_000)).rejects.toThrow(code('ERR_OUT_OF_RANGE'));
		const keyv = new Keyv5({ store: new KeyvPmemV6(newCache()) as never });
		const errors: unknown[] = [];
		keyv.on('error', (error) => errors.push(error));
		expect(await keyv.set('key', 'value', 60_000)).toBe(false);
		expect(errors).toEqual([code('ERR_OUT_OF_RANGE')]);
		const entries = [
			{ key: 'key', value: 'value', ttl: 60_000 },
			{ key: 'other', value: 'value' },
		];
		expect(await keyv.setMany(entries)).toEqual([false, true]);
		expect(errors).toEqual([code('ERR_OUT_OF_RANGE'), code('ERR_OUT_OF_RANGE')]);
		expect(await keyv.get('key')).toBeUndefined();
	});

	test('what was removed is said of each key, but by the bridge of all', async () => {
		for (const [Store, removed] of [
			[KeyvPmemV6, [true, false]],
			[KeyvPmem, [true, true]],
		] as const) {
			const keyv = new Keyv6({ store: new Store(newCache()) });
			await keyv.set('there', 1);
			expect(await keyv.deleteMany(['there', 'absent'])).toEqual(removed);
		}
	});
});

describe('the store', () => {
	test('makes a cache of its own, and closes that one alone', async () => {
		const store = new KeyvPmem(directory, { maxSize: 16 * MIB, name: 'sessions', namespace: 'web' });
		const keyv = new Keyv6({ store });
		await keyv.set('key', 1);
		expect(keyv.namespace).toBe('web');
		expect(store.cache).toMatchObject({ name: 'sessions', maxSize: 16 * MIB });
		await keyv.disconnect();
		expect(store.cache.closed).toBe(true);
		const cache = newCache();
		await new Keyv5({ store: new KeyvPmem(cache) }).disconnect();
		expect(cache.closed).toBe(false);
	});

	test('refuses wrong options, and makes nothing then', () => {
		const cache = newCache();
		expect(() => new KeyvPmem(cache, { maxSize: MIB })).toThrow(code('ERR_INVALID_ARG_VALUE'));
		expect(() => new KeyvPmem(directory, { maxsize: MIB } as object)).toThrow(/Did you mean 'maxSize'/);
		expect(() => new KeyvPmem(cache, { namespace: 'a\0b' })).toThrow(code('ERR_INVALID_ARG_VALUE'));
		expect(() => new KeyvPmem(cache, { namespace: 1 } as object)).toThrow(code('ERR_INVALID_ARG_TYPE'));
		expect(() => new KeyvPmem(cache, 'name' as never)).toThrow(code('ERR_INVALID_ARG_TYPE'));
	});

	test('says false for a value that it skips, and an event for one that fails', async () => {
		const large = 'x'.repeat(2 * MIB);
		const skipping = new Keyv5({ store: new KeyvPmem(newCache({ maxSize: MIB, tooLarge: 'skip' })) });
		expect(await skipping.set('key', large)).toBe(false);
		const throwing = new Keyv5({ store: new KeyvPmem(newCache({ maxSize: MIB })) });
		const errors: unknown[] = [];
		throwing.on('error', (error) => errors.push(error));
		expect(await throwing.set('key', large)).toBe(false);
		const entries = [
			{ key: 'large', value: large },
			{ key: 'small', value: 1 },
		];
		expect(await throwing.setMany(entries)).toEqual([false, true]);
		expect(errors).toEqual([code('ERR_DAXKIND_CACHE_TOO_LARGE'), code('ERR_DAXKIND_CACHE_TOO_LARGE')]);
		expect(await throwing.get('small')).toBe(1);
	});

	test('undefined replaces what was there by nothing', async () => {
		const store = new KeyvPmem(newCache());
		await store.set('key', 'value');
		expect(await store.set('key', undefined)).toBe(true);
		expect(await store.has('key')).toBe(false);
	});
});
