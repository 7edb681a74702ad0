// Blocks that the garbage collector frees: when it frees them, and all that can happen to them before.
import { type Block, Kind } from 'daxkind';
import { expect, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { testDirectory } from '../helpers/directory.ts';
import { collect, collectedUntil } from '../helpers/garbage.ts';
import { closeAfterEach, create } from '../helpers/kinds.ts';
import { Thread } from '../helpers/thread.ts';

const directory = testDirectory();
closeAfterEach();

const code = (code: string) => expect.objectContaining({ code });

const turn = () => new Promise((resolve) => setImmediate(resolve));

for (const size of [10, 5000, 100_000, 3 * MIB]) {
	test(`a block of ${size} bytes is freed when nothing of it can be reached, no sooner`, async () => {
		const kind = create(directory, { maxSize: 16 * MIB });
		const held: { part?: Buffer } = {};
		(() => {
			const block = kind.buffer(size).fill(7);
			expect(block.length).toBe(size);
			expect(block.buffer.byteLength).toBe(size);
			expect(Kind.of(block)).toBe(kind);
			expect(kind.usableSize(block)).toBeGreaterThanOrEqual(size);
			held.part = block.subarray(size - 1);
		})();
		await collect();
		expect(kind.stats().blocks).toBe(1);
		expect(held.part![0]).toBe(7);
		delete held.part;
		await collectedUntil(() => kind.stats().blocks === 0);
		kind.free(kind.malloc(16 * MIB));
	});
}

test('memory that is dropped again and again never runs out', async () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	for (let i = 0; i < 200; i++) {
		kind.buffer(MIB)[0] = i;
		if (i % 10 === 9) await collectedUntil(() => kind.stats().blocks === 0);
	}
	expect(kind.stats().highWater).toBeLessThan(12 * MIB);
});

test('free does it at once, and then neither the block nor the collector can do it again', async () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const others: Block[] = [];
	(() => {
		const block = kind.buffer(5000);
		const part = block.subarray(100);
		kind.free(block);
		expect([block.length, part.length]).toEqual([0, 0]);
		expect(() => kind.free(block)).toThrow(code('ERR_DAXKIND_DOUBLE_FREE'));
		expect(() => kind.usableSize(block)).toThrow(code('ERR_DAXKIND_DOUBLE_FREE'));
		expect(Kind.of(block)).toBeUndefined();
		// These blocks of both sorts get the same memory.
		for (let i = 0; i < 3; i++) others.push(kind.buffer(5000).fill(i), kind.malloc(5000).fill(i));
	})();
	await collect();
	expect(kind.stats().blocks).toBe(6);
	for (const [i, block] of others.entries()) {
		expect(block.equals(Buffer.alloc(5000, i >> 1))).toBe(true);
		kind.free(block);
	}
	expect(kind.stats().blocks).toBe(0);
});

test('realloc gives another block that is collected, and the old one is gone', async () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	(() => {
		const block = kind.buffer(5000).fill(3);
		const longer = kind.realloc(block, 50_000);
		expect(block.length).toBe(0);
		expect(longer.subarray(0, 5000).equals(Buffer.alloc(5000, 3))).toBe(true);
		expect(longer.buffer.byteLength).toBe(50_000);
		expect(kind.stats().blocks).toBe(1);
		expect(() => kind.realloc(longer, 17 * MIB)).toThrow(code('ERR_DAXKIND_OUT_OF_MEMORY'));
		expect(longer.length).toBe(50_000);
	})();
	await collectedUntil(() => kind.stats().blocks === 0);
});

test('buffer(0) is empty; too much and a wrong size are errors', () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	expect(kind.buffer(0).length).toBe(0);
	kind.free(kind.buffer(0));
	expect(() => kind.buffer(17 * MIB)).toThrow(code('ERR_DAXKIND_OUT_OF_MEMORY'));
	for (const size of [-1, 0.5, Number.NaN]) expect(() => kind.buffer(size)).toThrow(code('ERR_OUT_OF_RANGE'));
	expect(() => kind.buffer('1' as unknown as number)).toThrow(code('ERR_INVALID_ARG_TYPE'));
	expect(kind.stats().blocks).toBe(0);
});

