// One call for many waiters, stale values while a new one is made, and its end before its time.
import { setTimeout as sleep } from 'node:timers/promises';
import type { PmemCacheSerializer } from 'daxkind/cache';
import { expect, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { newCache } from '../helpers/caches.ts';
import { until } from '../helpers/process.ts';

/** A promise that the test settles. */
function deferred<T>() {
	let resolve!: (value: T) => void;
	let reject!: (error: Error) => void;
	const promise = new Promise<T>((one, other) => {
		resolve = one;
		reject = other;
	});
	return { promise, resolve, reject };
}

test('many wait for one call, and later ones find the entry', async () => {
	const cache = newCache<number>();
	let calls = 0;
	const { promise, resolve } = deferred<number>();
	const fetcher = () => {
		calls++;
		return promise;
	};
	const waiting = Array.from({ length: 10 }, () => cache.fetch('key', fetcher));
	const other = cache.fetch(Buffer.from('key'), () => 6);
	await sleep(5);
	resolve(5);
	expect(await Promise.all(waiting)).toEqual(Array(10).fill(5));
	expect(await other).toBe(6);
	expect(await cache.fetch('key', fetcher)).toBe(5);
	expect(calls).toBe(1);
	expect(await cache.fetch('key', () => 7, { forceRefresh: true })).toBe(7);
	expect(cache.get('key')).toBe(7);
});

test('an error goes to all who wait, and is not stored', async () => {
	const cache = newCache<number>();
	const failing = () => Promise.reject(new Error('no'));
	const waiting = [cache.fetch('key', failing), cache.fetch('key', failing)];
	for (const each of waiting) await expect(each).rejects.toThrow('no');
	expect(
		await cache.fetch('key', () => {
			return 1;
		}),
	).toBe(1);
	await expect(
		cache.fetch('thrown', () => {
			throw new Error('at once');
		}),
	).rejects.toThrow('at once');
	expect(await cache.fetch('nothing', () => undefined)).toBeUndefined();
	expect(cache.has('nothing')).toBe(false);
});

test('a stale value is given at once, and one call refreshes it', async () => {
	const cache = newCache<string>();
	const options = { ttl: 10, staleTtl: 60_000 };
	await cache.fetch('key', () => 'old', options);
	await until(() => !cache.has('key'));
	const { promise, resolve } = deferred<string>();
	const seen: unknown[] = [];
	let calls = 0;
	const fetcher = (_key: unknown, { stale }: { stale: string | undefined }) => {
		calls++;
		seen.push(stale);
		return promise;
	};
	expect(await cache.fetch('key', fetcher, options)).toBe('old');
	expect(await cache.fetch('key', fetcher, options)).toBe('old');
	resolve('new');
	await until(() => cache.get('key') === 'new' || !cache.has('key'));
	expect([calls, seen]).toEqual([1, ['old']]);
	expect(cache.get('key', { allowStale: true })).toBe('new');
});

test('a refresh that fails leaves the stale value, and no rejection that nobody handles', async () => {
	const cache = newCache<string>();
	cache.set('key', 'old', { ttl: 5, staleTtl: 60_000 });
	await until(() => !cache.has('key'));
	expect(await cache.fetch('key', () => Promise.reject(new Error('no')))).toBe('old');
	await sleep(5);
	expect(cache.get('key', { allowStale: true })).toBe('old');
});

test('what is set or deleted meanwhile wins over what is fetched', async () => {
	const cache = newCache<string>();
	const changes = [() => cache.delete('key'), () => cache.clear(), () => cache.set('key', 'set')];
	for (const change of changes) {
		const { promise, resolve } = deferred<string>();
		const waiting = cache.fetch('key', () => promise, { forceRefresh: true });
		await sleep(1);
		change();
		const after = cache.get('key');
		resolve('fetched');
		expect(await waiting).toBe('fetched');
		expect(cache.get('key')).toBe(after);
	}
	const { promise, resolve } = deferred<string>();
	const waiting = cache.fetch('other', () => promise);
	await sleep(1);
	cache.close();
	resolve('fetched');
	expect(await waiting).toBe('fetched');
});

test('an abort ends one’s own waiting, and the call when nobody waits any more', async () => {
	const cache = newCache<string>();
	const [one, other] = [new AbortController(), new AbortController()];
	let inner: AbortSignal | undefined;
	const { promise, resolve } = deferred<string>();
	const fetcher = (_key: unknown, { signal }: { signal: AbortSignal }) => {
		inner = signal;
		return promise;
	};
	const first = cache.fetch('key', fetcher, { signal: one.signal });
	const second = cache.fetch('key', fetcher, { signal: other.signal });
	await sleep(1);
	one.abort(new Error('enough'));
	await expect(first).rejects.toThrow('enough');
	expect(inner!.aborted).toBe(false);
	other.abort();
	await expect(second).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }));
	expect(inner!.aborted).toBe(true);
	resolve('late');
	await sleep(1);
	expect(cache.has('key')).toBe(false);
	await expect(cache.fetch('key', () => 'x', { signal: AbortSignal.abort() })).rejects.toThrow();
});

test('a deserializer that looks up other keys does not make a stale value fresh', async () => {
	const serializer: PmemCacheSerializer = {
		serialize: (value) => Buffer.from(JSON.stringify(value)),
		deserialize: (bytes) => {
			cache.get('other');
			return JSON.parse(`${bytes}`);
		},
	};
	const cache = newCache<unknown>({ serializer });
	cache.set('other', 'fresh');
	cache.set('key', { made: 1 }, { ttl: 1, staleTtl: 60_000 });
	await until(() => !cache.has('key'));
	let calls = 0;
	const fetcher = () => ({ made: 1 + ++calls });
	expect(await cache.fetch('key', fetcher)).toEqual({ made: 1 });
	await until(() => cache.has('key'));
	expect([calls, await cache.fetch('key', fetcher)]).toEqual([1, { made: 2 }]);
});

test('a value is stored under the key that was asked for, whatever becomes of its Buffer', async () => {
	const cache = newCache<string>();
	const key = Buffer.from('one');
	const { promise, resolve } = deferred<string>();
	const waiting = cache.fetch(key, () => promise);
	key.write('two');
	resolve('value');
	await waiting;
	expect([cache.get(Buffer.from('one')), cache.get(Buffer.from('two'))]).toEqual(['value', undefined]);
});

test('a value that there is no room for is given to those who wait for it', async () => {
	const cache = newCache<Buffer>({ maxSize: MIB });
	cache.set('key', Buffer.from('old'));
	const large = Buffer.alloc(2 * MIB);
	expect(await cache.fetch('key', () => large, { forceRefresh: true })).toBe(large);
	expect(cache.get('key')).toBeUndefined();
	await expect(cache.fetch('key', (() => () => 1) as never)).rejects.toThrow('could not be cloned');
});

test('what is no signal is refused before the fetcher is called', async () => {
	const cache = newCache<number>();
	for (const signal of [null, {}, 1, 'x', new AbortController()]) {
		const fetching = cache.fetch('key', () => expect.fail('called'), { signal } as object);
		await expect(fetching).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
	}
	const forced = cache.fetch('key', () => expect.fail('called'), { forceRefresh: 'no' } as object);
	await expect(forced).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
});

test('a wrong key is refused as such while something is fetched', async () => {
	const cache = newCache<number>();
	const fetching = cache.fetch('key', () => sleep(10, 5));
	expect(() => cache.set(undefined as never, 1)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }));
	expect(await fetching).toBe(5);
	expect(cache.get('key')).toBe(5);
});
