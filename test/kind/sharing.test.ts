// One kind in several threads: how they join and leave it, in whatever way a thread ends, and the memory that threads
// cache.
import { Kind } from 'daxkind';
import { expect, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { testDirectory } from '../helpers/directory.ts';
import { closeAfterEach, create, sort } from '../helpers/kinds.ts';
import { holdings, namelessFiles, runChild, until } from '../helpers/process.ts';
import { Thread } from '../helpers/thread.ts';

const directory = testDirectory();
closeAfterEach();

const code = (code: string) => expect.objectContaining({ code });

test('a kind can be attached twice in one thread; blocks belong to the Kind that gave them', () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const other = Kind.attach(kind.share());
	const block = kind.malloc(100).fill(7);
	expect(() => other.free(block)).toThrow(code('ERR_DAXKIND_WRONG_KIND'));
	const same = other.deref(kind.ref(block));
	expect(() => kind.free(same)).toThrow(code('ERR_DAXKIND_WRONG_KIND'));
	expect(other.stats()).toEqual(kind.stats());
	expect(kind.close()).toBeUndefined();
	expect(block.length).toBe(0);
	expect(same.equals(Buffer.alloc(100, 7))).toBe(true);
	other.free(same);
	expect(other.close()).toBeUndefined();
});

test('a handle and a reference of another process are refused', () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const sent = JSON.stringify({ shared: kind.share(), reference: kind.ref(kind.malloc(100)) });
	const child = runChild(
		`import { Kind } from 'daxkind';
		const { shared, reference } = ${sent};
		const mine = Array.from({ length: 20 }, () => PmemKind.create(process.argv[1], { maxSize: ${16 * MIB} }));
		for (const kind of mine) kind.ref(kind.malloc(100));
		const errors = new Set();
		for (const use of [() => Kind.attach(shared), ...mine.map((kind) => () => kind.deref(reference))]) {
			try { use(); errors.add('none'); } catch (error) { errors.add(error.code); }
		}
		console.log(...errors);`,
		directory,
	);
	expect(child.stdout + child.stderr).toBe('ERR_DAXKIND_KIND_GONE ERR_DAXKIND_WRONG_KIND\n');
});

test('the kind lives until the last that holds it closes it, who learns what was not freed', async () => {
	const before = holdings();
	const kind = create(directory, { maxSize: 16 * MIB });
	const shared = kind.share();
	const block = kind.malloc(1000).fill('k');
	const reference = kind.ref(block);
	const thread = await Thread.start(shared);
	expect(kind.close()).toBeUndefined();
	expect(() => kind.share()).toThrow(code('ERR_INVALID_STATE'));
	expect(() => kind.ref(block)).toThrow(code('ERR_INVALID_STATE'));
	expect(() => kind.deref(reference)).toThrow(code('ERR_INVALID_STATE'));
	const again = Kind.attach(shared);
	expect(again.deref(reference).toString()).toBe('k'.repeat(1000));
	again.close();
	const leaks = await thread.run(({ kind }) => {
		kind.malloc(20_000);
		return kind.close();
	}, undefined);
	expect(leaks).toMatchObject({ blocks: 2, classes: [{ blocks: 1 }, { size: 0, blocks: 1 }] });
	expect(() => Kind.attach(shared)).toThrow(code('ERR_DAXKIND_KIND_GONE'));
	await thread.end();
	// The mapping of a fixed kind belongs to the caller.
	if (sort !== 'fixed') await until(() => holdings().mappings === before.mappings);
	if (sort === 'pmem') expect(namelessFiles(directory)).toEqual([]);
});

test('what a thread cached is free when it ends, and what it held is not', async () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const thread = await Thread.start(kind.share());
	const references = await thread.run(({ kind }) => {
		const held = [kind.malloc(100).fill(1), kind.malloc(100_000).fill(2)];
		for (const size of [64, 5000, 20_000]) for (let i = 0; i < 50; i++) kind.free(kind.malloc(size));
		return held.map((block) => kind.ref(block));
	}, undefined);
	expect(kind.stats().cached).toBeGreaterThan(0);
	await thread.end();
	expect(kind.stats()).toMatchObject({ blocks: 2, cached: 0 });
	const [first, second] = references.map((reference) => kind.deref(reference));
	expect(first!.equals(Buffer.alloc(100, 1)) && second!.equals(Buffer.alloc(100_000, 2))).toBe(true);
	kind.free(first);
	kind.free(second);
	kind.free(kind.malloc(16 * MIB));
});

