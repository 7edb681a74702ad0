// memkind's cases with threads: each thread with a kind of its own, and one kind for all of them.
import { type BlockReference, type Kind, minPmemSize } from 'daxkind';
import { describe, expect, test } from 'vitest';
import { KIB, MIB } from '#lib/size.js';
import { testDirectory } from '../../helpers/directory.ts';
import { fill, partSize } from '../../helpers/fill.ts';
import { closeAfterEach, create } from '../../helpers/kinds.ts';
import { holdings, namelessFiles } from '../../helpers/process.ts';
import { inThreads } from '../../helpers/threads.ts';

const directory = testDirectory();
closeAfterEach();

/** Expects that nothing is held any more. What a thread cached came back when it ended. */
function empty(kind: Kind): void {
	expect(kind.stats()).toMatchObject({ blocks: 0, allocated: 0 });
	kind.purge();
	expect(kind.stats()).toMatchObject({ active: 0, cached: 0, largestFree: kind.capacity });
}

describe('a kind of its own for each thread', () => {
	test('test_TC_MEMKIND_PmemMultithreads: ten threads make, use and close three kinds each', async () => {
		const before = holdings().descriptors;
		const body = `
			const lengths = [];
			for (let i = 0; i < 3; i++) {
				const kind = PmemKind.create(data, { maxSize: ${partSize} });
				const block = kind.malloc(8);
				lengths.push(block.length);
				kind.free(block);
				kind.close();
			}
			return lengths;`;
		expect(await inThreads(10, body, directory)).toEqual(Array.from({ length: 10 }, () => [8, 8, 8]));
		expect(namelessFiles(directory)).toEqual([]);
		expect(holdings().descriptors).toBe(before);
	});

	test('test_TC_MEMKIND_PmemMultithreadsStressKindsCreate: 20 threads make kinds beside 500 others, and all succeed', async () => {
		const kinds = Array.from({ length: 500 }, () => create(directory, { maxSize: partSize }));
		const body = `
			const kind = PmemKind.create(data, { maxSize: ${partSize} });
			const block = kind.malloc(32).fill(index);
			const is = block.every((byte) => byte === index);
			kind.free(block);
			kind.close();
			return is;`;
		expect(await inThreads(20, body, directory)).toEqual(Array.from({ length: 20 }, () => true));
		expect(namelessFiles(directory)).toHaveLength(kinds.length);
	});

	test('pmem_multithreads (example): ten independent kinds of 32 MiB at the same time', async () => {
		const body = `
			const kind = PmemKind.create(data, { maxSize: ${32 * MIB} });
			kind.free(kind.malloc(32));
			return kind.capacity;`;
		expect(await inThreads(10, body, directory)).toEqual(Array.from({ length: 10 }, () => 32 * MIB));
		// The bodies close no kind: the end of a thread does that.
		expect(namelessFiles(directory)).toEqual([]);
	});
});

