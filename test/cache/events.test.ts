// What kinds and caches tell on channels of node:diagnostics_channel, which caches are listed, and what they look like.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { Kind, kinds, PmemKind } from 'daxkind';
import { caches, PmemCache } from 'daxkind/cache';
import { expect, onTestFinished, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { newCache } from '../helpers/caches.ts';
import { testDirectory } from '../helpers/directory.ts';
import { collectedUntil } from '../helpers/garbage.ts';
import { until } from '../helpers/process.ts';
import { thrown } from '../helpers/thrown.ts';

const directory = testDirectory();

/** The messages of a channel, during this test. */
function heard<Message>(name: string): Message[] {
	const messages: Message[] = [];
	const listener = (message: unknown) => void messages.push(message as Message);
	subscribe(name, listener);
	onTestFinished(() => void unsubscribe(name, listener));
	return messages;
}

test('kinds tell when they are made, attached and closed', async () => {
	const [created, closed] = [heard<{ kind: Kind }>('daxkind:kind:create'), heard<{ kind: Kind }>('daxkind:kind:close')];
	const first = PmemKind.create(directory, { maxSize: 16 * MIB });
	const second = await PmemKind.createAsync(directory, { maxSize: 16 * MIB });
	const attached = Kind.attach(first.share());
	expect(created).toEqual([{ kind: first }, { kind: second }, { kind: attached }]);
	expect(closed).toEqual([]);
	attached.close();
	attached.close();
	await second.closeAsync();
	first.close();
	expect(closed.map(({ kind }) => [kind.closed, [attached, second, first].indexOf(kind as PmemKind)])).toEqual([
		[true, 0],
		[true, 1],
		[true, 2],
	]);
	expect(() => PmemKind.create('/missing')).toThrow();
	expect(created).toHaveLength(3);
});

test('a kind tells of an allocation that throws for want of memory', () => {
	const kind = PmemKind.create(directory, { maxSize: 16 * MIB });
	onTestFinished(() => void kind.close());
	const told = heard<{ kind: Kind; error: Error }>('daxkind:kind:out-of-memory');
	const errors = [thrown(() => kind.malloc(32 * MIB)), thrown(() => kind.mallocRaw(32 * MIB))];
	expect(kind.tryMalloc(32 * MIB)).toBeUndefined();
	expect(told.map(({ error }) => error)).toEqual(errors);
	expect(told[0]!.error).toBe(errors[0]);
	expect(told[0]!.kind).toBe(kind);
});

test('caches tell when they are made, attached and closed', () => {
	const [created, closed] = [
		heard<{ cache: PmemCache }>('daxkind:cache:create'),
		heard<{ cache: PmemCache }>('daxkind:cache:close'),
	];
	const cache = newCache();
	const attached = PmemCache.attach(cache.share());
	expect(created.map((message) => [cache, attached].indexOf(message.cache))).toEqual([0, 1]);
	cache.close();
	cache.close();
	attached.close();
	// A closed cache cannot be compared, because that would read its entries.
	expect(closed.map((message) => [cache, attached].indexOf(message.cache))).toEqual([0, 1]);
});

test('a cache that was made when somebody listened tells what it evicts', async () => {
	const told = heard<{ cache: PmemCache; key: string; cause: string }>('daxkind:cache:evict');
	const cache = newCache({ maxEntries: 10, policy: 'lru' });
	for (let i = 0; i < 12; i++) cache.set(`${i}`, i);
	await until(() => told.length === 2);
	expect(told).toEqual(['0', '1'].map((key) => ({ cache, key, cause: 'evicted', bytes: expect.any(Number) })));
});

test('caches() lists the open caches of this thread, the oldest first, and keeps none alive', async () => {
	const before = caches();
	const [first, second] = [newCache(), newCache()];
	const attached = PmemCache.attach(first.share());
	expect(caches()).toEqual([...before, first, second, attached]);
	first.close();
	attached.close();
	expect(caches()).toEqual([...before, second]);
	const length = caches().length;
	(() => {
		PmemCache.attach(second.share());
	})();
	await collectedUntil(() => caches().length === length);
	for (let i = 0; i < 150; i++) PmemCache.attach(second.share()).close();
	expect(caches().length).toBe(length);
});

test('console.log of a cache says how full it is and whether it is closed', () => {
	const cache = newCache({ name: 'pages', maxEntries: 100 });
	cache.set('key', 'value');
	const shown = inspect(cache);
	expect(shown).toMatch(
		/^PmemCache \{\n? +name: 'pages',\s+policy: 's3-fifo',\s+maxSize: 16777216,\s+maxEntries: 100,/,
	);
	expect(shown).toMatch(/entries: 1,\s+bytes: 64,\s+closed: false/);
	expect(inspect({ deep: { cache } }, { depth: 0 })).toBe('{ deep: [Object] }');
	expect(String(cache)).toBe('[object PmemCache]');
	cache.close();
	expect(inspect(cache)).toMatch(/closed: true\s\}$/);
});

test('a listener that closes the cache hears no more', async () => {
	const evicted: unknown[] = [];
	const cache: PmemCache = newCache({
		maxEntries: 1,
		onEvict: (eviction) => {
			evicted.push(eviction);
			cache.close();
		},
	});
	for (let i = 0; i < 100; i++) cache.set(`${i}`, i);
	await until(() => evicted.length > 0);
	await sleep(20);
	expect(evicted).toHaveLength(1);
});

test('kinds() lists a kind that caches hold once, and whoever closes it closes the cache', () => {
	const before = kinds();
	const kind = PmemKind.create(testDirectory(), { maxSize: 32 * MIB });
	const [one, two] = [PmemCache.create(kind), PmemCache.create(kind)];
	expect(kinds()).toEqual([...before, kind]);
	kind.close();
	const [own, ...more] = kinds().slice(before.length);
	expect(more).toEqual([]);
	one.set('key', Buffer.from('value'));
	own!.close();
	expect([one.closed, two.closed]).toEqual([true, false]);
	kinds().at(-1)!.close();
	expect(two.closed).toBe(true);
	expect(kinds()).toEqual(before);
});
