// The memory of entries without a copy: `read`, leases and streams.
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { PmemKind } from 'daxkind';
import { PmemCache, type PmemCacheLease } from 'daxkind/cache';
import { expect, onTestFinished, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { cacheFor, newCache } from '../helpers/caches.ts';
import { testDirectory } from '../helpers/directory.ts';
import { collect, collectedUntil } from '../helpers/garbage.ts';

const code = (code: string) => expect.objectContaining({ code });

test('read gives the memory for the length of the call', () => {
	const cache = newCache();
	cache.set('key', Buffer.alloc(100_000, 7));
	const result = cache.read('key', (value) => {
		cache.delete('key');
		for (let i = 0; i < 50; i++) cache.set(`${i}`, Buffer.alloc(100_000, 9));
		return value.every((byte) => byte === 7);
	});
	expect(result).toBe(true);
	expect(cache.read('key', () => expect.fail('there is nothing to read'))).toBeUndefined();
	cache.set('text', 'text');
	expect(cache.read('text', (value) => value.toString())).toBe('text');
	cache.set('empty', '');
	expect(cache.read('empty', (value) => value.length)).toBe(0);
});

test('read passes on what is thrown, refuses promises, and pins nothing afterwards', () => {
	const cache = newCache();
	cache.set('key', Buffer.alloc(10));
	expect(() =>
		cache.read('key', () => {
			throw new Error('mine');
		}),
	).toThrow('mine');
	expect(() => cache.read('key', async () => 1)).toThrow(code('ERR_INVALID_RETURN_VALUE'));
	expect(() => cache.read('key', undefined as unknown as () => 1)).toThrow(code('ERR_INVALID_ARG_TYPE'));
	cache.delete('key');
	expect(cache.stats().pinned).toBe(0);
});

test('an entry lives until its last lease ends, whatever becomes of it', () => {
	const cache = newCache<Buffer>({ maxSize: MIB });
	const all = Array.from({ length: 5 }, (_, i) => Buffer.alloc(20_000, i));
	for (const [i, value] of all.entries()) cache.set(`${i}`, value);
	const leases = all.flatMap((_, i) => [cache.lease(`${i}`)!, cache.lease(`${i}`)!]);
	cache.set('0', Buffer.alloc(1));
	cache.delete('1');
	for (let i = 0; i < 1000; i++) cache.set(`other ${i}`, Buffer.alloc(20_000, 255));
	// Those that were used twice may still be in the cache.
	expect(cache.stats().pinned).toBeGreaterThanOrEqual(2);
	cache.clear();
	for (const [i, lease] of leases.entries()) {
		expect(lease.value!.equals(all[i >> 1]!)).toBe(true);
		lease.dispose();
		lease.dispose();
		expect(lease.value).toBeUndefined();
	}
	expect(cache.stats().pinned).toBe(0);
});

test('65,535 leases of one entry are enough', () => {
	const cache = newCache<Buffer>();
	cache.set('key', Buffer.alloc(10, 1));
	const leases = Array.from({ length: 65_535 }, () => cache.lease('key')!);
	expect(() => cache.lease('key')).toThrow(code('ERR_DAXKIND_TOO_MANY_LEASES'));
	// A copy of a short value needs none.
	expect(cache.get('key')).toHaveLength(10);
	for (const lease of leases) lease.dispose();
	expect(cache.lease('key')!.value).toHaveLength(10);
});

test.each([5000, 8192, 1_000_000])('a copy of %i bytes that have all their leases needs none', (length) => {
	const cache = newCache<Buffer | Float64Array>();
	const value = Buffer.alloc(length, 'value');
	cache.set('key', value);
	const leases = Array.from({ length: 65_535 }, () => cache.lease('key', { peek: true })!);
	// The pool's memory is of any length, and full to any point.
	for (let i = 0; i < 20; i++) {
		cache.set('short', Buffer.alloc(3000, i));
		const short = cache.get('short') as Buffer;
		const copy = cache.get('key') as Buffer;
		expect(copy.equals(value)).toBe(true);
		copy.fill(255);
		expect(short.equals(Buffer.alloc(3000, i))).toBe(true);
	}
	expect(cache.stats()).toMatchObject({ hits: 40, misses: 0 });
	expect(cache.get('key', { peek: true })).toHaveLength(length);
	for (const lease of leases) lease.dispose();
});

test('a stream writes a value of unknown length, and another reads it', async () => {
	const cache = newCache<Buffer>();
	const parts = Array.from({ length: 300 }, (_, i) => Buffer.alloc((i * 97) % 5000, i & 0xff));
	const whole = Buffer.concat(parts);
	await pipeline(parts, cache.createWriteStream('key'));
	expect(cache.get('key')!.equals(whole)).toBe(true);
	const read: Buffer[] = [];
	const stream = cache.createReadStream('key')!;
	cache.delete('key');
	for (let i = 0; i < 100; i++) cache.set(`${i}`, Buffer.alloc(100_000, 255));
	for await (const chunk of stream) read.push(chunk as Buffer);
	expect(Buffer.concat(read).equals(whole)).toBe(true);
	expect(cache.stats().pinned).toBe(0);
	expect(cache.createReadStream('key')).toBeUndefined();
	await pipeline([], cache.createWriteStream('nothing', { size: 1000 }));
	expect(cache.get('nothing')).toHaveLength(0);
	const text = cache.createWriteStream('text', { ttl: 50_000 });
	text.end('text');
	await once(text, 'close');
	expect(cache.get('text')!.toString()).toBe('text');
	expect(cache.getRemainingTtl('text')).toBeLessThanOrEqual(50_000);
});

test('a stream that is destroyed leaves nothing, and one that is too long says so', async () => {
	const cache = newCache<Buffer>({ maxSize: MIB });
	cache.set('key', Buffer.from('old'));
	const destroyed = cache.createWriteStream('key');
	destroyed.write('new');
	destroyed.destroy();
	await once(destroyed, 'close');
	expect(cache.get('key')!.toString()).toBe('old');
	const endless = function* () {
		for (;;) yield Buffer.alloc(100_000);
	};
	cache.set('other', Buffer.from('other'));
	await expect(pipeline(endless, cache.createWriteStream('key'))).rejects.toThrow(code('ERR_DAXKIND_CACHE_TOO_LARGE'));
	// Nobody is given the old value for the new one, which could not be stored.
	expect(cache.get('key')).toBeUndefined();
	expect(cache.get('other')!.toString()).toBe('other');
	const [error] = await once(cache.createWriteStream('other', { size: 2 * MIB }), 'error');
	expect(error).toMatchObject({ code: 'ERR_DAXKIND_CACHE_TOO_LARGE' });
	expect(cache.stats()).toMatchObject({ entries: 0, evicted: 0, pinned: 0 });
	const half = cache.createReadStream('key');
	expect(half).toBeUndefined();
});

test.each([0, 100, 10 * MIB])('what set can store, a stream can, with a size of %i', async (size) => {
	const maxSize = 32 * MIB;
	const cache = newCache<Buffer>({ maxSize });
	for (let i = 0; i < 1000; i++) cache.set(`${i}`, Buffer.alloc(10));
	const part = Buffer.alloc(65_536, 'part');
	for (const parts of [100, 300, 480]) {
		const body = Readable.from(Array.from({ length: parts }, () => part));
		await pipeline(body, cache.createWriteStream('body', { size }));
		expect(cache.get('body')!.equals(Buffer.concat(Array.from({ length: parts }, () => part)))).toBe(true);
		// It needs the room that it has at the end, and no more.
		expect(cache.stats()).toMatchObject({ entries: 1001, evicted: 0 });
		cache.delete('body');
	}
});

test('a stream that is dropped gives its memory back', async () => {
	const kind = PmemKind.create(testDirectory(), { maxSize: 32 * MIB });
	onTestFinished(() => void kind.close());
	const cache = cacheFor<Buffer>(kind, { maxSize: 16 * MIB });
	for (let i = 0; i < 20; i++) cache.createWriteStream('key').write(Buffer.alloc(100_000));
	expect(kind.stats().allocated).toBeGreaterThanOrEqual(2_000_000);
	await collectedUntil(() => kind.stats().blocks === 0);
});

test('a lease ends with its cache', () => {
	const cache = newCache<Buffer>();
	cache.set('key', Buffer.alloc(100));
	cache.set('empty', Buffer.alloc(0));
	const leases = ['key', 'empty'].map((key) => cache.lease(key)!);
	cache.close();
	expect(leases[0]!.value).toBeUndefined();
	for (const start of [0, 50]) {
		expect(() => leases[0]!.createReadStream({ start })).toThrow(code('ERR_INVALID_STATE'));
	}
	for (const lease of leases) lease.dispose();
});

test('leases of more entries than there can be are refused as such', () => {
	const cache = newCache<number>({ maxEntries: 1 });
	const leases: PmemCacheLease[] = [];
	const fill = () => {
		for (let i = 0; i < 100_000; i++) {
			cache.set(`${i}`, i);
			leases.push(cache.lease(`${i}`)!);
		}
	};
	expect(fill).toThrow(code('ERR_DAXKIND_TOO_MANY_LEASES'));
	for (const lease of leases) lease.dispose();
	expect(cache.set('key', 1)).toBe(true);
});

test('a stream of a cache that is closed fails, and does not end early', async () => {
	const cache = newCache<Buffer>();
	cache.set('key', Buffer.alloc(MIB, 1));
	let read = 0;
	const reading = (async () => {
		for await (const chunk of cache.createReadStream('key')!) {
			read += chunk.length;
			cache.close();
		}
	})();
	await expect(reading).rejects.toMatchObject({ code: 'ERR_INVALID_STATE' });
	expect(read).toBeLessThan(MIB);
});

test('a stream over a lease begins where it is told to, and ends the lease, also when it is dropped', async () => {
	const cache = newCache<Buffer>();
	const value = Buffer.from(Array.from({ length: 200_000 }, (_, i) => i % 251));
	cache.set('key', value);
	const lease = cache.lease('key')!;
	expect(() => lease.createReadStream({ start: 200_001 })).toThrow(code('ERR_OUT_OF_RANGE'));
	expect(() => lease.createReadStream({ start: '1' as unknown as number })).toThrow(code('ERR_INVALID_ARG_TYPE'));
	const stream = lease.createReadStream({ start: 123_456 });
	cache.delete('key');
	expect(Buffer.concat(await stream.toArray()).equals(value.subarray(123_456))).toBe(true);
	expect([lease.value, cache.stats().pinned]).toEqual([undefined, 0]);
	expect(() => lease.createReadStream()).toThrow(code('ERR_INVALID_STATE'));
	cache.set('key', value);
	expect(await cache.lease('key')!.createReadStream({ start: 200_000 }).toArray()).toEqual([]);
	const drop = async () => {
		cache.lease('key')!.createReadStream();
	};
	await drop();
	cache.delete('key');
	expect(cache.stats().pinned).toBe(1);
	await collect();
	await expect.poll(() => cache.stats().pinned).toBe(0);
});

test('read refuses a promise for an empty value, too', () => {
	const cache = newCache<Buffer>();
	cache.set('key', Buffer.alloc(0));
	expect(() => cache.read('key', () => Promise.resolve())).toThrow(
		expect.objectContaining({ code: 'ERR_INVALID_RETURN_VALUE' }),
	);
	expect(cache.read('key', ({ length }) => length)).toBe(0);
});

test('a lease keeps its memory when its cache is garbage', async () => {
	let cache: PmemCache<Buffer> | undefined = PmemCache.create<Buffer>(testDirectory(), { maxSize: 16 * MIB });
	const other = PmemCache.attach<Buffer>(cache.share());
	onTestFinished(() => other.close());
	cache.set('key', Buffer.alloc(100_000, 7));
	const value = cache.lease('key')!.value!;
	cache = undefined;
	await collect();
	other.clear();
	other.set('new', Buffer.alloc(100_000, 8));
	await collect();
	expect([other.stats().pinned, value.every((byte) => byte === 7)]).toEqual([1, true]);
});
