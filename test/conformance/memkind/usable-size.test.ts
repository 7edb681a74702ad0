// memkind's cases of memkind_malloc_usable_size.
import type { Block } from 'daxkind';
import { minPmemSize } from 'daxkind';
import { expect, test } from 'vitest';
import { KIB, MIB } from '#lib/size.js';
import { testDirectory } from '../../helpers/directory.ts';
import { freeAll } from '../../helpers/fill.ts';
import { closeAfterEach, create } from '../../helpers/kinds.ts';

const directory = testDirectory();
closeAfterEach();

test('test_TC_MEMKIND_PmemMallocUsableSize: it holds the size, and is no further from it than jemalloc would be', () => {
	const kind = create(directory, { maxSize: minPmemSize });
	for (const [size, spacing] of [
		[10, 8],
		[100, 16],
		[200, 32],
		[500, 64],
		[1000, 128],
		[2000, 256],
		[3000, 512],
		[MIB, 4 * MIB],
		[2 * MIB, 4 * MIB],
		[3 * MIB, 4 * MIB],
		[4 * MIB, 4 * MIB],
	] as const) {
		const block = kind.malloc(size);
		const usable = kind.usableSize(block);
		expect(usable).toBeGreaterThanOrEqual(size);
		expect(usable - size).toBeLessThanOrEqual(spacing);
		expect(block).toHaveLength(size);
		kind.free(block);
	}
});

test('test_TC_MEMKIND_NullKindUsableSizeNullPtr: of nothing it is 0', () => {
	const kind = create(directory, { maxSize: minPmemSize });
	expect([kind.usableSize(null), kind.usableSize(undefined), kind.usableSize(kind.malloc(0))]).toEqual([0, 0, 0]);
});

test('pmem_usable_size (example): 32 and 31 bytes have 32, 33 have 48, 5 MiB have that, and one more 1 KiB more', () => {
	const kind = create(directory);
	const sizes = [32, 31, 33, 5 * MIB, 5 * MIB + 1];
	const blocks = sizes.map((size) => kind.malloc(size));
	// memkind's next size after 5 MiB is 6 MiB.
	expect(blocks.map((block) => kind.usableSize(block))).toEqual([32, 32, 48, 5 * MIB, 5 * MIB + KIB]);
	freeAll(kind, blocks);
});

test('memkind_malloc_usable_size: all of it can be had by realloc, and written, without touching the neighbours', () => {
	const kind = create(directory, { maxSize: minPmemSize });
	for (const size of [1, 17, 100, 1000, 5000, 9000, 100_000]) {
		const neighbours = Array.from({ length: 3 }, (_, i) => kind.malloc(size).fill(i));
		const block = kind.realloc(neighbours[1]!, kind.usableSize(neighbours[1]!)).fill(0xff);
		expect(neighbours[0]!.every((byte) => byte === 0)).toBe(true);
		expect(neighbours[2]!.every((byte) => byte === 2)).toBe(true);
		freeAll(kind, [neighbours[0]!, block, neighbours[2]!]);
	}
});

test("memkind_malloc_usable_size: of what is no block of the kind's it is an error, where memkind has undefined behaviour", () => {
	const [kind, other] = [create(directory, { maxSize: minPmemSize }), create(directory, { maxSize: minPmemSize })];
	const block = kind.malloc(100);
	const cases: [Buffer, string][] = [
		[Buffer.alloc(10), 'ERR_DAXKIND_NOT_A_BLOCK'],
		[block.subarray(10), 'ERR_DAXKIND_NOT_A_BLOCK'],
		[other.malloc(10), 'ERR_DAXKIND_WRONG_KIND'],
	];
	kind.free(block);
	cases.push([block, 'ERR_DAXKIND_DOUBLE_FREE']);
	for (const [value, code] of cases)
		expect(() => kind.usableSize(value as Block)).toThrow(expect.objectContaining({ code }));
});
