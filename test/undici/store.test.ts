// The interface of undici's CacheStore, on PmemCacheStore. undici's own tests of it are not published.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { PmemCache } from 'daxkind/cache';
import {
	type CacheKey,
	type CacheValue,
	type GetResult,
	PmemCacheStore,
	type PmemCacheStoreOptions,
} from 'daxkind/undici';
import { expect, onTestFinished, test, vi } from 'vitest';
import { MIB } from '#lib/size.js';
import { newCache } from '../helpers/caches.ts';
import { testDirectory } from '../helpers/directory.ts';
import { collectedUntil } from '../helpers/garbage.ts';
import { until } from '../helpers/process.ts';
import { inThreads } from '../helpers/threads.ts';
import { thrown } from '../helpers/thrown.ts';

const directory = testDirectory();
const code = (code: string) => expect.objectContaining({ code });

function newStore(options: PmemCacheStoreOptions = {}): PmemCacheStore {
	const store = new PmemCacheStore(directory, { maxSize: 16 * MIB, ...options });
	onTestFinished(() => store.close());
	return store;
}

const request = (over: Partial<CacheKey> = {}): CacheKey => ({
	...{ origin: 'http://localhost', method: 'GET', path: '/', headers: {} },
	...over,
});

function response(over: Partial<CacheValue> = {}): CacheValue {
	const cachedAt = Date.now();
	return {
		...{ statusCode: 200, statusMessage: 'OK', headers: { foo: 'bar', list: ['a', 'b'] } },
		...{ cachedAt, staleAt: cachedAt + 10_000, deleteAt: cachedAt + 20_000 },
		...over,
	};
}

async function store(at: PmemCacheStore, key: CacheKey, value: CacheValue, ...body: (string | Buffer)[]) {
	const stream = at.createWriteStream(key, value)!;
	for (const chunk of body) stream.write(chunk);
	stream.end();
	await once(stream, 'close');
}

async function bodyOf(result: GetResult | undefined): Promise<Buffer> {
	const chunks: Buffer[] = [];
	for await (const chunk of result!.body) chunks.push(chunk as Buffer);
	return Buffer.concat(chunks);
}

test('a response comes back as it was, at once', async () => {
	const at = newStore();
	expect(at.get(request())).toBeUndefined();
	const value = response({
		etag: '"x"',
		cacheControlDirectives: { 'max-age': 10, public: true, private: ['set-cookie'] },
	});
	await store(at, request(), value, 'ab', Buffer.from('c'));
	const found = at.get(request())!;
	expect(found).toEqual({ ...value, body: [Buffer.from('abc')] });
	// Nothing comes of what is not stored yet.
	expect(at.get(request({ path: '/other' }))).toBeUndefined();
	expect(at.get(request({ origin: 'https://localhost' }))).toBeUndefined();
	expect(at.get(request({ method: 'HEAD' }))).toBeUndefined();
});

test('a response is found in the same turn in which its stream is ended', () => {
	const at = newStore();
	const headers = { accept: 'a' };
	for (const vary of [undefined, headers]) {
		const key = request({ path: `/${vary}`, headers });
		const stream = at.createWriteStream(key, response(vary && { vary }))!;
		stream.write('bo');
		stream.end('dy');
		expect(at.get(key)).toMatchObject({ body: [Buffer.from('body')] });
	}
});

test('a response without directives has none, and one without a body has an empty one', async () => {
	const at = newStore();
	await store(at, request(), response());
	expect(at.get(request())).toMatchObject({ cacheControlDirectives: {}, body: [] });
});

test('a later response takes the place of an earlier one, and only when it is whole', async () => {
	const at = newStore();
	await store(at, request(), response(), 'one');
	const half = at.createWriteStream(request(), response({ statusCode: 404 }))!;
	half.write('tw');
	expect(await bodyOf(at.get(request()))).toEqual(Buffer.from('one'));
	half.end('o');
	await once(half, 'close');
	expect(at.get(request())).toMatchObject({ statusCode: 404, body: [Buffer.from('two')] });
	expect(at.cache.size).toBe(1);
});

