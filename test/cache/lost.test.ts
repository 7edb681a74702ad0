// Memory that is lost under a cache: its file has become shorter.
import { truncateSync, writeFileSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { FixedKind, mapFile } from 'daxkind';
import type { PmemCacheEviction } from 'daxkind/cache';
import { expect, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { cacheFor } from '../helpers/caches.ts';
import { until } from '../helpers/process.ts';
import { temporaryDirectory, tmpfs } from '../helpers/temporary-directory.ts';

/** A kind in a file that can be made shorter under it. Nobody is told of what it loses. */
function kindInFile(size: number) {
	const path = `${temporaryDirectory(tmpfs)}/file`;
	writeFileSync(path, Buffer.alloc(size, 7));
	const onMediaError = () => {};
	const kind = FixedKind.create(mapFile(path, { onMediaError }), { onMediaError });
	return { kind, shorten: (to: number) => truncateSync(path, to) };
}

test('a stream of a value of which a page is lost fails, and gives no zeros for it', async () => {
	const { kind, shorten } = kindInFile(4 * MIB);
	const cache = cacheFor<Buffer>(kind);
	const value = Buffer.alloc(2 * MIB, 7);
	cache.set('key', value);
	const read: Buffer[] = [];
	const reading = (async () => {
		for await (const chunk of cache.createReadStream('key')!) {
			read.push(chunk);
			shorten(MIB);
		}
	})();
	await expect(reading).rejects.toMatchObject({ code: 'ERR_DAXKIND_MEDIA_ERROR' });
	const bytes = Buffer.concat(read);
	expect(bytes.length).toBeGreaterThan(0);
	expect(bytes.equals(value.subarray(0, bytes.length))).toBe(true);
	expect(cache.createReadStream('key')).toBeUndefined();
	kind.close();
});

test('entries on lost pages are misses, and no key is told that never was one', async () => {
	const { kind, shorten } = kindInFile(4 * MIB);
	const told: PmemCacheEviction[] = [];
	const cache = cacheFor<Buffer>(kind, { onEvict: (eviction) => told.push(eviction) });
	const set = (from: number, to: number, ttl?: number) => {
		for (let i = from; i < to; i++) {
			cache.set(`key ${i}`, Buffer.alloc(i % 2000, 1), ttl === undefined ? {} : { ttl });
		}
	};
	const found = (count: number) => {
		let hits = 0;
		for (let i = 0; i < count; i++) {
			const value = cache.get(`key ${i}`);
			if (value === undefined) continue;
			hits++;
			expect(value.equals(Buffer.alloc(i % 2000, 1))).toBe(true);
		}
		return hits;
	};
	set(0, 3000);
	expect(found(3000)).toBeGreaterThan(2900);
	shorten(MIB);
	const left = found(3000);
	expect(left).toBeGreaterThan(300);
	expect(left).toBeLessThan(2000);
	// What is lost is no entry any more, and counted.
	const { entries, lost, evicted } = cache.stats();
	expect(entries).toBe(left);
	expect(lost).toBe(3000 - evicted - left);
	await until(() => told.some(({ cause }) => cause === 'lost'));
	// The cache goes on with what is left, and the entries that cannot be read any more go like others.
	set(2000, 6000, 50);
	set(6000, 8000);
	expect(found(8000)).toBeGreaterThan(0);
	await until(() => told.length > 100);
	expect(told.filter(({ key }) => !/^key \d+$/.test(`${key}`))).toEqual([]);
	for (const key of cache.keys()) expect(key).toMatch(/^key \d+$/);
	kind.close();
});

test('entries on lost pages that nobody looks for go when the keys are listed', () => {
	const { kind, shorten } = kindInFile(4 * MIB);
	const cache = cacheFor<Buffer>(kind);
	for (let i = 0; i < 1000; i++) cache.set(`key ${i}`, Buffer.alloc(2000, 1));
	shorten(MIB);
	const keys = [...cache.keys()].length;
	expect(keys).toBeLessThan(1000);
	expect(cache.stats()).toMatchObject({ entries: keys, lost: 1000 - keys, evicted: 0 });
	kind.close();
});

test('a value that gets no memory that is left is not stored, and its key has no value', () => {
	const { kind, shorten } = kindInFile(4 * MIB);
	const cache = cacheFor<Buffer>(kind);
	shorten(0);
	for (let i = 0; i < 100; i++) {
		try {
			expect(cache.set(`key ${i}`, Buffer.alloc(100_000))).toBe(false);
		} catch (error) {
			// The kind has learnt of its losses by now, and is full.
			expect(error).toMatchObject({ code: 'ERR_DAXKIND_OUT_OF_MEMORY' });
		}
	}
	expect(cache.size).toBe(0);
	kind.close();
});

test.each([100_000, 3 * MIB])(
	'what is lost of %i bytes while a stream writes them is the stream’s error',
	async (size) => {
		const { kind, shorten } = kindInFile(64 * MIB);
		const cache = cacheFor<Buffer>(kind);
		cache.set('key', Buffer.from('old'));
		const writing = pipeline(function* () {
			yield Buffer.alloc(size, 1);
			shorten(0);
			for (let i = 0; i < 10; i++) yield Buffer.alloc(size, 1);
		}, cache.createWriteStream('key'));
		await expect(writing).rejects.toMatchObject({ code: 'ERR_DAXKIND_MEDIA_ERROR' });
		expect(cache.get('key')).toBeUndefined();
		expect([...cache.keys()]).toEqual([]);
		kind.close();
	},
);
