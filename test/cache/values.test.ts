// What is stored and found: keys and values of all sorts, their copies, and mistakes.

import { inspect } from 'node:util';
import { Kind } from 'daxkind';
import { PmemCache } from 'daxkind/cache';
import { expect, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { newCache } from '../helpers/caches.ts';
import { thrown } from '../helpers/thrown.ts';

const code = (code: string) => expect.objectContaining({ code });

test('values come back as what they were', () => {
	const cache = newCache();
	const values = {
		ascii: 'plain',
		latin1: 'naïve',
		unicode: '日本語 🙂',
		lone: 'a\ud800b',
		empty: '',
		long: 'x'.repeat(1_000_000),
		null: null,
		number: -0.5,
		boolean: false,
		object: { when: new Date(5), map: new Map([[1, new Set(['a'])]]), deep: [[{ regexp: /x/u }]] },
		bytes: new Uint8Array([1, 2, 3]),
		floats: new Float64Array([1.5, Number.NaN]),
		halves: new Float32Array([0.5]),
		big: new BigInt64Array([-1n, 2n ** 62n]),
		clamped: new Uint8ClampedArray([300, -1]),
		none: new Int32Array(0),
		view: new DataView(new ArrayBuffer(4)),
	};
	for (const [key, value] of Object.entries(values)) {
		expect(cache.set(key, value)).toBe(true);
		expect(cache.get(key)).toEqual(value);
	}
	for (const [key, value] of Object.entries(values)) expect(cache.get(key)).toStrictEqual(value);
	expect(cache.size).toBe(Object.keys(values).length);
});

test('Buffers of all lengths come back as Buffers', () => {
	const cache = newCache();
	for (const length of [0, 1, 7, 8, 100, 1000, 8191, 8192, 8193, 65_535, 65_536, 65_537, 5_000_000]) {
		const value = Buffer.alloc(length, length & 0xff);
		cache.set('key', value);
		const found = cache.get('key') as Buffer;
		expect(Buffer.isBuffer(found)).toBe(true);
		expect(found.equals(value)).toBe(true);
	}
});

test('a copy is safe for ever, whatever is stored later', () => {
	const cache = newCache<Buffer>({ maxSize: MIB });
	const copies: Buffer[] = [];
	for (let i = 0; i < 3000; i++) {
		cache.set('same', Buffer.alloc(1 + (i % 2000), i & 0xff));
		copies.push(cache.get('same')!);
	}
	for (const [i, copy] of copies.entries()) {
		expect(copy.length).toBe(1 + (i % 2000));
		expect(copy.every((byte) => byte === (i & 0xff))).toBe(true);
	}
	copies[0]!.fill(1);
	expect(cache.get('same')!.equals(copies.at(-1)!)).toBe(true);
});

test('a copy that has been transferred does no harm to later ones', () => {
	const cache = newCache<Buffer>();
	cache.set('key', Buffer.from('value'));
	structuredClone(0, { transfer: [cache.get('key')!.buffer as ArrayBuffer] });
	expect(cache.get('key')!.toString()).toBe('value');
});

test('a typed array has an ArrayBuffer of its own', () => {
	const cache = newCache<Float32Array>();
	cache.set('key', new Float32Array([1, 2, 3]).subarray(1));
	const found = cache.get('key')!;
	expect(found.buffer.byteLength).toBe(8);
	expect([...found]).toEqual([2, 3]);
});

test('keys are told apart by every unit, and strings from bytes', () => {
	const cache = newCache<number>();
	const keys = [
		'',
		'a',
		'A',
		'a\0',
		'\0a',
		'é',
		'e\u0301',
		'\u00ff',
		'\u0100',
		'\ud800',
		'\udfff',
		'\ufffd',
		'\ud83d\ude42',
		'61',
		'x'.repeat(65_536),
		`${'x'.repeat(65_536)}y`,
		'日'.repeat(65_536),
		'key'.repeat(170),
		`${'key'.repeat(170)}k`,
		`${'key'.repeat(170)}ke`,
	];
	const bytes = [Buffer.from([]), Buffer.from('a'), Buffer.from('é'), Buffer.from('é', 'latin1'), Buffer.alloc(65_536)];
	const all = [...keys, ...bytes];
	for (const [i, key] of all.entries()) cache.set(key, i);
	expect(cache.size).toBe(all.length);
	for (const [i, key] of all.entries()) expect(cache.get(key)).toBe(i);
	const listed = [...cache.keys()].map((key) => (typeof key === 'string' ? key : key.toString('hex')));
	expect(listed.sort()).toEqual([...keys, ...bytes.map((key) => key.toString('hex'))].sort());
	for (const key of all) expect(cache.delete(key)).toBe(true);
	expect(cache.size).toBe(0);
});

test('a key is copied: what happens to its Buffer later does not matter', () => {
	const cache = newCache<string>();
	const key = Buffer.from('one');
	cache.set(key, 'value');
	key.fill(0);
	expect(cache.get(Buffer.from('one'))).toBe('value');
	expect(cache.has(key)).toBe(false);
});

test('wrong keys, values and options are refused, and nothing has changed', () => {
	const cache = newCache({ maxSize: MIB });
	cache.set('key', 1);
	for (const key of [undefined, null, 1, {}, [], Symbol('key'), new Float32Array(1)]) {
		const wrong = key as unknown as string;
		const uses = [
			() => cache.get(wrong),
			() => cache.set(wrong, 1),
			() => cache.has(wrong),
			() => cache.delete(wrong),
			() => cache.read(wrong, () => 1),
			() => cache.lease(wrong),
			() => cache.createWriteStream(wrong),
		];
		for (const use of uses) expect(use).toThrow(code('ERR_INVALID_ARG_TYPE'));
	}
	for (const key of ['x'.repeat(MIB + 1), '日'.repeat(MIB / 2 + 1), Buffer.alloc(MIB + 1)]) {
		expect(() => cache.get(key)).toThrow(code('ERR_OUT_OF_RANGE'));
	}
	expect(() => cache.set('key', undefined)).toThrow(code('ERR_INVALID_ARG_TYPE'));
	expect(() => cache.set('key', () => 1)).toThrow('could not be cloned');
	expect(() => cache.set('key', 1, { tll: 5 } as object)).toThrow(/ttl/);
	for (const ttl of [0, -1, Number.NaN, '5']) expect(() => cache.set('key', 1, { ttl } as object)).toThrow();
	for (const size of [-1, '5', null]) {
		expect(() => cache.createWriteStream('key', { size } as object)).toThrow(/options\.size/);
	}
	for (const wrong of [undefined, { a: 1 }]) {
		expect(() => cache.getMany(wrong as never)).toThrow(code('ERR_INVALID_ARG_TYPE'));
		expect(() => cache.setMany(wrong as never)).toThrow(code('ERR_INVALID_ARG_TYPE'));
	}
	expect(() => cache.get('key', { allowstale: true } as object)).toThrow(/allowStale/);
	expect(cache.get('key')).toBe(1);
	const directory = cache.stats() && '/dev/shm';
	for (const options of [{ maxsize: 1 }, { maxSize: 0 }, { maxEntries: 1.5 }, { policy: 'fifo' }, { onEvict: 1 }]) {
		expect(() => PmemCache.create(directory, options as object)).toThrow();
	}
	expect(() => new (PmemCache as unknown as new () => PmemCache)()).toThrow(code('ERR_ILLEGAL_CONSTRUCTOR'));
});

test('a value that is larger than the cache is an error, or a miss by option', () => {
	const cache = newCache({ maxSize: MIB });
	cache.set('key', 'old');
	const error = thrown(() => cache.set('key', Buffer.alloc(MIB)));
	expect(error).toMatchObject({ code: 'ERR_DAXKIND_CACHE_TOO_LARGE' });
	expect(error.message).toContain('1048576');
	// Nobody is given the old value for the new one.
	expect(cache.get('key')).toBeUndefined();
	const lenient = newCache({ maxSize: MIB, tooLarge: 'skip' });
	lenient.set('key', 'old');
	expect(lenient.set('key', Buffer.alloc(MIB))).toBe(false);
	expect(lenient.get('key')).toBeUndefined();
	expect(lenient.stats()).toMatchObject({ entries: 0, deletes: 0 });
});

test('each use of a closed cache says that it is closed', () => {
	const cache = newCache();
	cache.close();
	const uses = [
		() => cache.get('key'),
		() => cache.getMany([]),
		() => cache.set('key', 1),
		() => cache.setMany([]),
		() => cache.has('key'),
		() => cache.delete('key'),
		() => cache.clear(),
		() => cache.read('key', () => 1),
		() => cache.lease('key'),
		() => cache.createReadStream('key'),
		() => cache.createWriteStream('key'),
		() => cache.keys(),
		() => cache.entries(),
		() => cache.values(),
		() => cache[Symbol.iterator](),
		() => cache.size,
		() => cache.bytes,
		() => cache.stats(),
		() => cache.share(),
	];
	for (const use of uses) expect(use).toThrow(code('ERR_INVALID_STATE'));
	expect(cache.closed).toBe(true);
	expect(inspect(Object.create(PmemCache.prototype))).toBe('PmemCache {}');
});

test('a serializer of one’s own', () => {
	const serializer = {
		serialize: (value: unknown) => Buffer.from(JSON.stringify(value)),
		deserialize: (bytes: Buffer) => JSON.parse(bytes.toString()),
	};
	const cache = newCache({ serializer });
	cache.set('key', { a: [1, null] });
	expect(cache.get('key')).toEqual({ a: [1, null] });
	expect(cache.read('key', (bytes) => bytes.toString())).toBe('{"a":[1,null]}');
	const wrong = newCache({ serializer: { ...serializer, serialize: () => 'text' as unknown as Buffer } });
	expect(() => wrong.set('key', {})).toThrow(code('ERR_INVALID_ARG_TYPE'));
});

test('after close every call is refused, and closing twice is no error', () => {
	const cache = newCache();
	cache.set('key', 1);
	const lease = cache.lease('key')!;
	const { value } = lease;
	cache.close();
	cache.close();
	expect(cache.closed).toBe(true);
	expect(value!.length).toBe(0);
	lease.dispose();
	const uses = [
		() => cache.get('key'),
		() => cache.set('key', 1),
		() => cache.has('key'),
		() => cache.delete('key'),
		() => cache.clear(),
		() => cache.size,
		() => cache.bytes,
		() => cache.stats(),
		() => cache.keys(),
		() => cache.lease('key'),
		() => cache.read('key', () => 1),
		() => cache.share(),
		() => cache.createWriteStream('key'),
	];
	for (const use of uses) expect(use).toThrow(code('ERR_INVALID_STATE'));
});

test('the kind of a cache outlives its own Kind, and has its memory back when the cache is closed', () => {
	const cache = newCache();
	const kind = Kind.attach(cache.share().kind);
	for (let i = 0; i < 1000; i++) cache.set(`${i}`, Buffer.alloc(1000));
	expect(kind.stats().blocks).toBe(1000);
	cache.close();
	expect(kind.stats().blocks).toBe(0);
	kind.close();
});

test('a copy survives the transfer of another one', () => {
	const cache = newCache<Buffer>();
	cache.set('one', Buffer.from('one'));
	cache.set('other', Buffer.from('other'));
	const one = cache.get('one')!;
	const other = cache.get('other')!;
	try {
		structuredClone(one.buffer, { transfer: [one.buffer as ArrayBuffer] });
	} catch (error) {
		// Newer versions of Node say that it cannot be transferred.
		expect((error as Error).name).toBe('DataCloneError');
	}
	expect(`${other} ${cache.get('one')}`).toBe('other one');
});
