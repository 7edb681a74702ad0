// Random calls against a Map that has expiry and the policy, through two holds on one cache.
import { setTimeout as sleep } from 'node:timers/promises';
import { PmemCache, type PmemCacheLease, type PmemCacheOptions } from 'daxkind/cache';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { testDirectory } from '../helpers/directory.ts';

const directory = testDirectory();

type Key = string | Buffer;

/** Strings with lone surrogates, too. */
const anyString = fc
	.array(fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0xd800, max: 0xdfff }), fc.constant(97)), {
		maxLength: 40,
	})
	.map((units) => String.fromCharCode(...units));
const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
const anyKey: fc.Arbitrary<Key> = fc.oneof(anyString, bytes(40), fc.constantFrom('', 'a', Buffer.from('a')));
const anyValue: fc.Arbitrary<unknown> = fc.oneof(
	anyString,
	bytes(100),
	fc.integer({ min: 0, max: 20_000 }).map((length) => Buffer.alloc(length, length & 0xff)),
	fc.float64Array({ maxLength: 20 }),
	fc.bigInt64Array({ maxLength: 20 }),
	fc.jsonValue(),
);

interface Call {
	what: string;
	key: number;
	value: unknown;
	/** Milliseconds. 0: for ever. */
	ttl: number;
	isSecond: boolean;
}

const callsOf = (what: fc.Arbitrary<string>, ttl: fc.Arbitrary<number>) =>
	fc.record({
		keys: fc.array(anyKey, { minLength: 4, maxLength: 20 }),
		calls: fc.array(fc.record({ what, key: fc.nat(), value: anyValue, ttl, isSecond: fc.boolean() }), {
			minLength: 10,
			maxLength: 120,
		}),
	});

const nameOf = (key: Key) => (typeof key === 'string' ? `string ${key}` : `bytes ${key.toString('hex')}`);

interface Known {
	value: unknown;
	/** The entry is fresh before the first time, and not after the second. */
	until: readonly [surely: number, atMost: number];
}

/** What the cache should have. `maxEntries` is kept by LRU. */
class Model {
	readonly entries = new Map<string, Known>();
	evicted = 0;
	readonly #maxEntries: number;

	constructor(maxEntries = Number.POSITIVE_INFINITY) {
		this.#maxEntries = maxEntries;
	}

