// Records of one size in a kind: what the fields hold, where they lie, and who may still use them.
import { inspect } from 'node:util';
import { type Kind, RecordArray, type RecordSchema, type SharedRecordArray } from 'daxkind';
import { expect, test } from 'vitest';
import { KIB, MIB } from '#lib/size.js';
import { testDirectory } from '../helpers/directory.ts';
import { closeAfterEach, create } from '../helpers/kinds.ts';
import { inThreads } from '../helpers/threads.ts';
import { thrown } from '../helpers/thrown.ts';

const directory = testDirectory();
closeAfterEach();

const code = (code: string) => expect.objectContaining({ code });
const kindOf = (maxSize = 16 * MIB, debug = false) => create(directory, { maxSize, debug });
/** The classes of errors of an index that is none. */
const noIndexes = [
	...[-1, 10, 2 ** 31, 2 ** 32, 2 ** 53, 0.5, Number.NaN, Number.POSITIVE_INFINITY].map((index) => [
		index,
		'ERR_OUT_OF_RANGE',
	]),
	...['0', null, undefined, 0n, [0], {}, true].map((index) => [index, 'ERR_INVALID_ARG_TYPE']),
] as [number, string][];

/** By type: values that it holds, and values that it does not. */
const numbers = {
	u8: [
		[0, 255, -0],
		[-1, 256, 0.5],
	],
	i8: [
		[-128, 127],
		[-129, 128, 0.5],
	],
	u16: [
		[0, 0xffff],
		[-1, 0x1_0000],
	],
	i16: [
		[-0x8000, 0x7fff],
		[-0x8001, 0x8000],
	],
	u32: [
		[0, 0xffff_ffff],
		[-1, 2 ** 32, 0.1],
	],
	i32: [
		[-(2 ** 31), 2 ** 31 - 1],
		[-(2 ** 31) - 1, 2 ** 31],
	],
	u64: [
		[0n, 2n ** 64n - 1n],
		[-1n, 2n ** 64n],
	],
	i64: [
		[-(2n ** 63n), 2n ** 63n - 1n],
		[-(2n ** 63n) - 1n, 2n ** 63n],
	],
	f32: [[0, 0.5, Number.NEGATIVE_INFINITY, Number.NaN], []],
	f64: [[0.1, Number.MAX_VALUE, Number.NaN, -0], []],
} as const;

for (const [type, [good, bad]] of Object.entries(numbers)) {
	test(`a field of type ${type} holds its numbers, and refuses all others`, () => {
		const schema = { before: 'u8', field: type, after: 'u8' } as { before: 'u8'; field: 'f64'; after: 'u8' };
		using records = RecordArray.create(kindOf(), schema, 10, { zero: true });
		const { before, field, after } = records.fields;
		for (const index of [0, 9]) {
			for (const value of good as readonly number[]) {
				field.set(index, value);
				// A typed array does not tell -0 from 0 unless it holds floating-point numbers.
				expect(field.get(index)).toEqual(type === 'u8' ? Math.abs(value) : value);
			}
			const last = field.get(index);
			const ofOtherTypes = ['1', null, undefined, {}, typeof good[0] === 'bigint' ? 1 : 1n];
			for (const value of bad as readonly number[]) {
				expect(() => field.set(index, value)).toThrow(code('ERR_OUT_OF_RANGE'));
			}
			for (const value of ofOtherTypes) {
				expect(() => field.set(index, value as number)).toThrow(code('ERR_INVALID_ARG_TYPE'));
			}
			expect(field.get(index)).toEqual(last);
			expect([before.get(index), after.get(index)]).toEqual([0, 0]);
		}
		expect(Number(field.get(5))).toBe(0);
		for (const [index, expected] of noIndexes) {
			expect(() => field.get(index)).toThrow(code(expected));
			expect(() => field.set(index, good[0] as number)).toThrow(code(expected));
		}
	});
}

