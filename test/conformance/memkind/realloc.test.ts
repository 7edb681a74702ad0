// memkind's cases of memkind_realloc.
import { type Kind, minPmemSize, OutOfMemoryError } from 'daxkind';
import { beforeEach, describe, expect, test } from 'vitest';
import { KIB, MIB } from '#lib/size.js';
import { testDirectory } from '../../helpers/directory.ts';
import { fill, partSize } from '../../helpers/fill.ts';
import { closeAfterEach, create } from '../../helpers/kinds.ts';

const directory = testDirectory();
closeAfterEach();
let kind: Kind;
beforeEach(() => {
	kind = create(directory, { maxSize: partSize });
});

const freedBefore = expect.objectContaining({ code: 'ERR_DAXKIND_DOUBLE_FREE' });

test('test_TC_MEMKIND_PmemRealloc: nothing becomes 512 bytes, and they 1 KiB', () => {
	const first = kind.realloc(null, 512);
	expect(first.write('realloc 512')).toBe(11);
	const second = kind.realloc(first, KIB);
	expect(second).toHaveLength(KIB);
	expect(second.toString('utf8', 0, 11)).toBe('realloc 512');
	kind.free(second);
});

describe('to size 0', () => {
	test('test_TC_MEMKIND_PmemReallocZero: frees the block and gives an empty Buffer', () => {
		const block = kind.malloc(KIB);
		const empty = kind.realloc(block, 0);
		expect(empty).toHaveLength(0);
		expect(kind.stats()).toMatchObject({ blocks: 0, allocated: 0 });
		expect(() => kind.free(block)).toThrow(freedBefore);
		kind.free(empty);
	});

	test('test_TC_MEMKIND_PmemReallocSizeZero: a hundred times, and nothing is lost', () => {
		for (let i = 0; i < 100; i++) kind.realloc(kind.malloc(KIB), 0);
		expect(kind.stats()).toMatchObject({ blocks: 0, allocated: 0 });
		kind.free(kind.malloc(18 * MIB));
	});
});

describe('of nothing', () => {
	test('test_TC_MEMKIND_PmemReallocNullptr: is malloc, for null and undefined', () => {
		for (const nothing of [null, undefined]) {
			const block = kind.realloc(nothing, KIB);
			expect(block).toHaveLength(KIB);
			kind.free(block);
		}
	});

	test('test_TC_MEMKIND_PmemReallocNullptrSizeMax: of the largest size is out of memory', () => {
		expect(() => kind.realloc(null, Number.MAX_SAFE_INTEGER)).toThrow(OutOfMemoryError);
	});

	test('test_TC_MEMKIND_PmemReallocNullptrZero: of size 0 is an empty Buffer', () => {
		expect(kind.realloc(null, 0)).toHaveLength(0);
	});

	test('test_TC_MEMKIND_PmemReallocNullptrSizeZero: 200,000 times, and none of it takes memory', () => {
		for (let i = 0; i < 200_000; i++) kind.realloc(null, 0);
		expect(kind.stats()).toMatchObject({ blocks: 0, resident: 0 });
	});
});

describe('without memory', () => {
	for (const [name, size] of [
		['SizeMax', Number.MAX_SAFE_INTEGER],
		['PtrCheck', 18 * MIB + 1],
	] as const) {
		test(`test_TC_MEMKIND_PmemRealloc${name}: ${size} bytes throw, and the old block is what it was`, () => {
			const block = kind.malloc(KIB).fill('old');
			const copy = Buffer.from(block);
			expect(() => kind.realloc(block, size)).toThrow(OutOfMemoryError);
			expect(block.equals(copy)).toBe(true);
			expect(kind.usableSize(block)).toBe(KIB);
			expect(
				kind
					.realloc(block, 2 * KIB)
					.subarray(0, KIB)
					.equals(copy),
			).toBe(true);
		});
	}

	test('memkind_realloc: in a full kind a block cannot grow, can shrink, and keeps its content', () => {
		const [block] = fill(kind, 1000, (each, i) => each.fill(i));
		expect(() => kind.realloc(block, 5000)).toThrow(OutOfMemoryError);
		const shrunk = kind.realloc(block, 10);
		expect(shrunk.equals(Buffer.alloc(10, 0))).toBe(true);
		expect(() => kind.free(block)).toThrow(freedBefore);
		kind.free(shrunk);
	});
});

describe('content', () => {
	test('test_TC_MEMKIND_PmemReallocIncreaseSize: a larger block begins with what was there', () => {
		const block = kind.malloc(KIB);
		for (let i = 0; i < KIB; i++) block[i] = i * 7;
		const copy = Buffer.from(block);
		const larger = kind.realloc(block, 2 * KIB);
		expect(larger).toHaveLength(2 * KIB);
		expect(larger.subarray(0, KIB).equals(copy)).toBe(true);
		kind.free(larger);
	});

	test('test_TC_MEMKIND_PmemReallocDecreaseSize: a smaller block has its beginning', () => {
		const block = kind.malloc(KIB).fill('text');
		const smaller = kind.realloc(block, 4);
		expect(smaller.toString()).toBe('text');
		kind.free(smaller);
	});
});

test('test_TC_MEMKIND_PmemReallocInPlace: long blocks shrink and grow where they are, and what shrinks leaves room', () => {
	const first = kind.malloc(10 * MIB);
	const at = first.byteOffset;
	let block = first;
	for (const size of [6 * MIB, 10 * MIB, 8 * MIB]) {
		block = kind.realloc(block, size);
		expect(block.byteOffset).toBe(at);
		expect(block).toHaveLength(size);
	}
	const other = kind.malloc(4 * MIB);
	const small = [kind.realloc(other, 16), kind.realloc(block, 16)];
	expect(small.map((each) => kind.usableSize(each))).toEqual([16, 16]);
	const long = kind.malloc(5 * MIB);
	for (const each of [...small, long]) kind.free(each);
	expect(kind.stats().allocated).toBe(0);
});

test('memkind_realloc: up to the usable size a block stays where it is', () => {
	for (const size of [33, 1001, 8193, MIB + 1]) {
		const block = kind.malloc(size).fill(size);
		const usable = kind.usableSize(block);
		expect(usable).toBeGreaterThan(size);
		const grown = kind.realloc(block, usable);
		expect(grown.byteOffset).toBe(block.byteOffset);
		expect(grown.subarray(0, size).every((byte) => byte === (size & 255))).toBe(true);
		kind.free(grown);
	}
});

test("memkind_realloc: another kind's block is refused by name, where memkind takes it", () => {
	const other = create(directory, { maxSize: minPmemSize });
	const block = other.malloc(100).fill(1);
	expect(() => kind.realloc(block, 200)).toThrow(expect.objectContaining({ code: 'ERR_DAXKIND_WRONG_KIND' }));
	expect(other.realloc(block, 200).subarray(0, 100).equals(Buffer.alloc(100, 1))).toBe(true);
});
