// What goes when there is no room, or when its time is over, and who is told.
import { type Block, PmemKind } from 'daxkind';
import type { PmemCacheEviction } from 'daxkind/cache';
import { expect, onTestFinished, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { cacheFor, newCache } from '../helpers/caches.ts';
import { testDirectory } from '../helpers/directory.ts';
import { until } from '../helpers/process.ts';

const directory = testDirectory();

test('LRU evicts what was used longest ago', () => {
	const cache = newCache<number>({ policy: 'lru', maxEntries: 3 });
	for (const [i, key] of ['a', 'b', 'c'].entries()) cache.set(key, i);
	expect(cache.get('a')).toBe(0);
	cache.set('d', 3);
	expect(['a', 'b', 'c', 'd'].map((key) => cache.has(key))).toEqual([true, false, true, true]);
	// Neither `has` nor a peek is a use.
	cache.has('c');
	cache.get('c', { peek: true });
	cache.set('e', 4);
	expect(cache.has('c')).toBe(false);
	// Replacing is one, and needs no room for another entry.
	cache.set('a', 5);
	expect(cache.size).toBe(3);
	cache.set('f', 6);
	expect([...cache.keys()].sort()).toEqual(['a', 'e', 'f']);
});

test('S3-FIFO keeps what is used again through a scan', () => {
	const cache = newCache<number>({ maxEntries: 1000 });
	const use = (key: string) => cache.get(key) ?? cache.set(key, 1);
	for (let round = 0; round < 3; round++) for (let i = 0; i < 400; i++) use(`hot ${i}`);
	for (let i = 0; i < 10_000; i++) use(`scan ${i}`);
	const hits = Array.from({ length: 400 }, (_, i) => cache.has(`hot ${i}`)).filter(Boolean).length;
	expect(hits).toBeGreaterThanOrEqual(399);
	expect(cache.size).toBe(1000);
});

test('entries are weighed as the kind counts them, and never more than maxSize', () => {
	const cache = newCache<Buffer>({ maxSize: MIB });
	for (let i = 0; i < 5000; i++) {
		cache.set(`${i}`, Buffer.alloc((i * 37) % 20_000));
		expect(cache.bytes).toBeLessThanOrEqual(MIB);
	}
	expect(cache.bytes).toBeGreaterThan(0.9 * MIB);
	const { entries, sets, evicted } = cache.stats();
	expect(entries).toBe(sets - evicted);
});

test('a full kind is no error as long as something can be evicted', async () => {
	const kind = PmemKind.create(directory, { maxSize: 16 * MIB });
	onTestFinished(() => void kind.close());
	const cache = cacheFor<Buffer>(kind, { maxSize: 16 * MIB });
	const held: Block[] = [];
	for (let i = 0; i < 3000; i++) {
		const length = [100, 3000, 30_000, 400_000, 2_000_000][i % 5]!;
		const value = Buffer.alloc(length, i & 0xff);
		cache.set(`${i}`, value);
		expect(cache.get(`${i}`)!.equals(value)).toBe(true);
		if (i % 500 === 0) held.push(kind.malloc(300_000));
	}
	expect(cache.stats().evicted).toBeGreaterThan(1000);
	// Nothing is left to evict when others have all of it.
	cache.clear();
	await until(() => kind.stats().blocks === held.length);
	while (kind.tryMalloc(100_000) !== undefined);
	expect(() => cache.set('key', Buffer.alloc(8 * MIB))).toThrow(
		expect.objectContaining({ code: 'ERR_DAXKIND_OUT_OF_MEMORY' }),
	);
});

test('nothing is evicted for a value that others leave no room for', () => {
	const kind = PmemKind.create(directory, { maxSize: 32 * MIB });
	onTestFinished(() => void kind.close());
	const cache = cacheFor<Buffer>(kind, { maxSize: 32 * MIB });
	kind.malloc(16 * MIB);
	for (let i = 0; i < 100; i++) cache.set(`${i}`, Buffer.alloc(100_000));
	expect(() => cache.set('key', Buffer.alloc(20 * MIB))).toThrow(
		expect.objectContaining({ code: 'ERR_DAXKIND_OUT_OF_MEMORY' }),
	);
	expect(cache.stats()).toMatchObject({ entries: 100, evicted: 0 });
	// It fits as soon as they all go.
	expect(cache.set('key', Buffer.alloc(14 * MIB))).toBe(true);
	expect(cache.stats()).toMatchObject({ entries: 1, evicted: 100 });
});

test('what has expired is not found, and goes without anybody asking', async () => {
	const evictions: PmemCacheEviction[] = [];
	const cache = newCache<string>({ ttl: 40, onEvict: (eviction) => evictions.push(eviction) });
	cache.set('default', 'a');
	cache.set('own', 'b', { ttl: 20 });
	cache.set('for ever', 'c', { ttl: Number.POSITIVE_INFINITY });
	expect(cache.getRemainingTtl('own')).toBeGreaterThan(0);
	expect(cache.getRemainingTtl('own')).toBeLessThanOrEqual(20);
	expect(cache.getRemainingTtl('for ever')).toBe(Number.POSITIVE_INFINITY);
	expect(cache.getRemainingTtl('no such key')).toBe(0);
	await until(() => cache.size === 1 && evictions.length === 2);
	expect(evictions.map(({ key, cause }) => `${key}: ${cause}`)).toEqual(['own: expired', 'default: expired']);
	expect(cache.get('for ever')).toBe('c');
	expect(cache.stats()).toMatchObject({ expired: 2, evicted: 0 });
});

test('a stale entry is found by those who ask for it, until its second time is over', async () => {
	const cache = newCache<string>();
	cache.set('key', 'value', { ttl: 10, staleTtl: 60_000 });
	await until(() => cache.get('key') === undefined);
	expect(cache.has('key')).toBe(false);
	expect([...cache.keys()]).toEqual([]);
	expect(cache.get('key', { allowStale: true })).toBe('value');
	expect(cache.lease('key', { allowStale: true })!.isStale).toBe(true);
	expect(cache.getRemainingTtl('key')).toBe(0);
	expect(cache.delete('key')).toBe(true);
	cache.set('key', 'value', { ttl: 5, staleTtl: 10 });
	await until(() => cache.size === 0);
	expect(cache.get('key', { allowStale: true })).toBeUndefined();
});

test('whoever wants to know is told what the cache has removed, and of nothing else', async () => {
	const evictions: PmemCacheEviction[] = [];
	const cache = newCache<number>({ maxEntries: 10, policy: 'lru', onEvict: (eviction) => evictions.push(eviction) });
	for (let i = 0; i < 25; i++) cache.set(`${i}`, i);
	cache.set('24', 0);
	cache.delete('23');
	cache.clear();
	await until(() => evictions.length >= 15);
	await new Promise((resolve) => setImmediate(resolve));
	expect(evictions.map(({ key }) => key)).toEqual(Array.from({ length: 15 }, (_, i) => `${i}`));
	expect(evictions[0]).toEqual({ key: '0', cause: 'evicted', bytes: 64 });
});

test('clear is over at once, and its memory comes back', async () => {
	const kind = PmemKind.create(directory, { maxSize: 64 * MIB });
	onTestFinished(() => void kind.close());
	const cache = cacheFor<Buffer>(kind);
	for (let round = 0; round < 10; round++) {
		for (let i = 0; i < 5000; i++) cache.set(`${i}`, Buffer.alloc(500, round));
		cache.clear();
		expect([cache.size, cache.bytes, cache.get('1'), [...cache.keys()].length]).toEqual([0, 0, undefined, 0]);
	}
	await until(() => kind.stats().blocks === 0);
});

test('what waits to be told takes no more memory than 16 MiB of keys', async () => {
	let told = 0;
	const cache = newCache<string>({ onEvict: () => told++ });
	for (let i = 0; i < 200; i++) cache.set(`${i}`.padEnd(2 ** 20 - 1, 'k'), 'value');
	expect(cache.stats().evicted).toBeGreaterThan(150);
	await until(() => told > 0);
	await new Promise((resolve) => setTimeout(resolve, 50));
	expect(told).toBe(16);
});