test('fields lie as in a struct of C', () => {
	const schema = {
		flag: 'u8',
		price: 'f64',
		code: { bytes: 3 },
		count: 'u16',
		vector: { type: 'f32', length: 3 },
		last: 'u8',
	} as const;
	using records = RecordArray.create(kindOf(), schema, 4);
	const offsets = Object.entries(records.fields).map(([name, { offset }]) => [name, offset]);
	expect(Object.fromEntries(offsets)).toEqual({ flag: 0, price: 8, code: 16, count: 20, vector: 24, last: 36 });
	expect(records.recordSize).toBe(40);
	expect(records.fields.vector.length).toBe(3);
	// The bytes are there where the offsets say.
	const [reference] = records.share().blocks;
	const block = records.kind.deref(reference!);
	expect(block.length).toBe(160);
	records.fields.price.set(2, 1.5);
	records.fields.count.set(3, 0x1234);
	expect(block.readDoubleLE(2 * 40 + 8)).toBe(1.5);
	expect(block.readUInt16LE(3 * 40 + 20)).toBe(0x1234);
});

test('bytes are stored from Buffers, arrays and strings, and the rest becomes zeros', () => {
	using records = RecordArray.create(kindOf(), { left: 'u8', name: { bytes: 8 }, right: 'u8' }, 10, { zero: true });
	const { left, name, right } = records.fields;
	name.set(3, Buffer.alloc(8, 'x'));
	expect(name.text(3)).toBe('xxxxxxxx');
	name.set(3, 'día');
	expect(name.text(3)).toBe('día');
	expect(name.get(3)).toEqual(Buffer.from('día\0\0\0\0'));
	name.set(3, [1, 2]);
	expect(name.get(3)).toEqual(Buffer.from([1, 2, 0, 0, 0, 0, 0, 0]));
	name.set(3, '');
	expect(name.text(3)).toBe('');
	const view = name.view(3);
	view.fill('v');
	const copy = name.get(3).fill('c');
	expect([name.text(3), copy.toString()]).toEqual(['vvvvvvvv', 'cccccccc']);
	expect(() => records.kind.free(view as never)).toThrow(code('ERR_DAXKIND_NOT_A_BLOCK'));
	for (const long of ['ninebytes', 'ééééé', Buffer.alloc(9)])
		expect(() => name.set(3, long)).toThrow(code('ERR_OUT_OF_RANGE'));
	for (const wrong of [null, undefined, 7, {}, { length: 'x' }, { length: -1 }, [1, 2n], [1, '2'], [1, null]]) {
		expect(() => name.set(3, wrong as never)).toThrow(code('ERR_INVALID_ARG_TYPE'));
	}
	expect(name.text(3)).toBe('vvvvvvvv');
	expect([name.text(2), name.text(4), left.get(3), right.get(3)]).toEqual(['', '', 0, 0]);
	for (const [index, expected] of noIndexes) {
		const calls = [name.view, name.get, name.text, (index: number) => name.set(index, 'x')];
		for (const call of calls) expect(() => call.call(name, index)).toThrow(code(expected));
	}
});

test('a field of several numbers is a typed array of its class in each record', () => {
	const schema = { id: 'u8', floats: { type: 'f32', length: 4 }, bigs: { type: 'i64', length: 2 } } as const;
	using records = RecordArray.create(kindOf(), schema, 10, { zero: true });
	const { floats, bigs } = records.fields;
	floats.set(9, [1, 2, 3, 4]);
	expect(floats.get(9)).toEqual(Float32Array.of(1, 2, 3, 4));
	floats.set(9, Float64Array.of(0.5));
	expect(floats.view(9)).toEqual(Float32Array.of(0.5, 0, 0, 0));
	floats.view(9)[3] = 7;
	floats.get(9)[2] = 8;
	expect([...floats.get(9)]).toEqual([0.5, 0, 0, 7]);
	bigs.set(0, [5n]);
	expect(bigs.get(0)).toEqual(BigInt64Array.of(5n, 0n));
	expect([...bigs.get(1), ...floats.get(8)]).toEqual([0n, 0n, 0, 0, 0, 0]);
	expect(() => floats.set(9, [1, 2, 3, 4, 5])).toThrow(code('ERR_OUT_OF_RANGE'));
	expect(() => floats.set(9, 'abc' as never)).toThrow(code('ERR_INVALID_ARG_TYPE'));
	expect(() => floats.set(10, [1])).toThrow(code('ERR_OUT_OF_RANGE'));
	expect(() => floats.view(10)).toThrow(code('ERR_OUT_OF_RANGE'));
});