test('a stream that is destroyed leaves what was there', async () => {
	const at = newStore();
	await store(at, request(), response(), 'one');
	for (const error of [undefined, new Error('aborted')]) {
		const stream = at.createWriteStream(request(), response())!;
		const closed = new Promise((resolve) => stream.once('error', () => undefined).once('close', resolve));
		stream.write('two');
		stream.destroy(error);
		await closed;
		expect(stream.errored).toBe(error ?? null);
	}
	expect(await bodyOf(at.get(request()))).toEqual(Buffer.from('one'));
	expect(at.cache.size).toBe(1);
});

test('stale responses are found, and those to be deleted are not, by the clock of Date', async () => {
	vi.useFakeTimers({ toFake: ['Date'], now: 1_000_000 });
	onTestFinished(() => void vi.useRealTimers());
	const at = newStore();
	await store(at, request(), response(), 'body');
	const vary = { accept: 'text/html' };
	await store(at, request({ path: '/vary', headers: vary }), response({ vary }), 'body');
	vi.setSystemTime(1_015_000);
	expect(at.get(request())).toMatchObject({ staleAt: 1_010_000 });
	expect(at.get(request({ path: '/vary', headers: vary }))).toBeDefined();
	vi.setSystemTime(1_020_000);
	expect(at.get(request())).toBeUndefined();
	expect(at.get(request({ path: '/vary', headers: vary }))).toBeUndefined();
	expect(at.createWriteStream(request(), response({ deleteAt: 1_020_000 }))).toBeUndefined();
});

test('what is to be deleted goes without anybody asking', async () => {
	const at = newStore();
	const vary = { accept: 'text/html' };
	const soon = () => response({ deleteAt: Date.now() + 30 });
	await store(at, request(), soon(), 'body');
	await store(at, request({ path: '/vary', headers: vary }), { ...soon(), vary }, 'body');
	await until(() => at.cache.size === 0);
	expect(at.get(request())).toBeUndefined();
});

test('a variant is for requests with the same values of all headers that it varies with', async () => {
	const at = newStore();
	const variants: [CacheKey['headers'], NonNullable<CacheValue['vary']>][] = [
		[{ accept: 'text/html', other: '1' }, { accept: 'text/html' }],
		[{ accept: 'application/json' }, { accept: 'application/json' }],
		[{ accept: ['a', 'b'] }, { accept: ['a', 'b'] }],
		[{}, { accept: null }],
	];
	for (const [i, [headers, vary]] of variants.entries()) {
		await store(at, request({ headers: headers! }), response({ vary }), `${i}`);
	}
	for (const [i, [headers, vary]] of variants.entries()) {
		const found = at.get(request({ headers: headers! }));
		expect(found!.vary).toEqual(vary);
		expect(await bodyOf(found)).toEqual(Buffer.from(`${i}`));
	}
	expect(await bodyOf(at.get({ origin: 'http://localhost', method: 'GET', path: '/' }))).toEqual(Buffer.from('3'));
	for (const accept of ['text/plain', ['a'], ['b', 'a'], 'a']) {
		expect(at.get(request({ headers: { accept } }))).toBeUndefined();
	}
	// A later one takes the place of that one alone.
	await store(at, request({ headers: { accept: 'text/html' } }), response({ vary: { accept: 'text/html' } }), 'new');
	expect(await bodyOf(at.get(request({ headers: { accept: 'text/html' } })))).toEqual(Buffer.from('new'));
	expect(await bodyOf(at.get(request({ headers: { accept: 'application/json' } })))).toEqual(Buffer.from('1'));
	expect(at.cache.size).toBe(5);
});

