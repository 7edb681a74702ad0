// Typed arrays over blocks: they are arrays of their class in every way, and blocks for the kind that made them.
import { inspect, isDeepStrictEqual } from 'node:util';
import { runInNewContext } from 'node:vm';
import { type BlockReference, Kind, type KindArray, type TypedArrayClass } from 'daxkind';
import { expect, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { testDirectory } from '../helpers/directory.ts';
import { closeAfterEach, create } from '../helpers/kinds.ts';
import { inThreads } from '../helpers/threads.ts';
import { thrown } from '../helpers/thrown.ts';

const directory = testDirectory();
closeAfterEach();

const code = (code: string) => expect.objectContaining({ code });
const notABlock = code('ERR_DAXKIND_NOT_A_BLOCK');
const doubleFree = code('ERR_DAXKIND_DOUBLE_FREE');

const classes = [
	...[Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array],
	...[Float32Array, Float64Array, BigInt64Array, BigUint64Array],
] as TypedArrayClass[];
const { Float16Array } = globalThis as unknown as { Float16Array?: TypedArrayClass };
if (Float16Array !== undefined) classes.push(Float16Array);

const modes = [
	['', false],
	[' in debug mode', true],
] as const;

for (const [where, debug] of modes) {
	for (const type of classes) {
		test(`an array is a ${type.name} over a block${where}`, () => {
			const kind = create(directory, { maxSize: 16 * MIB, debug });
			for (const length of [0, 1, 7, 1000, 100_000]) {
				const array = kind.array(type, length, { zero: true }) as KindArray<Float64Array>;
				expect(Object.getPrototypeOf(array)).toBe(type.prototype);
				expect(array.length).toBe(length);
				expect(array.every((value) => Number(value) === 0)).toBe(true);
				expect(Kind.of(array)).toBe(kind);
				expect(kind.usableSize(array)).toBeGreaterThanOrEqual(array.byteLength);
				// A kind in debug mode gives each block an ArrayBuffer of its own.
				expect(array.byteOffset % 16).toBe(0);
				kind.free(array);
				expect(Kind.of(array)).toBeUndefined();
				expect(() => kind.free(array)).toThrow(doubleFree);
				expect(() => kind.usableSize(array)).toThrow(doubleFree);
				expect(array.length).toBe(debug ? 0 : length);
			}
			expect(kind.close()).toBeUndefined();
		});
	}

	test(`parts, copies and other arrays are no blocks${where}`, () => {
		const kind = create(directory, { maxSize: 16 * MIB, debug });
		const array = kind.array(Float32Array, 100, { zero: true });
		const others = [
			...[array.subarray(0), array.slice(), array.map((value) => value), array.filter(() => true)],
			...[new Float32Array(4), new Float32Array(array.buffer, array.byteOffset, 100), Float32Array.from(array)],
			...[structuredClone(new Float32Array(4)), Object.create(array), new DataView(array.buffer, array.byteOffset)],
		];
		for (const other of others) {
			expect(other.constructor).toBe(other instanceof DataView ? DataView : Float32Array);
			expect(Kind.of(other)).toBeUndefined();
			expect(() => kind.free(other as never)).toThrow(
				code(ArrayBuffer.isView(other) ? 'ERR_DAXKIND_NOT_A_BLOCK' : 'ERR_INVALID_ARG_TYPE'),
			);
		}
		expect(kind.stats().blocks).toBe(1);
		// These return the same array.
		kind.free(array.fill(3).reverse().sort());
		expect(kind.stats().blocks).toBe(0);
	});

	test(`an array of another kind, or of a closed one, is refused${where}`, () => {
		const [kind, other] = [create(directory, { maxSize: 16 * MIB, debug }), create(directory, { maxSize: 16 * MIB })];
		const array = kind.array(Float64Array, 10);
		expect(() => other.free(array)).toThrow(code('ERR_DAXKIND_WRONG_KIND'));
		expect(() => other.ref(array)).toThrow(code('ERR_DAXKIND_WRONG_KIND'));
		expect(kind.close()).toMatchObject({ blocks: 1 });
		expect(array.length).toBe(0);
		expect(Kind.of(array)).toBeUndefined();
		expect(() => kind.free(array)).toThrow(code('ERR_INVALID_STATE'));
		expect(() => kind.array(Float64Array, 10)).toThrow(code('ERR_INVALID_STATE'));
		expect(() => kind.tryArray(Float64Array, 10)).toThrow(code('ERR_INVALID_STATE'));
	});
}

test('whoever compares or prints an array finds an ordinary one', () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const array = kind.array(Float32Array, 3);
	array.set([1, 2, 3]);
	expect(isDeepStrictEqual(array, Float32Array.of(1, 2, 3))).toBe(true);
	expect(inspect(array)).toBe('Float32Array(3) [ 1, 2, 3 ]');
	expect(Reflect.ownKeys(array)).toEqual(['0', '1', '2']);
	expect(Object.prototype.toString.call(array)).toBe('[object Float32Array]');
	kind.free(array);
});