test('a source with an element of another type is refused, and nothing of it is stored', () => {
	const schema = { floats: { type: 'f32', length: 2 }, bigs: { type: 'u64', length: 2 } } as const;
	using records = RecordArray.create(kindOf(), schema, 1, { zero: true });
	const { floats, bigs } = records.fields;
	for (const wrong of [[5n, 'x'], [5n, 5], [5n, '5'], [5n, null], Float32Array.of(5), [5n, Symbol()]]) {
		expect(() => bigs.set(0, wrong as never)).toThrow(code('ERR_INVALID_ARG_TYPE'));
	}
	for (const wrong of [[5, 5n], [5, '5'], [5, undefined], BigInt64Array.of(5n), { 0: 5, length: 2 }]) {
		expect(() => floats.set(0, wrong as never)).toThrow(code('ERR_INVALID_ARG_TYPE'));
	}
	expect(thrown(() => bigs.set(0, [5n, 'x'] as never)).message).toMatch(/"source\[1\]" .* of type bigint/);
	expect(records.get(0)).toEqual({ floats: Float32Array.of(0, 0), bigs: BigUint64Array.of(0n, 0n) });
	bigs.set(0, BigInt64Array.of(-1n));
	floats.set(0, { 0: 0.5, length: 1 });
	expect(records.get(0)).toEqual({ floats: Float32Array.of(0.5, 0), bigs: BigUint64Array.of(2n ** 64n - 1n, 0n) });
});

test('a whole record is read as an object of copies, and written in part', () => {
	const schema = { id: 'u32', name: { bytes: 4 }, vector: { type: 'f64', length: 2 } } as const;
	using records = RecordArray.create(kindOf(), schema, 10, { zero: true });
	records.set(1, { id: 7, name: 'abc', vector: [1, 2] });
	const record = records.get(1);
	expect(record).toEqual({ id: 7, name: Buffer.from('abc\0'), vector: Float64Array.of(1, 2) });
	record.vector[0] = 100;
	records.set(2, record);
	records.set(1, { id: 8 });
	records.set(1, {});
	expect(records.get(1)).toEqual({ id: 8, name: Buffer.from('abc\0'), vector: Float64Array.of(1, 2) });
	expect(records.get(2).vector[0]).toBe(100);
	expect(thrown(() => records.set(1, { di: 7 } as object))).toMatchObject({
		code: 'ERR_INVALID_ARG_VALUE',
		message: "The property 'values.di' is not a field. The fields are 'id', 'name', 'vector'",
	});
	for (const [index, expected] of noIndexes) expect(() => records.set(index, {})).toThrow(code(expected));
	expect(() => records.set(1, { id: -1 })).toThrow(code('ERR_OUT_OF_RANGE'));
	expect(() => records.set(10, { id: 1 })).toThrow(code('ERR_OUT_OF_RANGE'));
	for (const wrong of [null, undefined, 7])
		expect(() => records.set(1, wrong as never)).toThrow(code('ERR_INVALID_ARG_TYPE'));
	expect(() => records.get(10)).toThrow(code('ERR_OUT_OF_RANGE'));
});