test('a response that does not vary takes the place of all variants, and the other way round', async () => {
	const at = newStore();
	const html = request({ headers: { accept: 'text/html' } });
	const json = request({ headers: { accept: 'application/json' } });
	await store(at, html, response({ vary: { accept: 'text/html' } }), 'html');
	await store(at, json, response({ vary: { accept: 'application/json' } }), 'json');
	await store(at, html, response({ vary: {} }), 'both');
	expect(await bodyOf(at.get(html))).toEqual(Buffer.from('both'));
	expect(await bodyOf(at.get(json))).toEqual(Buffer.from('both'));
	expect(at.cache.size).toBe(1);
	await store(at, html, response({ vary: { accept: 'text/html' } }), 'html');
	expect(await bodyOf(at.get(html))).toEqual(Buffer.from('html'));
	expect(at.get(json)).toBeUndefined();
});

test('of very many variants the oldest go', async () => {
	const at = newStore();
	for (let i = 0; i < 300; i++) {
		await store(at, request({ headers: { cookie: `${i}` } }), response({ vary: { cookie: `${i}` } }), `${i}`);
	}
	// The list has 255 of them, and the first one is not in it.
	expect(at.cache.size).toBe(257);
	expect(at.get(request({ headers: { cookie: '44' } }))).toBeUndefined();
	for (const cookie of ['0', '45', '299']) {
		expect(await bodyOf(at.get(request({ headers: { cookie } })))).toEqual(Buffer.from(cookie));
	}
});

/** Stores responses for some values of Accept, one after the other. */
async function storeVariants(at: PmemCacheStore, ...accepts: string[]) {
	for (const accept of accepts) await store(at, accepting(accept), response({ vary: { accept } }), accept);
}
const accepting = (accept: string, path = '/') => request({ path, headers: { accept } });
const areFound = (at: PmemCacheStore, accepts: string) =>
	[...accepts].map((accept) => at.get(accepting(accept)) !== undefined);

test('each of the entries of an address may be evicted alone', async () => {
	const at = newStore();
	const evict = (isChosen: (name: string) => boolean) => {
		for (const name of [...at.cache.keys()] as string[]) if (isChosen(name)) at.cache.delete(name);
	};
	const isFirst = (name: string) => name.endsWith('/');
	const isList = (name: string) => name.endsWith('list');
	await storeVariants(at, 'a', 'b', 'c');
	expect(areFound(at, 'abcd')).toEqual([true, true, true, false]);
	evict((name) => !isFirst(name) && !isList(name));
	expect(areFound(at, 'abc')).toEqual([true, false, false]);
	await storeVariants(at, 'b', 'c');
	evict(isFirst);
	expect(areFound(at, 'abc')).toEqual([false, true, true]);
	await storeVariants(at, 'b', 'a');
	expect(areFound(at, 'abc')).toEqual([true, true, true]);
	// What is the first now is not in the list any more.
	expect(at.cache.size).toBe(4);
	evict(isList);
	expect(areFound(at, 'abc')).toEqual([false, true, false]);
	await storeVariants(at, 'a', 'c');
	expect(areFound(at, 'abc')).toEqual([true, true, true]);
});

test('variants that are written at the same time are all stored', async () => {
	const at = newStore();
	const write = (accept: string) => at.createWriteStream(accepting(accept), response({ vary: { accept } }))!;
	const bodies = { 1: 'a', 2: 'b', 3: 'c', 4: 'a' };
	const streams = Object.values(bodies).map(write);
	for (const [i, stream] of streams.entries()) stream.end(`${i}`);
	for (const [accept, i] of Object.entries({ a: 3, b: 1, c: 2 })) {
		expect(await bodyOf(at.get(accepting(accept)))).toEqual(Buffer.from(`${i}`));
	}
	// The older one for 'a' has been replaced.
	expect(at.cache.size).toBe(4);
});