test('what is not cleared has the old content, and what is cleared has none, also from the thread cache', () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	for (const length of [10, 3000, 500_000]) {
		kind.free(kind.array(Uint32Array, length).fill(0xabcd));
		const dirty = kind.array(Uint32Array, length);
		expect(dirty.includes(0xabcd)).toBe(true);
		kind.free(dirty);
		expect(kind.array(Uint32Array, length, { zero: true }).some((value) => value !== 0)).toBe(false);
	}
});

test('the memory of an array goes back to the thread cache, as that of a Buffer does', () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const [buffer, array] = [kind.malloc(512), kind.array(Float32Array, 128)];
	const [{ byteOffset: first }, { byteOffset: second }] = [buffer, array];
	kind.free(buffer);
	kind.free(array);
	expect(kind.array(Float32Array, 128).byteOffset).toBe(second);
	expect(kind.malloc(512).byteOffset).toBe(first);
});

test('an array that does not fit is an OutOfMemoryError, or undefined', () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	for (const length of [3 * MIB, 2 ** 40, Number.MAX_SAFE_INTEGER]) {
		expect(() => kind.array(Float64Array, length)).toThrow(code('ERR_DAXKIND_OUT_OF_MEMORY'));
		expect(kind.tryArray(Float64Array, length)).toBeUndefined();
	}
	expect(kind.tryArray(Float64Array, 100)?.length).toBe(100);
	expect(kind.stats().blocks).toBe(1);
});

test('wrong arguments are refused, and nothing is allocated', () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	class Extended extends Float32Array {}
	const foreign = runInNewContext('Float32Array');
	for (const type of [
		undefined,
		null,
		'Float32Array',
		Buffer,
		Array,
		DataView,
		Extended,
		foreign,
		Float32Array.prototype,
	]) {
		for (const call of [() => kind.array(type, 1), () => kind.tryArray(type, 1)]) {
			expect(call).toThrow(code('ERR_INVALID_ARG_TYPE'));
		}
	}
	expect(thrown(() => kind.array(Array as never, 1)).message).toBe(
		'The "type" argument must be a class of typed arrays, such as Float32Array. Received function Array',
	);
	for (const length of [-1, 0.5, Number.NaN, 2 ** 53]) {
		expect(() => kind.array(Float32Array, length)).toThrow(code('ERR_OUT_OF_RANGE'));
	}
	for (const length of ['1', null, undefined, [1], new Float32Array(4)]) {
		expect(() => kind.array(Float32Array, length as never)).toThrow(code('ERR_INVALID_ARG_TYPE'));
	}
	for (const options of [{ zero: 1 }, 'zero', null]) {
		expect(() => kind.array(Float32Array, 1, options as object)).toThrow(code('ERR_INVALID_ARG_TYPE'));
	}
	expect(() => kind.array(Float32Array, 1, { zeros: true } as object)).toThrow(code('ERR_INVALID_ARG_VALUE'));
	expect(() => Kind.prototype.array.call({} as never, Float32Array, 1)).toThrow(code('ERR_INVALID_THIS'));
	expect(() => Kind.prototype.tryArray.call({} as never, Float32Array, 1)).toThrow(code('ERR_INVALID_THIS'));
	expect(kind.stats().blocks).toBe(0);
});

