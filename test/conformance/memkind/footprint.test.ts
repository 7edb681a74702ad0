// memkind's memory_footprint_test for pmem, which prints what allocations cost beyond what was asked for. Here that
// cost has a bound. And memkind's long stress tests, short enough for a test.
import { type Block, type Kind, minPmemSize } from 'daxkind';
import { describe, expect, test } from 'vitest';
import { KIB, MIB } from '#lib/size.js';
import { Random } from '../../../scripts/random.mjs';
import { testDirectory } from '../../helpers/directory.ts';
import { smallSizes } from '../../helpers/fill.ts';
import { closeAfterEach, create } from '../../helpers/kinds.ts';

const directory = testDirectory();
closeAfterEach();

for (const [name, least, most, calls, overhead] of [
	['small', 128, 15 * KIB, 1000, { allocated: 1.05, active: 1.25, mixed: 1.45 }],
	['medium', 16 * KIB, MIB, 1000, { allocated: 1.01, active: 1.01, mixed: 1.01 }],
	['large', 2 * MIB, 10 * MIB, 100, { allocated: 1.001, active: 1.001, mixed: 1.001 }],
] as const) {
	describe(`${name} blocks`, () => {
		test(`test_TC_MEMKIND_MEMKIND_PMEM_only_malloc_${name}_allocations_1_thread: take little more than was asked for`, () => {
			const kind = create(directory);
			const random = new Random(1);
			let asked = 0;
			for (let i = 0; i < calls; i++) asked += kind.malloc(least + random.below(most - least)).length;
			const { allocated, active, cached, committed } = kind.stats();
			expect(allocated / asked).toBeLessThan(overhead.allocated);
			expect((active - cached) / asked).toBeLessThan(overhead.active);
			expect(committed - active).toBeLessThan(2 * MIB);
		});

		test(`test_TC_MEMKIND_MEMKIND_PMEM_random_malloc80_free20_random_${name}_allocations_1_thread: nor when one of five is freed`, () => {
			const kind = create(directory);
			const random = new Random(2);
			const blocks: Block[] = [];
			for (let i = 0; i < calls; i++) {
				if (blocks.length === 0 || random.below(100) < 80) blocks.push(kind.malloc(least + random.below(most - least)));
				else kind.free(blocks.splice(random.below(blocks.length), 1)[0]);
			}
			const asked = blocks.reduce((sum, { length }) => sum + length, 0);
			const { allocated, active, cached } = kind.stats();
			expect(allocated / asked).toBeLessThan(overhead.allocated);
			expect((active - cached) / asked).toBeLessThan(overhead.mixed);
		});
	});
}

/** memkind's large size classes up to 8 MiB. */
const largeSizes = [
	...[16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896],
	...[1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584, 4096, 5120, 6144, 7168, 8192],
].map((size) => size * KIB);

function stress(kind: Kind, rounds: number, sizes: readonly number[]): void {
	const cycle = () => {
		for (const size of sizes) kind.free(kind.malloc(size));
	};
	for (let round = 0; round < 10; round++) cycle();
	const { resident } = kind.stats();
	for (let round = 0; round < rounds; round++) cycle();
	expect(kind.stats()).toMatchObject({ blocks: 0, allocated: 0, resident });
	kind.purge();
	expect(kind.stats()).toMatchObject({ active: 0, cached: 0, resident: 0 });
}

const interleaved = smallSizes.flatMap((size, i) => [size, largeSizes[i % largeSizes.length]!]);
for (const [name, sizes] of [
	['SmallSize', smallSizes],
	['LargeSize', largeSizes],
	['SmallAndLargeSize', interleaved],
] as const) {
	test(`test_TC_MEMKIND_PmemStress${name}: every size again and again, and the file stays as small as it was`, () => {
		stress(create(directory), 5000, sizes);
		// This kind is not much larger than the longest block.
		stress(create(directory, { maxSize: minPmemSize }), 500, sizes);
	});
}
