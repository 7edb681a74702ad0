// memkind_posix_memalign. The tests check addresses of the process, from /proc/self/maps, because an aligned offset
// proves nothing.
import { type Block, type Kind, minPmemSize, OutOfMemoryError } from 'daxkind';
import { beforeEach, describe, expect, test } from 'vitest';
import { KIB, MIB } from '#lib/size.js';
import { testDirectory } from '../../helpers/directory.ts';
import { fill, freeAll, partSize } from '../../helpers/fill.ts';
import { closeAfterEach, create } from '../../helpers/kinds.ts';
import { mappedAt } from '../../helpers/process.ts';

const directory = testDirectory();
closeAfterEach();
let kind: Kind;
let base: bigint;
beforeEach(() => {
	kind = create(directory, { maxSize: partSize });
	base = mappedAt(directory);
});

/** How far a block's address is from the multiple of `alignment` below it. The kinds here have one segment. */
const misalignment = (block: Block, alignment: number) => Number((base + BigInt(block.byteOffset)) % BigInt(alignment));

describe('an alignment that is none', () => {
	for (const [name, alignment] of [
		['LessThanVoidAndNotPowerOfTwo', 3],
		['LessThanVoidAndPowerOfTwo', 4],
		['NotPowerOfTwo', 9],
	] as const) {
		test(`test_TC_MEMKIND_PmemPosixMemalignWrongAlignment${name}: ${alignment} is out of range`, () => {
			expect(() => kind.memalign(alignment, 32)).toThrow(
				expect.objectContaining({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE' }),
			);
			expect(kind.stats().blocks).toBe(0);
		});
	}
});

test('test_TC_MEMKIND_PmemPosixMemalignLowestCorrectAlignment: 8, the size of a pointer, is the least', () => {
	const block = kind.memalign(8, 32);
	expect(block).toHaveLength(32);
	expect(misalignment(block, 8)).toBe(0);
	kind.free(block);
});

test('test_TC_MEMKIND_PmemPosixMemalignSizeZero: 0 bytes are an empty Buffer', () => {
	const block = kind.memalign(8, 0);
	expect(block).toHaveLength(0);
	kind.free(block);
	expect(kind.stats().blocks).toBe(0);
});

test('test_TC_MEMKIND_PmemPosixMemalignSizeMax: the largest size is out of memory', () => {
	expect(() => kind.memalign(64, Number.MAX_SAFE_INTEGER)).toThrow(OutOfMemoryError);
	expect(kind.stats().blocks).toBe(0);
});

/** Fills the kind with aligned blocks of four bytes, checks each, frees them, and returns their number. */
function fillAligned(alignment: number): number {
	const blocks: Block[] = [];
	try {
		for (;;) {
			const block = kind.memalign(alignment, 4);
			if (misalignment(block, alignment) !== 0) expect.fail(`block ${blocks.length} is not aligned to ${alignment}`);
			block.writeInt32LE(123_456 + blocks.length);
			blocks.push(block);
		}
	} catch (error) {
		expect(error).toBeInstanceOf(OutOfMemoryError);
	}
	expect(blocks.findIndex((block, i) => block.readInt32LE() !== 123_456 + i)).toBe(-1);
	freeAll(kind, blocks);
	return blocks.length;
}

for (let alignment = KIB; alignment <= 128 * KIB; alignment *= 2) {
	test(`test_TC_MEMKIND_PmemPosixMemalign: aligned to ${alignment} until the kind is full, ten times the same number`, () => {
		const first = fillAligned(alignment);
		expect(first).toBe((18 * MIB) / alignment);
		for (let round = 1; round < 10; round++) expect(fillAligned(alignment)).toBe(first);
	});
}

test('memkind_posix_memalign: aligned to 8 KiB to 8 MiB in a fresh kind up to its last block, where memkind returns misaligned ones', () => {
	for (let alignment = 8 * KIB; alignment <= 8 * MIB; alignment *= 2) {
		kind.close();
		kind = create(directory, { maxSize: partSize });
		base = mappedAt(directory);
		expect(fillAligned(alignment)).toBeGreaterThanOrEqual(Math.floor((18 * MIB) / alignment) - 1);
	}
});

test('memkind_posix_memalign: an alignment that no address of the kind has is out of memory, where memkind ignores it', () => {
	for (const alignment of [2 ** 40, 2 ** 45, 2 ** 52]) {
		expect(() => kind.memalign(alignment, 100)).toThrow(OutOfMemoryError);
	}
	kind.free(kind.malloc(18 * MIB));
});

test('memkind_posix_memalign: any size with any alignment is aligned, in among others and after them', () => {
	const blocks: Block[] = [];
	for (let alignment = 8; alignment <= 64 * KIB; alignment *= 2) {
		for (const size of [1, 100, 1000, 5000, 20_000, 100_000]) {
			blocks.push(kind.malloc(size + 3));
			const block = kind.memalign(alignment, size);
			expect(misalignment(block, alignment)).toBe(0);
			blocks.push(block.fill(blocks.length));
			if (blocks.length % 3 === 0) kind.free(blocks.shift());
		}
	}
	freeAll(kind, blocks);
	expect(kind.stats()).toMatchObject({ allocated: 0, blocks: 0 });
});

test('pmem_alignment (example): blocks of 32 bytes are 32 apart, those aligned to 64 are 64 apart', () => {
	const plain = [kind.malloc(32), kind.malloc(32)];
	expect(Math.abs(plain[0]!.byteOffset - plain[1]!.byteOffset)).toBe(32);
	freeAll(kind, plain);
	const aligned = [kind.memalign(64, 32), kind.memalign(64, 32)];
	expect(Math.abs(aligned[0]!.byteOffset - aligned[1]!.byteOffset)).toBe(64);
	freeAll(kind, aligned);
});

test('test_TC_MEMKIND_Negative_RegularReallocWithMemAllign: an aligned block can be reallocated and freed as any other', () => {
	const block = kind.memalign(16 * KIB, 100).fill('aligned');
	const grown = kind.realloc(block, 100_000);
	expect(grown.toString('utf8', 0, 7)).toBe('aligned');
	kind.free(grown);
	kind.free(kind.memalign(2 * MIB, 4 * MIB));
	expect(kind.stats()).toMatchObject({ allocated: 0, blocks: 0 });
});

test('memkind_posix_memalign: what aligned blocks leave between them is used by others', () => {
	const small = create(directory, { maxSize: minPmemSize });
	const aligned = fill(small, MIB).length;
	expect(aligned).toBe(16);
	small.close();

	const mixed = create(directory, { maxSize: minPmemSize });
	for (let i = 0; i < 8; i++) mixed.memalign(2 * MIB, 100);
	expect(fill(mixed, 100 * KIB).length * 100 * KIB).toBeGreaterThan(14 * MIB);
});
