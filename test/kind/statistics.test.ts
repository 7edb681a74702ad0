// What a kind says of itself. It is exact at any time, in one thread and in several, down to what nobody freed.
import type { Block, Kind } from 'daxkind';
import { expect, test } from 'vitest';
import { KIB, MIB } from '#lib/size.js';
import { testDirectory } from '../helpers/directory.ts';
import { closeAfterEach, create } from '../helpers/kinds.ts';
import { Thread } from '../helpers/thread.ts';

const directory = testDirectory();
closeAfterEach();

const code = (code: string) => expect.objectContaining({ code });

function sum(numbers: number[]): number {
	return numbers.reduce((total, each) => total + each, 0);
}

/** Compares stats() with sizeClasses(), and checks what must be true of every kind. */
function checkBooks(kind: Kind): void {
	const stats = kind.stats();
	const { classes, large } = kind.sizeClasses();
	expect(sum(classes.map(({ blocks }) => blocks)) + large.blocks).toBe(stats.blocks);
	expect(sum(classes.map(({ bytes }) => bytes)) + large.bytes).toBe(stats.allocated);
	for (const { size, blocks, bytes, free, cached, slabs } of classes) {
		expect(bytes).toBe(blocks * size);
		for (const count of [blocks, free, cached, slabs]) expect(count).toBeGreaterThanOrEqual(0);
		if (slabs === 0) expect(blocks + free + cached).toBe(0);
	}
	expect(sum(classes.map(({ cached, size }) => cached * size))).toBeLessThanOrEqual(stats.cached);
	expect(stats.free + stats.active).toBe(stats.capacity);
	expect(stats.active).toBeGreaterThanOrEqual(stats.allocated + stats.cached);
	expect(stats.largestFree).toBeLessThanOrEqual(stats.free);
	expect(stats.highWater).toBeGreaterThanOrEqual(stats.allocated + stats.cached);
	expect(stats.committed).toBeGreaterThanOrEqual(stats.active);
	expect(stats.committed).toBeLessThanOrEqual(stats.capacity);
	expect(stats.resident).toBe(stats.committed);
}

test('every class counts its blocks, by their usable size', () => {
	const kind = create(directory, { maxSize: 64 * MIB });
	const { classes } = kind.sizeClasses();
	const sizes = classes.map(({ size }) => size);
	expect([sizes[0], sizes.at(-1)]).toEqual([16, 8192]);
	expect(sizes).toEqual([...new Set(sizes)].sort((a, b) => a - b));
	const blocks = sizes.flatMap((size, i) => Array.from({ length: i + 1 }, () => kind.malloc(size)));
	const handles = sizes.map((size) => kind.mallocRaw(size - 15));
	const large = [9 * KIB, 100 * KIB, MIB].map((size) => kind.malloc(size));
	for (const block of blocks) expect(kind.usableSize(block)).toBe(block.length);
	const now = kind.sizeClasses();
	expect(now.classes.map(({ size, blocks, bytes }) => [size, blocks, bytes])).toEqual(
		sizes.map((size, i) => [size, i + 2, size * (i + 2)]),
	);
	expect(now.large).toMatchObject({ blocks: 3, bytes: 109 * KIB + MIB });
	checkBooks(kind);
	for (const block of [...blocks, ...large]) kind.free(block);
	for (const handle of handles) kind.freeRaw(handle);
	checkBooks(kind);
	expect(kind.stats()).toMatchObject({ blocks: 0, allocated: 0 });
	expect(kind.stats().cached).toBeGreaterThan(0);
	kind.purge();
	const nothing = { slabs: 0, blocks: 0, bytes: 0, cached: 0, free: 0 };
	expect(kind.sizeClasses()).toEqual({
		classes: sizes.map((size) => ({ size, ...nothing })),
		large: { blocks: 0, bytes: 0, cached: 0 },
	});
});

