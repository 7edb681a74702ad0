// One cache in several threads.

import { Worker } from 'node:worker_threads';
import { Kind } from 'daxkind';
import { PmemCache } from 'daxkind/cache';
import { expect, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { newCache } from '../helpers/caches.ts';
import { until } from '../helpers/process.ts';
import { inThreads } from '../helpers/threads.ts';

const code = (code: string) => expect.objectContaining({ code });

test('all threads see one cache', async () => {
	const cache = newCache<unknown>();
	cache.set('from the first', { a: 1 });
	const body = `
		const { PmemCache } = await import('daxkind/cache');
		using_: {
			const cache = PmemCache.attach(data);
			cache.set('from ' + index, Buffer.alloc(1000, index));
			const seen = cache.get('from the first');
			cache.close();
			return seen;
		}`;
	expect(await inThreads(3, body, cache.share())).toEqual([{ a: 1 }, { a: 1 }, { a: 1 }]);
	for (let i = 0; i < 3; i++) expect(cache.get(`from ${i}`)).toEqual(Buffer.alloc(1000, i));
	expect(cache.stats()).toMatchObject({ sets: 4, hits: 6 });
});

test('a cache that everybody has closed is gone', () => {
	const cache = newCache();
	const shared = cache.share();
	const second = PmemCache.attach(shared);
	cache.close();
	second.set('key', 1);
	const third = PmemCache.attach(shared);
	expect(third.get('key')).toBe(1);
	second.close();
	third.close();
	expect(() => PmemCache.attach(shared)).toThrow(/ERR_DAXKIND_(KIND|CACHE)_GONE|There is no such/);
	const other = newCache();
	const wrong = { ...other.share(), secret: shared.secret };
	expect(() => PmemCache.attach(wrong)).toThrow(code('ERR_DAXKIND_CACHE_GONE'));
	expect(() => PmemCache.attach({} as never)).toThrow(code('ERR_INVALID_ARG_TYPE'));
});

test('a thread that ends in the middle leaves no lock, no lease and no draft', async () => {
	const cache = newCache<Buffer>({ maxSize: 4 * MIB });
	const kind = Kind.attach(cache.share().kind);
	const body = `
		const { workerData, parentPort } = require('node:worker_threads');
		import('daxkind/cache').then(({ PmemCache }) => {
			const cache = PmemCache.attach(workerData);
			const leases = [];
			for (let i = 0; ; i++) {
				const key = String(i % 500);
				cache.set(key, Buffer.alloc(100 + i % 9000, i));
				if (i % 7 === 0) leases.push(cache.lease(key));
				if (i % 11 === 0) cache.createWriteStream(key).write('half');
				if (leases.length > 50) leases.shift().dispose();
				if (i === 2000) parentPort.postMessage('busy');
				cache.read(key, (value) => value[0]);
			}
		});`;
	for (let round = 0; round < 3; round++) {
		const workers = [1, 2].map(() => new Worker(body, { eval: true, workerData: cache.share() }));
		await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))));
		await Promise.all(workers.map((worker) => worker.terminate()));
		for (let i = 0; i < 500; i++) {
			cache.set(`${i}`, Buffer.alloc(100, round));
			expect(cache.get(`${i}`)!.every((byte) => byte === round)).toBe(true);
		}
	}
	cache.clear();
	await until(() => kind.stats().blocks === 0);
	expect(cache.stats().pinned).toBe(0);
	kind.close();
});

test('a cache that nobody closed goes with the garbage', async () => {
	const body = `
		const { PmemCache } = await import('daxkind/cache');
		let cache = PmemCache.attach(data);
		cache.set('key', 1);
		return 'left open';`;
	const cache = newCache();
	expect(await inThreads(1, body, cache.share())).toEqual(['left open']);
	expect(cache.get('key')).toBe(1);
});

test('a cache is not joined with the kind of another one', () => {
	const one = newCache();
	const other = newCache();
	expect(() => PmemCache.attach({ ...one.share(), kind: other.share().kind })).toThrow(code('ERR_DAXKIND_CACHE_GONE'));
});