test('a request is one hit or one miss of the cache, whatever varies', async () => {
	const at = newStore();
	const counts = () => {
		const { hits, misses, sets, deletes } = at.cache.stats();
		return { hits, misses, sets, deletes };
	};
	await store(at, request({ path: '/plain' }), response(), 'body');
	await storeVariants(at, 'a');
	expect(counts()).toEqual({ hits: 0, misses: 0, sets: 2, deletes: 0 });
	await storeVariants(at, 'b', 'c');
	// With each of these, the list.
	expect(counts()).toEqual({ hits: 0, misses: 0, sets: 6, deletes: 0 });
	for (let i = 0; i < 10; i++) {
		expect(areFound(at, 'abc')).toEqual([true, true, true]);
		expect(at.get(request({ path: '/plain' }))).toBeDefined();
	}
	expect(counts()).toMatchObject({ hits: 40, misses: 0 });
	for (let i = 0; i < 10; i++) {
		expect(areFound(at, 'd')).toEqual([false]);
		expect(at.get(request({ path: '/none' }))).toBeUndefined();
	}
	expect(counts()).toMatchObject({ hits: 40, misses: 20 });
	at.delete(request());
	expect(counts()).toEqual({ hits: 40, misses: 20, sets: 6, deletes: 4 });
});

test.each(['s3-fifo', 'lru'] as const)('%s: what is served counts as used, and its list, too', async (policy) => {
	const at = new PmemCacheStore(newCache({ policy, maxEntries: 20 }));
	await storeVariants(at, 'a', 'b', 'c');
	for (let i = 0; i < 200; i++) {
		// By chance all of them are uses of the list, or of the variant: once in 2 ** 19.
		for (let j = 0; j < 20; j++) expect(areFound(at, 'ab')).toEqual([true, true]);
		await store(at, request({ path: `/${i}` }), response(), 'body');
	}
	expect(areFound(at, 'abc')).toEqual([true, true, false]);
});

