// `cacheable` with a KeyvPmem as its first level.
import { Cacheable } from 'cacheable';
import { KeyvPmem } from 'daxkind/keyv';
import { Keyv } from 'keyv';
import { expect, test } from 'vitest';
import { newCache } from '../helpers/caches.ts';
import { until } from '../helpers/process.ts';

const levels = () => {
	const memory = newCache();
	const second = new Map<string, unknown>();
	const primary = new Keyv({ store: new KeyvPmem(memory) });
	const cacheable = new Cacheable({ primary, secondary: new Keyv({ store: second }) });
	return { memory, second, cacheable };
};

test('what is stored is in both levels, and found in the first one', async () => {
	const { memory, second, cacheable } = levels();
	await cacheable.set('key', { a: [1] });
	expect(memory.size).toBe(1);
	expect(second.size).toBe(1);
	second.clear();
	expect(await cacheable.get('key')).toEqual({ a: [1] });
	expect(await cacheable.has('key')).toBe(true);
	expect(await cacheable.delete('key')).toBe(true);
	expect(memory.size).toBe(0);
	expect(await cacheable.get('key')).toBeUndefined();
});

test('what only the second level has comes into the first one', async () => {
	const { memory, cacheable } = levels();
	await cacheable.set('key', 'value', 60_000);
	memory.clear();
	expect(await cacheable.get('key')).toBe('value');
	await until(() => memory.size === 1);
	expect(await cacheable.getMany(['key', 'other'])).toEqual(['value', undefined]);
	const [key] = [...memory.keys()];
	expect(memory.getRemainingTtl(key!)).toBeGreaterThan(50_000);
	expect(memory.getRemainingTtl(key!)).toBeLessThanOrEqual(60_000);
});

test('times with units, many keys, and clear', async () => {
	const { memory, second, cacheable } = levels();
	await cacheable.setMany([
		{ key: 'a', value: 1, ttl: '1h' },
		{ key: 'b', value: 2 },
	]);
	expect(await cacheable.getMany(['a', 'b'])).toEqual([1, 2]);
	expect(memory.size).toBe(2);
	expect(await cacheable.deleteMany(['a'])).toBe(true);
	expect(await cacheable.getOrSet('c', async () => 3)).toBe(3);
	await cacheable.clear();
	expect([memory.size, second.size]).toEqual([0, 0]);
});

test('bytes need no serialisation', async () => {
	const memory = newCache();
	const primary = new Keyv({ store: new KeyvPmem(memory), serialize: undefined, deserialize: undefined } as object);
	const cacheable = new Cacheable({ primary });
	await cacheable.set('key', Buffer.alloc(1000, 1), '10s');
	expect(await cacheable.get('key')).toStrictEqual(Buffer.alloc(1000, 1));
});
