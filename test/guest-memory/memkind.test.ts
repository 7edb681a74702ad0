// The cases of test/conformance/memkind that need real DAX, or a file system to themselves.
import { statfsSync } from 'node:fs';
import { explain, isDax, minPmemSize } from 'daxkind';
import { describe, expect, test } from 'vitest';
import { KIB, MIB } from '#lib/size.js';
import { fill, freeAll, partSize } from '../helpers/fill.ts';
import { erofs, never, onDax } from '../helpers/guest.ts';
import { closeAfterEach, create } from '../helpers/kinds.ts';
import { freeBytes, settledFreeBytes, until } from '../helpers/process.ts';

closeAfterEach();

for (const [name, directory] of onDax) {
	describe(`on ${name} with DAX`, () => {
		test('test_TC_MEMKIND_PmemCheckDaxSuccess: the directory is on DAX, and a kind there can demand it', () => {
			expect(isDax(directory)).toBe(true);
			expect(explain(directory)).toMatchObject({ dax: true });
			const kind = create(directory, { maxSize: minPmemSize, requireDax: true, mapSync: true });
			expect(kind).toMatchObject({ dax: true, mapping: 'sync' });
		});

		test('test_tc_memkind_verify_capacity_fsdax: a kind without limit has the total of the file system', () => {
			const { blocks, bsize } = statfsSync(directory);
			expect(create(directory).capacity).toBe(Math.floor((blocks * bsize) / (2 * MIB)) * 2 * MIB);
		});

		test('test_TC_MEMKIND_PmemFreeMemoryAfterDestroyLargeClass: the storage of long blocks is free again', async () => {
			const before = await settledFreeBytes(directory);
			const kind = create(directory, { maxSize: partSize });
			fill(kind, 16 * KIB);
			expect(freeBytes(directory)).toBeLessThanOrEqual(before - 18 * MIB);
			kind.close();
			await until(() => freeBytes(directory) === before);
		});

		test('test_TC_MEMKIND_PmemMallocFragmentation: eleven sizes up to 4 MiB, a hundred times, in 16 MiB', () => {
			const kind = create(directory, { maxSize: minPmemSize });
			for (let round = 0; round < 100; round++) {
				for (const size of [10, 100, 200, 500, 1000, 2000, 3000, MIB, 2 * MIB, 3 * MIB, 4 * MIB]) {
					kind.free(kind.malloc(size));
				}
			}
			expect(kind.stats()).toMatchObject({ blocks: 0, allocated: 0 });
			kind.free(kind.malloc(minPmemSize));
		});

		for (const policy of ['default', 'conservative'] as const) {
			test(`test_TC_MEMKIND_PmemMallocSizeConservative: with the ${policy} policy each round holds as many blocks`, () => {
				const kind = create(directory, { maxSize: partSize, policy });
				for (const size of [800, 4 * KIB, 60_000, 2 * MIB]) {
					const counts = [0, 1, 2].map(() => {
						const blocks = fill(kind, size);
						freeAll(kind, blocks);
						return blocks.length;
					});
					expect(counts).toEqual(counts.map(() => counts[0]));
				}
			});
		}
	});
}

test('test_TC_MEMKIND_PmemCheckDaxFailNonDaxPath: a mount without DAX and a read-only one say why not', () => {
	expect(explain(never)).toMatchObject({ dax: false, reason: expect.stringContaining('dax=never') });
	expect(isDax(never)).toBe(false);
	expect(() => create(erofs)).toThrow(expect.objectContaining({ code: 'EROFS' }));
});