for (const debug of [false, true]) {
	test(`records are one block in a kind that has room in one piece${debug ? ', also in debug mode' : ''}`, () => {
		const kind = kindOf(16 * MIB, debug);
		const records = RecordArray.create(kind, { id: 'u32', price: 'f64' }, 100_000, { zero: true });
		expect(kind.stats().blocks).toBe(1);
		const { id, price } = records.fields;
		for (let i = 0; i < 100_000; i += 1) {
			id.set(i, i);
			price.set(i, i / 2);
		}
		for (let i = 0; i < 100_000; i += 1) if (id.get(i) !== i || price.get(i) !== i / 2) expect.fail(`record ${i}`);
		records.free();
		expect(records.freed).toBe(true);
		expect(kind.stats().blocks).toBe(0);
		expect(kind.close()).toBeUndefined();
	});

	test(`a fragmented kind gets more and shorter blocks${debug ? ', also in debug mode' : ''}`, () => {
		const kind = kindOf(16 * MIB, debug);
		const held = Array.from({ length: 15 }, () => kind.malloc(MIB - 8 * KIB));
		for (let i = 0; i < held.length; i += 2) kind.free(held[i]!);
		kind.purge();
		const records = RecordArray.create(kind, { id: 'u32', rest: { bytes: 60 } }, 80_000);
		const { blocks, shift } = records.share();
		expect(blocks.length).toBeGreaterThan(4);
		expect(blocks.length).toBe(Math.ceil(80_000 / 2 ** shift));
		const { id, rest } = records.fields;
		for (let i = 0; i < 80_000; i += 1) {
			id.set(i, i);
			rest.set(i, [i & 255]);
		}
		for (let i = 0; i < 80_000; i += 1)
			if (id.get(i) !== i || rest.view(i)[0] !== (i & 255)) expect.fail(`record ${i}`);
		expect(() => id.get(80_000)).toThrow(code('ERR_OUT_OF_RANGE'));
		records.free();
		expect(kind.stats().blocks).toBe(7);
		for (let i = 1; i < held.length; i += 2) kind.free(held[i]!);
	});
}

test('more records than a kind can hold are an OutOfMemoryError, and leave nothing behind', () => {
	const kind = kindOf();
	for (const length of [300_000, 2 ** 32 - 1]) {
		expect(() => RecordArray.create(kind, { rest: { bytes: 64 } }, length)).toThrow(code('ERR_DAXKIND_OUT_OF_MEMORY'));
	}
	const longest = { rest: { bytes: 1024 * MIB } };
	expect(thrown(() => RecordArray.create(kind, longest, 2 ** 32 - 1))).toMatchObject({
		code: 'ERR_DAXKIND_OUT_OF_MEMORY',
		reason: 'limit',
	});
	expect(kind.stats().blocks).toBe(0);
	const all = RecordArray.create(kind, { rest: { bytes: 64 } }, (16 * MIB) / 64);
	expect(kind.stats().allocated).toBe(16 * MIB);
	all.free();
});

test('records beyond a segment lie in several blocks, none of which is longer', () => {
	const kind = kindOf(3 * 1024 * MIB);
	const length = 10_000;
	// Not a power of two, so the blocks are shorter than a segment.
	const records = RecordArray.create(kind, { id: 'u32', rest: { bytes: 200_000 } }, length);
	const { blocks, shift } = records.share();
	expect([blocks.length, shift]).toEqual([3, 12]);
	const { id } = records.fields;
	for (let i = 0; i < length; i += 97) id.set(i, i);
	id.set(length - 1, 5);
	for (let i = 0; i < length - 1; i += 97) expect(id.get(i)).toBe(i);
	expect(id.get(length - 1)).toBe(5);
	records.free();
	expect(kind.stats().blocks).toBe(0);
});

test('no records, one record, and a record as long as can be', () => {
	const kind = kindOf();
	using none = RecordArray.create(kind, { id: 'u8' }, 0);
	expect(none.share().blocks).toEqual([]);
	expect(() => none.fields.id.get(0)).toThrow(code('ERR_OUT_OF_RANGE'));
	using one = RecordArray.create(kind, { id: 'u8' }, 1);
	one.fields.id.set(0, 9);
	expect(RecordArray.attach(kind, one.share()).fields.id.get(0)).toBe(9);
	const segment = 1024 * MIB;
	expect(() => RecordArray.create(kind, { all: { bytes: segment } }, 1)).toThrow(code('ERR_DAXKIND_OUT_OF_MEMORY'));
	for (const schema of [{ a: { bytes: segment }, b: 'u8' }, { all: { bytes: segment + 1 } }]) {
		expect(() => RecordArray.create(kind, schema as RecordSchema, 1)).toThrow(code('ERR_OUT_OF_RANGE'));
	}
});

test('what is not cleared has the old content', () => {
	const kind = kindOf();
	kind.free(kind.malloc(MIB).fill(0xaa));
	const dirty = RecordArray.create(kind, { id: 'u32' }, MIB / 4);
	expect(dirty.fields.id.get(1000)).toBe(0xaaaa_aaaa);
	dirty.free();
	using clean = RecordArray.create(kind, { id: 'u32' }, MIB / 4, { zero: true });
	expect(clean.fields.id.get(1000)).toBe(0);
});