test('calls that return another block as a Buffer refuse arrays, and say so', () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const array = kind.array(Float32Array, 10);
	expect(() => kind.realloc(array as never, 100)).toThrow(notABlock);
	expect(() => kind.defragReallocate(array as never)).toThrow(notABlock);
	expect(thrown(() => kind.realloc(array as never, 0)).message).toMatch(/array of a kind, and the call takes Buffers/);
	kind.free(array);
	expect(kind.stats().blocks).toBe(0);
});

for (const [where, debug] of modes) {
	test(`a reference to an array gives the same memory as a Buffer or as an array${where}`, () => {
		const kind = create(directory, { maxSize: 64 * MIB, debug });
		for (const length of [0, 10, 3 * MIB]) {
			const array = kind.array(Int32Array, length).fill(-5);
			const reference = kind.ref(array);
			const same = kind.deref(reference, Int32Array);
			expect(same.length).toBe(length);
			expect(same.every((value) => value === -5)).toBe(true);
			expect(kind.deref(reference).length).toBe(length * 4);
			expect(kind.deref(reference, Uint16Array).length).toBe(length * 2);
			same.fill(7);
			expect(array.every((value) => value === 7)).toBe(true);
			kind.free(array);
			if (length > 0) expect(() => kind.free(same)).toThrow(doubleFree);
			if (length > 0) expect(() => kind.deref(reference, Int32Array)).toThrow(code('ERR_DAXKIND_STALE_REFERENCE'));
		}
		const block = kind.malloc(10);
		const odd = kind.ref(block);
		expect(() => kind.deref(odd, Float64Array)).toThrow(code('ERR_OUT_OF_RANGE'));
		expect(() => kind.deref(odd, Buffer as never)).toThrow(code('ERR_INVALID_ARG_TYPE'));
		kind.free(block);
	});
}

test('threads fill the parts of one array, and any of them frees it', async () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const array = kind.array(Float64Array, 1000, { zero: true });
	const data: { shared: unknown; reference: BlockReference } = { shared: kind.share(), reference: kind.ref(array) };
	const body = `
		const kind = Kind.attach(data.shared);
		const array = kind.deref(data.reference, Float64Array);
		for (let i = index; i < 1000; i += 2) array[i] = i;
		if (index === 1) kind.free(array);
		return array.length;`;
	expect(await inThreads(1, body, data)).toEqual([1000]);
	expect([array[0], array[998], array[1]]).toEqual([0, 998, 0]);
	kind.free(array);
	expect(() => kind.deref(data.reference)).toThrow(code('ERR_DAXKIND_STALE_REFERENCE'));
	const other = kind.array(Float64Array, 1000);
	const sent = { ...data, reference: kind.ref(other) };
	const freed = 'const kind = Kind.attach(data.shared); kind.free(kind.deref(data.reference, Float64Array)); return 0;';
	await inThreads(1, freed, sent);
	expect(() => kind.free(other)).toThrow(doubleFree);
	expect(kind.stats().blocks).toBe(0);
});

test('nothing can be written beside an array of debug mode, because it has its own ArrayBuffer', () => {
	const kind = create(directory, { maxSize: 16 * MIB, debug: true });
	const array = kind.array(Uint16Array, 5);
	array.fill(1);
	kind.free(array);
	expect(array.length).toBe(0);
	const other = kind.array(Uint16Array, 5);
	expect(other.buffer.byteLength).toBe(10);
	kind.free(other);
});