test('a thread that is terminated in the middle of malloc and free costs no more than the block it was about', async () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const rounds = 12;
	for (let round = 0; round < rounds; round++) {
		const thread = await Thread.start(kind.share());
		thread.start(({ kind }, seed) => {
			for (let i = seed; ; i++) {
				const sizes = [16, 9000, 700, 40_000, 8192, 1];
				if (i % 3 > 0) kind.free(kind.malloc(sizes[i % 6]!));
				else if (i % 2 > 0) kind.freeRaw(kind.mallocRaw(sizes[i % 6]!));
				else kind.free(kind.deref(kind.ref(kind.malloc(sizes[i % 5]!))));
			}
		}, round);
		await new Promise((resolve) => setTimeout(resolve, 10 + round * 3));
		await thread.terminate();
	}
	const stats = kind.stats();
	expect(stats.cached).toBe(0);
	expect(stats.blocks).toBeLessThanOrEqual(rounds);
	expect(stats.allocated).toBeLessThanOrEqual(rounds * 41_000);
	expect(stats.free + stats.active).toBe(16 * MIB);
	// All memory except those blocks can be allocated, in the largest block and in small ones.
	const { largestFree } = kind.stats();
	kind.free(kind.malloc(largestFree));
	let small = 0;
	while (kind.tryMallocRaw(1024) !== 0) small++;
	expect(small * 1024).toBeGreaterThan(16 * MIB - rounds * 64 * 1024);
});

test.skipIf(sort === 'fixed')(
	'a kind of a thread that ends, or is terminated while it works, leaves no mapping, descriptor or file',
	async () => {
		const before = holdings();
		for (const ending of ['end', 'terminate'] as const) {
			const thread = await Thread.start();
			const shared = await thread.run((scope, directory) => {
				scope.kind = scope.daxkind.PmemKind.create(directory, { maxSize: 64 * 1024 * 1024 });
				scope.blocks.push(scope.kind.malloc(100), scope.kind.buffer(5000), scope.kind.malloc(30_000));
				scope.handles.push(scope.kind.mallocRaw(100));
				scope.kind.ref(scope.blocks[0]!);
				return scope.kind.share();
			}, directory);
			const kind = Kind.attach(shared);
			if (ending === 'terminate') {
				thread.start(({ kind }) => {
					for (;;) kind.free(kind.malloc(1000));
				}, undefined);
			}
			await thread[ending]();
			expect(namelessFiles(directory)).toHaveLength(1);
			// The block to which it made a reference, and the block of the handle.
			expect(kind.stats().blocks).toBe(2);
			kind.close();
			expect(() => Kind.attach(shared)).toThrow(code('ERR_DAXKIND_KIND_GONE'));
		}
		globalThis.gc?.();
		await until(() => holdings().mappings === before.mappings);
		expect(namelessFiles(directory)).toEqual([]);
	},
);

test('64 threads in a kind of 16 MiB each get their small blocks, all of them different', async () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const shared = kind.share();
	const filling = Array.from({ length: 15 }, () => kind.malloc(MIB));
	const threads = await Promise.all(Array.from({ length: 64 }, () => Thread.start(shared)));
	const references = await Promise.all(
		threads.map((thread, i) =>
			thread.run(({ kind }, i) => [16, 600, 5000].map((size) => kind.ref(kind.malloc(size).fill(i))), i),
		),
	);
	expect(kind.stats().blocks).toBe(64 * 3 + filling.length);
	const offsets = references.flat().map(({ offset }) => offset);
	expect(new Set(offsets).size).toBe(64 * 3);
	for (const [i, mine] of references.entries()) {
		for (const reference of mine) expect(kind.deref(reference).every((byte) => byte === i)).toBe(true);
	}
	await Promise.all(threads.map((thread) => thread.terminate()));
});

test('what an idle thread caches is there for a thread that needs it, without a turn of its event loop', async () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const threads = await Promise.all([1, 2].map(() => Thread.start(kind.share())));
	for (let round = 0; round < 3; round++) {
		for (const thread of threads) {
			await thread.run(({ kind }) => {
				for (const size of [16, 900, 8000, 9000, 33_000]) {
					const blocks = Array.from({ length: 10 }, () => kind.malloc(size));
					for (const block of blocks) kind.free(block);
				}
			}, undefined);
		}
		expect(kind.stats().cached).toBeGreaterThan(0);
		// The first call waits 20 ms at most, and the next ones do not wait for a thread that has not answered. A machine
		// under load can take longer to wake the other threads. So this thread blocks between the calls.
		const blocked = new Int32Array(new SharedArrayBuffer(4));
		const deadline = performance.now() + 10_000;
		let block = kind.tryMalloc(16 * MIB);
		while (block === undefined && performance.now() < deadline) {
			Atomics.wait(blocked, 0, 0, 10);
			block = kind.tryMalloc(16 * MIB);
		}
		expect(block).toBeDefined();
		kind.free(block);
	}
});

test('a thread that is busy is not waited for, and gives back what it cached when it can', async () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const thread = await Thread.start(kind.share());
	const gate = new Int32Array(new SharedArrayBuffer(4));
	const busy = thread.run(({ kind }, gate) => {
		kind.free(kind.malloc(9000));
		Atomics.store(gate, 0, 1);
		Atomics.wait(gate, 0, 1);
	}, gate);
	await until(() => gate[0] === 1);
	const start = performance.now();
	for (let i = 0; i < 1000; i++) expect(kind.tryMalloc(16 * MIB)).toBeUndefined();
	expect(performance.now() - start).toBeLessThan(1000);
	Atomics.store(gate, 0, 2);
	Atomics.notify(gate, 0);
	await busy;
	await until(() => kind.stats().cached === 0);
	kind.free(kind.malloc(16 * MIB));
});