test('freed records, and those of a closed kind, are refused', () => {
	const kind = kindOf();
	const schema = { id: 'u32', name: { bytes: 4 }, vector: { type: 'f32', length: 2 } } as const;
	const [freed, closed] = [RecordArray.create(kind, schema, 10), RecordArray.create(kind, schema, 10)];
	freed.free();
	expect(() => freed.free()).toThrow(code('ERR_DAXKIND_DOUBLE_FREE'));
	freed[Symbol.dispose]();
	kind.close();
	for (const records of [freed, closed]) {
		const { id, name, vector } = records.fields;
		const calls = [
			...[() => id.get(0), () => id.set(0, 1), () => name.get(0), () => name.view(0), () => name.text(0)],
			...[() => name.set(0, 'x'), () => name.set(0, [1]), () => vector.get(0), () => vector.view(0)],
			...[() => vector.set(0, [1]), () => records.get(0), () => records.set(0, { id: 1 }), () => records.set(0, {})],
			() => records.share(),
		];
		for (const call of calls) expect(call).toThrow(code('ERR_INVALID_STATE'));
	}
	expect(thrown(() => freed.fields.id.get(99)).message).toMatch(/have been freed/);
	expect(thrown(() => closed.fields.id.get(0)).message).toMatch(/closed/);
	expect(() => closed.free()).toThrow(code('ERR_INVALID_STATE'));
	closed[Symbol.dispose]();
	expect(closed.freed).toBe(true);
	expect(() => RecordArray.create(kind, schema, 10)).toThrow(code('ERR_INVALID_STATE'));
	expect(() => RecordArray.create(kind, schema, 0)).toThrow(code('ERR_INVALID_STATE'));
});

test('wrong schemas, lengths and options are refused, and nothing is allocated', () => {
	const kind = kindOf();
	const schemas: [unknown, string][] = [
		...[
			undefined,
			null,
			7,
			'u8',
			['u8'],
			{ a: 7 },
			{ a: null },
			{ a: { bytes: '4' } },
			{ a: { type: 7, length: 1 } },
		].map((schema): [unknown, string] => [schema, 'ERR_INVALID_ARG_TYPE']),
		...[{}, { a: 'u7' }, { a: 'toString' }, { a: { type: 'bytes', length: 1 } }, JSON.parse('{"__proto__":"u8"}')].map(
			(schema): [unknown, string] => [schema, 'ERR_INVALID_ARG_VALUE'],
		),
		...[{ a: { bytes: 0 } }, { a: { bytes: 0.5 } }, { a: { type: 'u8', length: -1 } }].map(
			(schema): [unknown, string] => [schema, 'ERR_OUT_OF_RANGE'],
		),
	];
	for (const [schema, expected] of schemas) {
		expect(() => RecordArray.create(kind, schema as RecordSchema, 1), inspect(schema)).toThrow(code(expected));
	}
	for (const length of [-1, 0.5, 2 ** 32, Number.NaN]) {
		expect(() => RecordArray.create(kind, { a: 'u8' }, length)).toThrow(code('ERR_OUT_OF_RANGE'));
	}
	for (const length of ['1', undefined]) {
		expect(() => RecordArray.create(kind, { a: 'u8' }, length as never)).toThrow(code('ERR_INVALID_ARG_TYPE'));
	}
	expect(() => RecordArray.create(kind, { a: 'u8' }, 1, { zero: 1 } as never)).toThrow(code('ERR_INVALID_ARG_TYPE'));
	expect(() => RecordArray.create(kind, { a: 'u8' }, 1, { zeros: true } as never)).toThrow(
		code('ERR_INVALID_ARG_VALUE'),
	);
	for (const wrong of [undefined, null, {}, Buffer.alloc(1)]) {
		expect(() => RecordArray.create(wrong as never, { a: 'u8' }, 1)).toThrow(code('ERR_INVALID_ARG_TYPE'));
	}
	expect(() => Reflect.construct(RecordArray, [])).toThrow(code('ERR_ILLEGAL_CONSTRUCTOR'));
	const { get, share, free } = RecordArray.prototype;
	for (const call of [get, share, free]) expect(() => call.call({} as never, 0)).toThrow(code('ERR_INVALID_THIS'));
	expect(kind.stats().blocks).toBe(0);
});