	set(key: Key, value: unknown, until: readonly [number, number]): void {
		this.entries.delete(nameOf(key));
		this.entries.set(nameOf(key), { value, until });
		if (this.entries.size <= this.#maxEntries) return;
		this.entries.delete(this.entries.keys().next().value!);
		this.evicted++;
	}

	use(key: Key): void {
		const known = this.entries.get(nameOf(key));
		if (known === undefined) return;
		this.entries.delete(nameOf(key));
		this.entries.set(nameOf(key), known);
	}

	/** Whether an entry is to be found between two times. undefined: it may or may not be. */
	isThere(key: Key, from: number, to: number): boolean | undefined {
		const { until } = this.entries.get(nameOf(key)) ?? { until: [0, 0] };
		if (to < until[0]) return true;
		return from < until[1] ? undefined : false;
	}
}

/** Compares what was found with the model. `mayMiss`: the policy may have evicted it. */
function expectFound(model: Model, key: Key, found: unknown, from: number, mayMiss: boolean): void {
	const isThere = model.isThere(key, from, performance.now());
	if (found === undefined) expect(isThere === true && !mayMiss, `${nameOf(key)} is a miss`).toBe(false);
	else {
		expect(isThere, `${nameOf(key)} is a hit`).not.toBe(false);
		expect(found).toStrictEqual(model.entries.get(nameOf(key))!.value);
	}
}

interface Lease {
	lease: PmemCacheLease;
	bytes: Buffer;
}

async function play(
	{ keys, calls }: { keys: Key[]; calls: Call[] },
	options: PmemCacheOptions,
	{ model = new Model(), mayMiss = false } = {},
): Promise<void> {
	using first = PmemCache.create(directory, { maxSize: 16 * MIB, ...options });
	using second = PmemCache.attach(first.share());
	const leases: Lease[] = [];
	for (const { what, key: number, value, ttl, isSecond } of calls) {
		const cache = isSecond ? second : first;
		const key = keys[number % keys.length]!;
		const from = performance.now();
		if (what === 'set') {
			cache.set(key, value, { ttl: ttl === 0 ? Number.POSITIVE_INFINITY : ttl });
			// Native code counts whole milliseconds, from the last one that has begun.
			const until = ttl === 0 ? Number.POSITIVE_INFINITY : ttl;
			model.set(key, value, [from + until - 1, performance.now() + until]);
			// What has just been stored is there.
			if (ttl === 0) expect(cache.has(key)).toBe(true);
		} else if (what === 'get') {
			expectFound(model, key, cache.get(key), from, mayMiss);
			model.use(key);
		} else if (what === 'peek') {
			expectFound(model, key, cache.get(key, { peek: true }), from, mayMiss);
		} else if (what === 'has') {
			const isThere = cache.has(key);
			const expected = model.isThere(key, from, performance.now());
			if (expected !== undefined && !(mayMiss && !isThere)) expect(isThere).toBe(expected);
		} else if (what === 'delete') {
			const isThere = cache.delete(key);
			const expected = model.isThere(key, from, performance.now());
			if (expected !== undefined && !(mayMiss && !isThere)) expect(isThere).toBe(expected);
			model.entries.delete(nameOf(key));
		} else if (what === 'lease') {
			const lease = cache.lease(key);
			if (lease !== undefined) leases.push({ lease, bytes: Buffer.from(lease.value!) });
			model.use(key);
		} else if (what === 'dispose') {
			leases.splice(number % Math.max(1, leases.length), 1)[0]?.lease.dispose();
		} else if (what === 'clear') {
			cache.clear();
			model.entries.clear();
			expect(cache.size).toBe(0);
		} else if (what === 'entries') {
			const all = new Map([...cache.entries()].map(([key, value]) => [nameOf(key), value]));
			for (const key of keys) expectFound(model, key, all.get(nameOf(key)), from, mayMiss);
			for (const name of all.keys()) expect(model.entries.has(name)).toBe(true);
		} else {
			await sleep(4);
		}
		if (options.maxEntries !== undefined) expect(cache.size).toBeLessThanOrEqual(options.maxEntries);
	}
	for (const { lease, bytes } of leases) {
		expect(lease.value!.equals(bytes)).toBe(true);
		lease.dispose();
	}
	const from = performance.now();
	for (const key of keys) expectFound(model, key, first.get(key), from, mayMiss);
	const { pinned, evicted } = first.stats();
	expect(pinned).toBe(0);
	if (!mayMiss) expect(evicted).toBe(model.evicted);
}

const most = (...names: string[]) => fc.oneof({ weight: 4, arbitrary: fc.constant('set') }, fc.constantFrom(...names));
const reading = ['get', 'get', 'peek', 'has', 'delete', 'lease', 'dispose', 'entries'];
const long = fc.constantFrom(0, 3_600_000);

test('LRU evicts exactly what a Map in order of use would', async () => {
	const property = fc.asyncProperty(
		callsOf(most(...reading), long),
		fc.integer({ min: 1, max: 12 }),
		async (story, maxEntries) => {
			await play(story, { policy: 'lru', maxEntries }, { model: new Model(maxEntries) });
		},
	);
	await fc.assert(property, { numRuns: 60 });
});

test('S3-FIFO evicts something, and what it keeps is right', async () => {
	const property = fc.asyncProperty(
		callsOf(most(...reading, 'clear'), long),
		fc.integer({ min: 1, max: 12 }),
		async (story, maxEntries) => {
			await play(story, { maxEntries }, { mayMiss: true });
		},
	);
	await fc.assert(property, { numRuns: 60 });
});

test('with room for all, entries go when their time is over, and not before', async () => {
	const ttl = fc.constantFrom(0, 1, 3, 8, 3_600_000);
	const policy = fc.constantFrom('s3-fifo' as const, 'lru' as const);
	const property = fc.asyncProperty(callsOf(most(...reading, 'clear', 'wait'), ttl), policy, async (story, policy) => {
		await play(story, { policy });
	});
	await fc.assert(property, { numRuns: 40 });
});
