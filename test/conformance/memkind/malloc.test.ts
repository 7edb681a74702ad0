// memkind's cases of memkind_malloc and memkind_calloc.
import { type Block, type Kind, minPmemSize, OutOfMemoryError } from 'daxkind';
import { expect, test } from 'vitest';
import { KIB, MIB } from '#lib/size.js';
import { testDirectory } from '../../helpers/directory.ts';
import { fill, freeAll, partSize } from '../../helpers/fill.ts';
import { closeAfterEach, create } from '../../helpers/kinds.ts';

const directory = testDirectory();
closeAfterEach();

const part = () => create(directory, { maxSize: partSize });
const outOfMemory = (reason: string) => expect.objectContaining({ code: 'ERR_DAXKIND_OUT_OF_MEMORY', reason });

/** Expects that a call finds no memory and changes nothing. */
function fails(kind: Kind, call: () => unknown): void {
	const before = kind.stats();
	expect(call).toThrow(OutOfMemoryError);
	// An allocation that fails may give cached blocks back to the heap. The blocks that callers hold stay the same.
	expect(kind.stats()).toMatchObject({ allocated: before.allocated, blocks: before.blocks });
}

test('test_TC_MEMKIND_PmemMalloc: a block takes text; twice the kind is out of memory', () => {
	const kind = part();
	const block = kind.malloc(KIB);
	block.write('daxkind malloc\n');
	expect(block.toString('utf8', 0, 14)).toBe('daxkind malloc');
	kind.free(block);
	fails(kind, () => kind.malloc(2 * partSize));
	expect(kind.tryMalloc(2 * partSize)).toBeUndefined();
});

test('test_TC_MEMKIND_PmemMallocZero: 0 bytes are an empty Buffer that takes no memory', () => {
	const kind = part();
	const block = kind.malloc(0);
	expect(block).toHaveLength(0);
	expect(kind.stats()).toMatchObject({ blocks: 0, allocated: 0, resident: 0 });
	kind.free(block);
});

test('test_TC_MEMKIND_PmemMallocSizeMax: the largest integer is out of memory, and SIZE_MAX out of range', () => {
	const kind = part();
	expect(() => kind.malloc(Number.MAX_SAFE_INTEGER)).toThrow(outOfMemory('limit'));
	expect(kind.tryMalloc(Number.MAX_SAFE_INTEGER)).toBeUndefined();
	expect(() => kind.malloc(2 ** 64 - 1)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
	fails(kind, () => kind.malloc(Number.MAX_SAFE_INTEGER));
});

test('test_TC_MEMKIND_PmemMallocFragmentation: 1000 times eleven sizes up to 4 MiB, each freed at once, in 16 MiB', () => {
	const kind = create(directory, { maxSize: minPmemSize });
	for (let round = 0; round < 1000; round++) {
		for (const size of [10, 100, 200, 500, 1000, 2000, 3000, MIB, 2 * MIB, 3 * MIB, 4 * MIB]) {
			kind.free(kind.malloc(size));
		}
	}
	expect(kind.stats()).toMatchObject({ blocks: 0, allocated: 0 });
	kind.free(kind.malloc(minPmemSize));
});

test('pmem_malloc (example): 512 B, 8 MiB and 16 MiB fit into 32 MiB, 16 MiB more do not', () => {
	const kind = create(directory, { maxSize: 32 * MIB });
	const sizes = [512, 8 * MIB, 16 * MIB];
	const blocks = sizes.map((size) => kind.malloc(size));
	expect(() => kind.malloc(16 * MIB)).toThrow(outOfMemory('limit'));
	blocks.forEach((block, i) => {
		block.write(`block ${i}`);
	});
	expect(blocks.map((block) => block.toString('utf8', 0, 7))).toEqual(['block 0', 'block 1', 'block 2']);
	freeAll(kind, blocks);
	expect(kind.stats().allocated).toBe(0);
});

test('pmem_malloc_unlimited (example): two blocks of 32 MiB from a kind without limit', () => {
	const kind = create(directory);
	const blocks = [kind.malloc(32 * MIB), kind.malloc(32 * MIB)];
	expect(blocks.map((block) => block.length)).toEqual([32 * MIB, 32 * MIB]);
	freeAll(kind, blocks);
});

test('pmem_and_default_kind (example): ordinary Buffers and blocks side by side keep what is written', () => {
	const kind = create(directory);
	const ordinary = Buffer.alloc(512, 'standard memory');
	const block = kind.malloc(512).fill('file-backed memory');
	expect(ordinary.toString('utf8', 0, 15)).toBe('standard memory');
	expect(block.toString('utf8', 0, 18)).toBe('file-backed memory');
	kind.free(block);
});

/** The index of the first byte that is not zero, or -1. */
function firstNonZero(block: Block): number {
	return block.equals(Buffer.alloc(block.length)) ? -1 : block.findIndex((byte) => byte !== 0);
}

for (const [name, size] of [
	['SmallClass', KIB],
	['HugeClass', 2 * MIB],
] as const) {
	test(`test_TC_MEMKIND_PmemCalloc${name}MultipleTimes: 100 times ${size} bytes of zeros, dirtied each time`, () => {
		const kind = part();
		for (let round = 0; round < 100; round++) {
			const block = kind.calloc(1, size);
			expect(firstNonZero(block), `the first byte of round ${round} that is not zero`).toBe(-1);
			block.fill(0xff);
			kind.free(block);
		}
	});
}

for (const [count, size] of [
	[10, 0],
	[0, 0],
	[0, 10],
] as const) {
	test(`test_TC_MEMKIND_PmemCallocZero: ${count} times ${size} bytes are an empty Buffer`, () => {
		const kind = part();
		const block = kind.calloc(count, size);
		expect(block).toHaveLength(0);
		kind.free(block);
		expect(kind.stats()).toMatchObject({ blocks: 0, allocated: 0 });
	});
}

test('test_TC_MEMKIND_PmemCallocSizeMax: one of the largest size is out of memory', () => {
	const kind = part();
	fails(kind, () => kind.calloc(1, Number.MAX_SAFE_INTEGER));
});

test('test_TC_MEMKIND_PmemCallocNumMax: the largest number of ten bytes is out of memory', () => {
	const kind = part();
	fails(kind, () => kind.calloc(Number.MAX_SAFE_INTEGER, 10));
});

test('memkind_calloc: products that wrap in 64 bits are out of memory, where memkind returns 8 bytes', () => {
	const kind = part();
	for (const [count, size] of [
		[2 ** 52 + 1, 4096],
		[2 ** 32, 2 ** 32],
		[2 ** 33 + 1, 2 ** 31],
		[Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
	] as const) {
		fails(kind, () => kind.calloc(count, size));
		fails(kind, () => kind.calloc(size, count));
	}
});

test('memkind_malloc: what fails leaves room for what fits', () => {
	const kind = part();
	const blocks = fill(kind, 100 * KIB);
	expect(blocks.length).toBe(Math.floor((18 * MIB) / (100 * KIB)));
	fails(kind, () => kind.malloc(100 * KIB));
	kind.free(blocks.pop());
	expect(kind.malloc(100 * KIB)).toHaveLength(100 * KIB);
});