test('a share that was changed is refused, and so is one of another kind or of freed records', () => {
	const [kind, other] = [kindOf(), kindOf()];
	const records = RecordArray.create(kind, { id: 'u32' }, 1000);
	const shared = records.share();
	const attach = (changes: object, of: Kind = kind) =>
		RecordArray.attach(of, { ...shared, ...changes } as SharedRecordArray);
	const wrong = [
		...[{ type: 'daxkind.Kind' }, { length: 2000 }, { length: 10 }, { shift: 3 }, { shift: 40 }, { shift: '10' }],
		...[
			{ length: 2 ** 32 - 1, shift: 0 },
			{ blocks: [] },
			{ blocks: [...shared.blocks, ...shared.blocks] },
			{ blocks: 'x' },
			{ blocks: [{}] },
		],
		...[{ schema: { id: 'u64' } }, { schema: null }, { length: -1 }],
	];
	for (const changes of wrong)
		expect(() => attach(changes), inspect(changes)).toThrow(code(expect.stringMatching(/^ERR_/)));
	for (const value of [null, undefined, 7]) {
		expect(() => RecordArray.attach(kind, value as never)).toThrow(code('ERR_INVALID_ARG_TYPE'));
	}
	expect(() => attach({}, other)).toThrow(code('ERR_DAXKIND_WRONG_KIND'));
	const same = attach({});
	same[Symbol.dispose]();
	expect(kind.stats().blocks).toBe(1);
	const again = attach({});
	again.free();
	expect(kind.stats().blocks).toBe(0);
	expect(() => attach({})).toThrow(code('ERR_DAXKIND_STALE_REFERENCE'));
	expect(() => records.free()).toThrow(code('ERR_DAXKIND_DOUBLE_FREE'));
});

test('threads fill the records of one array, each its own', async () => {
	const kind = kindOf();
	const schema = { id: 'u32', sum: 'f64', name: { bytes: 8 } } as const;
	const records = RecordArray.create(kind, schema, 10_000, { zero: true });
	const body = `
		const { RecordArray } = await import('daxkind');
		using_: {
			const kind = Kind.attach(data.kind);
			const records = RecordArray.attach(kind, data.records);
			const { id, sum, name } = records.fields;
			for (let i = index; i < records.length; i += 2) {
				id.set(i, i);
				sum.set(i, i / 4);
				name.set(i, 'n' + i);
			}
			records[Symbol.dispose]();
			kind.close();
		}
		return index;`;
	expect(await inThreads(2, body, { kind: kind.share(), records: records.share() })).toEqual([0, 1]);
	const { id, sum, name } = records.fields;
	for (let i = 0; i < records.length; i += 1) {
		if (id.get(i) !== i || sum.get(i) !== i / 4 || name.text(i) !== `n${i}`) expect.fail(`record ${i}`);
	}
	records.free();
	expect(kind.close()).toBeUndefined();
});

test('records of a kind that was attached stay when the thread that made them has ended', async () => {
	const kind = kindOf();
	const body = `
		const { RecordArray } = await import('daxkind');
		const records = RecordArray.create(Kind.attach(data), { id: 'u32' }, 1000);
		records.fields.id.set(999, 77);
		return records.share();`;
	const [shared] = await inThreads<SharedRecordArray<{ id: 'u32' }>>(1, body, kind.share());
	const records = RecordArray.attach(kind, shared!);
	expect(records.fields.id.get(999)).toBe(77);
	records.free();
	expect(kind.stats().blocks).toBe(0);
});

test('what console.log shows is what it is made of', () => {
	const records = RecordArray.create(create(directory, { maxSize: 16 * MIB, name: 'trades' }), { id: 'u32' }, 10);
	expect(inspect(records, { breakLength: 1000 })).toBe(
		"RecordArray { kind: 'trades', length: 10, recordSize: 4, schema: { id: 'u32' }, freed: false }",
	);
});