test('an entry that is not what it should be is a miss', async () => {
	const at = newStore();
	await store(at, request(), response(), 'body');
	const [name] = [...at.cache.keys()];
	for (const bytes of [[], [1], [1, 255, 255, 255, 255], [1, 2, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]) {
		at.cache.set(name!, Buffer.from(bytes));
		expect(at.get(request())).toBeUndefined();
	}
	await store(at, request(), response(), 'body');
	expect(at.get(request())).toBeDefined();
	expect(at.cache.stats().pinned).toBe(0);
});

test('delete removes all variants and all methods of an address, and nothing else', async () => {
	const at = newStore();
	await store(at, request(), response(), 'get');
	await store(at, request({ method: 'HEAD' }), response());
	for (const accept of ['a', 'b']) {
		await store(at, request({ path: '/vary', headers: { accept } }), response({ vary: { accept } }), accept);
	}
	at.delete(request({ method: 'POST' }));
	expect(at.get(request())).toBeUndefined();
	expect(at.get(request({ method: 'HEAD' }))).toBeUndefined();
	expect(at.cache.size).toBe(3);
	at.delete({ origin: 'http://localhost', path: '/vary' } as CacheKey);
	expect(at.cache.size).toBe(0);
	// What was deleted does not come back with the next variant.
	await store(at, request({ path: '/vary', headers: { accept: 'c' } }), response({ vary: { accept: 'c' } }), 'c');
	expect(at.get(request({ path: '/vary', headers: { accept: 'a' } }))).toBeUndefined();
});

test('a long body is a stream, and lasts until it has been read, whatever becomes of the response', async () => {
	const at = newStore();
	const body = randomBytes(3 * MIB);
	await store(at, request(), response(), ...[0, 1, 2].map((i) => body.subarray(i * MIB, (i + 1) * MIB)));
	const found = at.get(request())!;
	expect(Array.isArray(found.body)).toBe(false);
	at.delete(request());
	for (let i = 0; i < 20; i++) await store(at, request({ path: `/${i}` }), response(), Buffer.alloc(MIB));
	expect(at.cache.stats().pinned).toBe(1);
	expect((await bodyOf(found)).equals(body)).toBe(true);
	await until(() => at.cache.stats().pinned === 0);
});

test('a stream that undici destroys, or drops, pins nothing any more', async () => {
	const at = newStore();
	await store(at, request(), response(), Buffer.alloc(MIB));
	const destroyed = at.get(request())!.body as Readable;
	destroyed.destroy();
	await once(destroyed, 'close');
	const half = at.get(request())!.body as Readable;
	await once(half, 'readable');
	half.read();
	half.destroy();
	(() => at.get(request())!)();
	at.delete(request());
	// The last one is garbage.
	await collectedUntil(() => at.cache.stats().pinned === 0);
	expect(at.get(request())).toBeUndefined();
});

test('a body that is being read ends with an error when the cache is closed', async () => {
	const at = newStore();
	await store(at, request(), response(), Buffer.alloc(MIB));
	const found = at.get(request());
	at.close();
	await expect(bodyOf(found)).rejects.toThrow(code('ERR_INVALID_STATE'));
});

test('a body that is too long is not stored, silently', async () => {
	const errors: Error[] = [];
	const at = newStore({ maxEntrySize: 10, errorCallback: (error) => errors.push(error) });
	await store(at, request(), response(), '1234567890');
	expect(await bodyOf(at.get(request()))).toHaveLength(10);
	const stream = at.createWriteStream(request(), response())!;
	stream.write('123456');
	stream.write('78901');
	await once(stream, 'close');
	expect(stream.destroyed).toBe(true);
	expect(await bodyOf(at.get(request()))).toHaveLength(10);
	const small = newStore({ maxSize: MIB, errorCallback: (error) => errors.push(error) });
	const long = small.createWriteStream(request(), response())!;
	long.write(Buffer.alloc(2 * MIB));
	await once(long, 'close');
	expect(small.get(request())).toBeUndefined();
	expect(errors).toEqual([]);
});

test('a store gives the cache that it makes a name', () => {
	expect(newStore({ name: 'pages' }).cache.name).toBe('pages');
	expect(newStore().cache.name).toBe(directory);
});

test('a response that is never to be deleted, and never stale, is served', async () => {
	const at = newStore();
	const never = Number.POSITIVE_INFINITY;
	for (const accept of ['a', 'b']) {
		const key = accepting(accept);
		await store(at, key, response({ vary: { accept }, staleAt: never, deleteAt: never }), 'body');
		const found = at.get(key)!;
		expect(await bodyOf(found)).toEqual(Buffer.from('body'));
		expect(found.staleAt).toBeGreaterThan(8.64e15);
		expect(found.deleteAt).toBeGreaterThan(8.64e15);
	}
	expect([...at.cache.keys()].map((key) => at.cache.getRemainingTtl(key))).toEqual([never, never, never]);
});

test('limits of 0 store nothing', () => {
	expect(newStore({ maxCount: 0 }).createWriteStream(request(), response())).toBeUndefined();
	expect(newStore({ maxSize: 0 }).createWriteStream(request(), response())).toBeUndefined();
});

test('maxSizeExceeded is emitted when the store begins to evict, once', async () => {
	const at = newStore({ maxCount: 10 });
	const events: unknown[] = [];
	at.on('maxSizeExceeded', (event) => events.push(event));
	for (let i = 0; i < 10; i++) await store(at, request({ path: `/${i}` }), response(), 'body');
	expect(events).toEqual([]);
	for (let i = 10; i < 30; i++) await store(at, request({ path: `/${i}` }), response(), 'body');
	expect(events).toEqual([{ size: expect.any(Number), maxSize: 16 * MIB, count: 10, maxCount: 10 }]);
	at.cache.clear();
	for (let i = 0; i < 30; i++) await store(at, request({ path: `/${i}` }), response(), 'body');
	expect(events).toHaveLength(2);
});

test('maxCount counts a response once, if its address has no other variant', async () => {
	const at = newStore({ maxCount: 20 });
	for (let i = 0; i < 30; i++) await store(at, accepting('a', `/${i}`), response({ vary: { accept: 'a' } }), 'body');
	const found = Array.from({ length: 30 }, (_, i) => at.get(accepting('a', `/${i}`)));
	expect(found.filter((one) => one !== undefined)).toHaveLength(20);
});

test('a cache that fails is a miss, and errorCallback is told', async () => {
	const errors: Error[] = [];
	const at = newStore({ errorCallback: (error) => errors.push(error) });
	const stream = at.createWriteStream(request(), response())!;
	at.close();
	stream.end('body');
	await once(stream, 'close');
	expect(at.get(request())).toBeUndefined();
	expect(at.createWriteStream(request(), response())).toBeUndefined();
	at.delete(request());
	await setImmediate();
	expect(errors.length).toBeGreaterThanOrEqual(4);
	expect(errors.every((error) => (error as { code?: string }).code === 'ERR_INVALID_STATE')).toBe(true);
	const quiet = newStore();
	const tooLong = request({ path: `/${'x'.repeat(2 * MIB)}` });
	expect(quiet.get(tooLong)).toBeUndefined();
	expect(quiet.createWriteStream(tooLong, response())).toBeUndefined();
});

test('an errorCallback that throws fails no request', async () => {
	const uncaught: unknown[] = [];
	process.setUncaughtExceptionCaptureCallback((error) => uncaught.push(error));
	onTestFinished(() => process.setUncaughtExceptionCaptureCallback(null));
	const mistake = new Error('of the callback');
	const at = newStore({
		errorCallback: () => {
			throw mistake;
		},
	});
	const stream = at.createWriteStream(request(), response())!;
	at.close();
	expect(at.get(request())).toBeUndefined();
	expect(at.createWriteStream(request(), response())).toBeUndefined();
	at.delete(request());
	stream.end('body');
	await once(stream, 'close');
	await setImmediate();
	expect(uncaught.length).toBeGreaterThanOrEqual(4);
	expect(new Set(uncaught)).toEqual(new Set([mistake]));
});

test('wrong keys, values and options are TypeErrors', () => {
	const at = newStore();
	for (const key of [undefined, null, 'key', {}, { ...request(), path: 1 }, { ...request(), headers: 'x' }]) {
		const wrong = key as unknown as CacheKey;
		for (const use of [() => at.get(wrong), () => at.createWriteStream(wrong, response()), () => at.delete(wrong)]) {
			expect(thrown(use)).toBeInstanceOf(TypeError);
		}
	}
	for (const over of [
		{ statusCode: '200' },
		{ deleteAt: undefined },
		{ statusMessage: 1 },
		{ vary: 'x' },
		{ etag: 1 },
	]) {
		expect(
			thrown(() => at.createWriteStream(request(), { ...response(), ...over } as unknown as CacheValue)),
		).toBeInstanceOf(TypeError);
	}
	const options = [
		{ maxCount: -1 },
		{ maxSize: 1.5 },
		{ maxEntrySize: '1' },
		{ errorCallback: 1 },
		{ name: 1 },
		{ maxcount: 1 },
		null,
	];
	for (const wrong of options) {
		expect(thrown(() => new PmemCacheStore(directory, wrong as object))).toBeInstanceOf(TypeError);
	}
	for (const wrong of [{ maxSize: 1 }, { name: 'pages' }]) {
		expect(thrown(() => new PmemCacheStore(newCache(), wrong))).toBeInstanceOf(TypeError);
	}
});

test('threads share responses, and a store closes only a cache that it made', async () => {
	const cache = newCache();
	const at = new PmemCacheStore(cache);
	await store(at, request(), response(), 'from the first');
	const body = `
		const { PmemCache } = await import('daxkind/cache');
		const { PmemCacheStore } = await import('daxkind/undici');
		const { shared, key, value } = data;
		const cache = PmemCache.attach(shared);
		const store = new PmemCacheStore(cache);
		const headers = { thread: String(index) };
		const stream = store.createWriteStream({ ...key, path: '/' + index, headers }, { ...value, vary: headers });
		stream.end('from ' + index);
		await new Promise((resolve) => stream.once('close', resolve));
		const found = store.get(key).body.toString();
		store.close();
		cache.close();
		return found;`;
	const data = { shared: cache.share(), key: request(), value: response() };
	expect(await inThreads(2, body, data)).toEqual(['from the first', 'from the first']);
	for (const index of ['0', '1']) {
		const found = at.get(request({ path: `/${index}`, headers: { thread: index } }));
		expect(await bodyOf(found)).toEqual(Buffer.from(`from ${index}`));
	}
	at.close();
	expect(cache.closed).toBe(false);
	expect(PmemCache.attach(cache.share()).closed).toBe(false);
});