test('in debug mode freed blocks that any thread still watches are nobody’s, in all statistics', async () => {
	const kind = create(directory, { maxSize: 16 * MIB, debug: true });
	const held = [kind.malloc(100), kind.malloc(100 * KIB)];
	for (let i = 0; i < 10; i++) for (const size of [100, 5000, 100 * KIB]) kind.free(kind.malloc(size));
	const shared = kind.ref(kind.malloc(1000));
	const thread = await Thread.start(kind.share());
	await thread.run(({ kind }, shared) => {
		kind.free(kind.deref(shared));
		kind.free(kind.malloc(10_000));
	}, shared);
	checkBooks(kind);
	const { classes, large } = kind.sizeClasses();
	expect([sum(classes.map(({ blocks }) => blocks)), large.blocks]).toEqual([1, 1]);
	expect(sum(classes.map(({ cached }) => cached)) + large.cached).toBeGreaterThanOrEqual(32);
	for (const block of held) kind.free(block);
	checkBooks(kind);
	expect(kind.stats()).toMatchObject({ blocks: 0, allocated: 0 });
	await thread.end();
	checkBooks(kind);
	expect(kind.close()).toBeUndefined();
});

test('the books balance after each of many random steps', () => {
	for (const policy of ['default', 'conservative'] as const) {
		const kind = create(directory, { maxSize: 16 * MIB, policy });
		const held: Block[] = [];
		let bytes = 0;
		let most = 0;
		let state = 12345;
		const random = (below: number) => {
			state = (state * 48271) % 2147483647;
			return state % below;
		};
		const drop = (block: Block) => {
			bytes -= kind.usableSize(block);
			kind.free(block);
		};
		for (let step = 0; step < 4000; step++) {
			const block = kind.tryMalloc(random(2 ** random(20)));
			if (block !== undefined) {
				bytes += kind.usableSize(block);
				held.push(block);
			}
			most = Math.max(most, bytes);
			if (random(3) > 0 || block === undefined) for (const each of held.splice(random(held.length), 2)) drop(each);
			if (random(200) === 0) kind.purge();
			if (step % 20 > 0) continue;
			checkBooks(kind);
			const stats = kind.stats();
			expect(stats.allocated).toBe(bytes);
			expect(stats.blocks).toBe(held.filter(({ length }) => length > 0).length);
			expect(stats.highWater).toBeGreaterThanOrEqual(most);
		}
		for (const block of held) drop(block);
		expect(bytes).toBe(0);
		expect(kind.close()).toBeUndefined();
	}
});

test('the high water mark rises with what is held and cached, and never falls', () => {
	const kind = create(directory, { maxSize: 32 * MIB });
	expect(kind.stats().highWater).toBe(0);
	const block = kind.malloc(10 * MIB);
	expect(kind.stats().highWater).toBe(10 * MIB);
	const longer = kind.realloc(block, 12 * MIB);
	expect(kind.stats().highWater).toBe(12 * MIB);
	const shorter = kind.realloc(longer, MIB);
	kind.free(kind.malloc(2 * MIB));
	expect(kind.stats().highWater).toBe(12 * MIB);
	kind.free(shorter);
	kind.purge();
	expect(kind.stats().highWater).toBe(12 * MIB);
	kind.free(kind.malloc(32 * MIB));
	expect(kind.stats().highWater).toBe(32 * MIB);
});

test('the longest free piece is the longest block there can be', () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const blocks = Array.from({ length: 16 }, () => kind.malloc(MIB));
	expect(kind.stats()).toMatchObject({ free: 0, largestFree: 0 });
	const order = blocks.sort((a, b) => a.byteOffset - b.byteOffset);
	for (const [freed, largest] of [
		[3, 1],
		[5, 1],
		[4, 3],
		[9, 3],
		[8, 3],
		[7, 3],
		[6, 7],
	] as const) {
		kind.free(order[freed]);
		kind.purge();
		expect(kind.stats().largestFree).toBe(largest * MIB);
		expect(kind.tryMalloc(largest * MIB + 1)).toBeUndefined();
		kind.free(kind.malloc(largest * MIB));
		kind.purge();
	}
	expect(kind.stats().free).toBe(7 * MIB);
});