test('close empties the blocks that are left, and what the collector finds later harms nobody', async () => {
	(() => {
		const kind = create(directory, { maxSize: 16 * MIB });
		const blocks = [kind.buffer(10), kind.buffer(20_000)];
		kind.close();
		expect(blocks.map(({ length }) => length)).toEqual([0, 0]);
		expect(() => kind.free(blocks[0])).toThrow(code('ERR_INVALID_STATE'));
		expect(() => kind.buffer(1)).toThrow(code('ERR_INVALID_STATE'));
	})();
	const next = create(directory, { maxSize: 16 * MIB });
	const block = next.malloc(10).fill(1);
	await collect();
	expect(block.equals(Buffer.alloc(10, 1))).toBe(true);
});

test('a reference takes a block out of the hands of the collector', async () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const reference = (() => kind.ref(kind.buffer(20_000).fill(9)))();
	await collect();
	const block = kind.deref(reference);
	expect(block.equals(Buffer.alloc(20_000, 9))).toBe(true);
	kind.free(block);
	expect(() => kind.deref(reference)).toThrow(code('ERR_DAXKIND_STALE_REFERENCE'));

	const mine = kind.buffer(20_000);
	const second = kind.ref(mine);
	kind.free(mine);
	expect(mine.length).toBe(0);
	expect(() => kind.deref(second)).toThrow(code('ERR_DAXKIND_STALE_REFERENCE'));
	expect(kind.stats().blocks).toBe(0);
});

test('the blocks of a thread live on when others close the kind, and go with the thread', async () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const thread = await Thread.start(kind.share());
	const last = Kind.attach(kind.share());
	await thread.run(
		({ kind, blocks }) => void blocks.push(kind.buffer(100).fill(1), kind.buffer(2 ** 20).fill(2)),
		undefined,
	);
	expect(kind.close()).toBeUndefined();
	const seen = await thread.run(({ blocks }) => blocks.map((block) => [block.length, block[0]!]), undefined);
	expect(seen).toEqual([
		[100, 1],
		[MIB, 2],
	]);
	expect(last.stats().blocks).toBe(2);
	await thread.end();
	await collectedUntil(() => last.stats().blocks === 0);
	expect(last.close()).toBeUndefined();
});

test('structuredClone and postMessage copy the block alone, not what is around it', () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const block = kind.buffer(1000).fill(5);
	const clone = structuredClone(block);
	expect(clone.buffer.byteLength).toBe(1000);
	clone.fill(6);
	expect(block[0]).toBe(5);
	kind.free(block);
});

for (const debug of [false, true]) {
	test(`blocks that the collector would have freed are no leaks, but referenced ones are (debug: ${debug})`, async () => {
		const warnings: Error[] = [];
		const listen = (warning: Error) => warnings.push(warning);
		process.on('warning', listen);
		const kind = create(directory, { maxSize: 16 * MIB, debug });
		const held = [10, 5000, 70_000, MIB].map((size) => kind.buffer(size));
		expect(kind.close()).toBeUndefined();
		expect(held.map(({ length }) => length)).toEqual([0, 0, 0, 0]);
		await turn();
		expect(warnings).toEqual([]);
		const other = create(directory, { maxSize: 16 * MIB, debug });
		const blocks = [other.buffer(10), other.buffer(5000), other.buffer(70_000)];
		other.ref(blocks[1]!);
		expect(other.close()).toMatchObject({ blocks: 1, bytes: 5120, classes: [{ size: 5120, blocks: 1 }] });
		await turn();
		expect(warnings.length).toBe(debug ? 1 : 0);
		process.off('warning', listen);
	});
}

test('a block whose ArrayBuffer was transferred is freed with the new one, and refused until then', async () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const held: { moved?: ArrayBuffer } = {};
	(() => {
		const block = kind.buffer(5000).fill(8);
		const buffer = block.buffer as ArrayBuffer & { transfer?(): ArrayBuffer };
		// Before Node 22, transfer() does not move memory that V8 did not allocate: the bytes are copied.
		held.moved = buffer.transfer?.() ?? structuredClone(buffer, { transfer: [buffer] });
		expect(new Uint8Array(held.moved)[4999]).toBe(8);
		if (block.length > 0) return kind.free(block);
		for (const call of [
			() => kind.free(block),
			() => kind.realloc(block, 10_000),
			() => kind.ref(block),
			() => kind.usableSize(block),
		]) {
			expect(call).toThrow(code('ERR_INVALID_STATE'));
		}
		expect(kind.stats().blocks).toBe(1);
	})();
	delete held.moved;
	await collectedUntil(() => kind.stats().blocks === 0);
});