describe('one kind for all threads', () => {
	test("pmem_multithreads_onekind (example): ten threads' hundred numbers each are read and freed by another", async () => {
		const kind = create(directory);
		const body = `
			const kind = Kind.attach(data);
			const references = [];
			for (let i = 0; i < 100; i++) {
				const block = kind.malloc(4);
				block.writeInt32LE(index);
				references.push(kind.ref(block));
			}
			kind.close();
			return references;`;
		const references = await inThreads<BlockReference[]>(10, body, kind.share());
		expect(kind.stats().blocks).toBe(1000);
		references.forEach((each, index) => {
			for (const reference of each) {
				const block = kind.deref(reference);
				expect(block.readInt32LE()).toBe(index);
				kind.free(block);
			}
		});
		empty(kind);
	});

	for (const [name, free] of [
		['explicit', 'kinds[index].free(block)'],
		['implicit', 'Kind.of(block).free(block)'],
	] as const) {
		test(`test_TC_MEMKIND_PmemKindFreeBenchmarkWithThreads: ten full kinds are drained by ten threads, ${name} kind`, async () => {
			const kinds = Array.from({ length: 10 }, () => create(directory, { maxSize: partSize }));
			const references = kinds.map((kind) => fill(kind, 4 * KIB).map((block) => kind.ref(block)));
			expect(references.map((each) => each.length)).toEqual(kinds.map(() => (18 * MIB) / (4 * KIB)));
			const body = `
				const kinds = data.kinds.map((shared, i) => (i === index ? Kind.attach(shared) : undefined));
				let freed = 0;
				for (const reference of data.references[index]) {
					const block = kinds[index].deref(reference);
					${free};
					freed++;
				}
				return freed;`;
			const data = { kinds: kinds.map((kind) => kind.share()), references };
			expect(await inThreads(10, body, data)).toEqual(references.map((each) => each.length));
			for (const kind of kinds) empty(kind);
		});
	}

	test('test_TC_MEMKIND_freeing_memory_after_thread_finish: a block outlives the thread that allocated it', async () => {
		const kind = create(directory, { maxSize: minPmemSize });
		const body = `const kind = Kind.attach(data); return kind.ref(kind.malloc(32).fill('left behind '));`;
		const [reference] = await inThreads<BlockReference>(1, body, kind.share());
		const block = kind.deref(reference!);
		expect(block.toString('utf8', 0, 11)).toBe('left behind');
		kind.free(block);
		empty(kind);
	});

	test('test_TC_MEMKIND_Allocator_MultithreadingSupport_Test: eight threads attach and close a thousand times each', async () => {
		const kind = create(directory, { maxSize: minPmemSize });
		const held = kind.malloc(100).fill(1);
		const body = `
			for (let i = 0; i < 1000; i++) {
				const kind = Kind.attach(data);
				if (i % 100 === 0) kind.free(kind.malloc(50));
				kind.close();
			}
			return Kind.attach(data).stats().blocks > 0;`;
		expect(await inThreads(8, body, kind.share())).toEqual(Array.from({ length: 8 }, () => true));
		expect(held.every((byte) => byte === 1)).toBe(true);
		kind.free(held);
		empty(kind);
	});

	test('memkind defect: 64 threads have 64 bytes each of a kind of 16 MiB, where with 64 arenas 15 have them', async () => {
		const kind = create(directory, { maxSize: minPmemSize });
		const body = `
			const kind = Kind.attach(data);
			const block = kind.tryMalloc(64);
			block?.fill(index);
			return block === undefined ? undefined : kind.ref(block);`;
		const references = await inThreads<BlockReference | undefined>(64, body, kind.share());
		expect(references.filter((reference) => reference === undefined)).toEqual([]);
		references.forEach((reference, index) => {
			const block = kind.deref(reference!);
			expect(block.every((byte) => byte === index)).toBe(true);
			kind.free(block);
		});
		empty(kind);
	});

	test('memkind defect: four threads that fill a kind together get all of it, and lose nothing in five rounds', async () => {
		const kind = create(directory, { maxSize: minPmemSize });
		const body = `
			const kind = Kind.attach(data);
			const counts = [];
			for (let round = 0; round < 5; round++) {
				const blocks = [];
				for (let block = kind.tryMalloc(3000); block !== undefined; block = kind.tryMalloc(3000)) blocks.push(block);
				counts.push(blocks.length);
				for (const block of blocks) kind.free(block);
			}
			return counts;`;
		const alone = fill(kind, 3000);
		const most = alone.length;
		for (const block of alone) kind.free(block);
		const counts = await inThreads<number[]>(4, body, kind.share());
		// While one thread drains, others fill. Together they never have more than there is, and none of them runs out
		// for good.
		expect(counts.flat().every((count) => count <= most)).toBe(true);
		expect(counts.flat().reduce((sum, count) => sum + count, 0)).toBeGreaterThan(most);
		empty(kind);
		expect(fill(kind, 3000).length).toBe(most);
	});
});

for (const [name, least, most, calls] of [
	['small', 128, 15 * KIB, 1000],
	['medium', 16 * KIB, MIB, 400],
	['large', 2 * MIB, 10 * MIB, 100],
] as const) {
	for (const [pattern, malloc] of [
		['only_malloc_', 1],
		['random_malloc80_free20_random_', 0.8],
	] as const) {
		test(`test_TC_MEMKIND_MEMKIND_PMEM_${pattern}${name}_allocations_10_thread: ten threads take little more than they ask for`, async () => {
			const kind = create(directory);
			const body = `
				const kind = Kind.attach(data);
				const { Random } = await import('${new URL('../../../scripts/random.mjs', import.meta.url)}');
				const random = new Random(index);
				const blocks = [];
				for (let i = 0; i < ${calls / 10}; i++) {
					if (blocks.length === 0 || random.chance(${malloc})) {
						blocks.push(kind.malloc(${least} + random.below(${most - least})));
					} else kind.free(blocks.splice(random.below(blocks.length), 1)[0]);
				}
				return blocks.map((block) => kind.ref(block));`;
			const references = (await inThreads<BlockReference[]>(10, body, kind.share())).flat();
			const asked = references.reduce((sum, { length }) => sum + length, 0);
			const { allocated, active, cached, blocks } = kind.stats();
			expect(blocks).toBe(references.length);
			expect(allocated / asked).toBeLessThan(1.06);
			// Threads have no arenas. The ten caches take small blocks in batches, which leaves some slabs with holes,
			// once.
			expect((active - cached) / asked).toBeLessThan(name === 'small' ? 2.2 : 1.02);
			for (const reference of references) kind.free(kind.deref(reference));
			empty(kind);
		});
	}
}