test('what several threads hold and cache adds up, whoever asks', async () => {
	const kind = create(directory, { maxSize: 64 * MIB });
	const threads = await Promise.all([1, 2, 3].map(() => Thread.start(kind.share())));
	let highest = 0;
	for (let round = 0; round < 4; round++) {
		const held = await Promise.all(
			threads.map((thread, i) =>
				thread.run(
					({ kind, blocks, handles }, seed) => {
						let state = seed;
						const random = (below: number) => {
							state = (state * 48271) % 2147483647;
							return state % below;
						};
						for (let step = 0; step < 3000; step++) {
							const action = random(9);
							if (action < 2) kind.free(blocks.splice(random(blocks.length + 1), 1)[0]);
							else if (action < 4) kind.freeRaw(handles.splice(random(handles.length + 1), 1)[0] ?? 0);
							else if (action < 7) blocks.push(kind.malloc(1 + random(2 ** random(16))));
							else handles.push(kind.mallocRaw(1 + random(2 ** random(16))));
						}
						let bytes = 0;
						for (const block of blocks) bytes += kind.usableSize(block);
						for (const handle of handles) bytes += kind.usableSize(handle);
						return { blocks: blocks.length + handles.length, bytes };
					},
					1000 + round * 10 + i,
				),
			),
		);
		const stats = kind.stats();
		expect(stats.blocks).toBe(sum(held.map(({ blocks }) => blocks)));
		expect(stats.allocated).toBe(sum(held.map(({ bytes }) => bytes)));
		checkBooks(kind);
		for (const thread of threads) expect(await thread.run(({ kind }) => kind.stats(), undefined)).toEqual(stats);
		expect(stats.highWater).toBeGreaterThanOrEqual(highest);
		highest = stats.highWater;
	}
	await Promise.all(threads.map((thread) => thread.end()));
	expect(kind.stats().cached).toBe(0);
	checkBooks(kind);
});

test('the leak report counts what was not freed, in each class and of each sort', async () => {
	for (const close of [(kind: Kind) => kind.close(), (kind: Kind) => kind.closeAsync()]) {
		const kind = create(directory, { maxSize: 16 * MIB });
		const blocks = [kind.malloc(100), kind.malloc(100), kind.malloc(20_000), kind.malloc(0)];
		kind.mallocRaw(100);
		kind.ref(kind.malloc(8192));
		kind.deref(kind.ref(blocks[0]!));
		kind.free(kind.malloc(100));
		kind.free(kind.malloc(MIB));
		expect(await close(kind)).toEqual({
			blocks: 5,
			bytes: 3 * 112 + 8192 + 20 * KIB,
			classes: [
				{ size: 112, blocks: 3, bytes: 336 },
				{ size: 8192, blocks: 1, bytes: 8192 },
				{ size: 0, blocks: 1, bytes: 20 * KIB },
			],
		});
		expect(await close(kind)).toBeUndefined();
		expect(() => kind.stats()).toThrow(code('ERR_INVALID_STATE'));
		expect(() => kind.sizeClasses()).toThrow(code('ERR_INVALID_STATE'));
	}
});

test('there is no leak report when all was freed, though threads cache it', async () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const thread = await Thread.start(kind.share());
	await thread.run(({ kind }) => {
		for (const size of [10, 1000, 9000]) kind.free(kind.malloc(size));
	}, undefined);
	for (const size of [10, 1000, 9000]) kind.free(kind.malloc(size));
	expect(kind.stats().cached).toBeGreaterThan(0);
	await thread.terminate();
	expect(kind.close()).toBeUndefined();
});
