// memkind's cases of memkind_defrag_reallocate.
import { type Block, minPmemSize } from 'daxkind';
import { expect, test } from 'vitest';
import { KIB, MIB } from '#lib/size.js';
import { Random } from '../../../scripts/random.mjs';
import { testDirectory } from '../../helpers/directory.ts';
import { fill } from '../../helpers/fill.ts';
import { closeAfterEach, create } from '../../helpers/kinds.ts';

const directory = testDirectory();
closeAfterEach();

const freedBefore = expect.objectContaining({ code: 'ERR_DAXKIND_DOUBLE_FREE' });

type TestKind = ReturnType<typeof create>;

/** Moves the blocks that can be moved, and returns how many that were. */
function defragment(kind: TestKind, blocks: (Block | undefined)[]): number {
	let moved = 0;
	for (const [i, block] of blocks.entries()) {
		const better = kind.defragReallocate(block);
		if (better === undefined) continue;
		blocks[i] = better;
		moved++;
	}
	return moved;
}

test('test_TC_MEMKIND_NULLTransfer: nothing is not moved', () => {
	const kind = create(directory, { maxSize: minPmemSize });
	expect([kind.defragReallocate(null), kind.defragReallocate(undefined)]).toEqual([undefined, undefined]);
});

test('test_TC_MEMKIND_Negative_test: a block with nowhere better to go is not moved, and stays valid', () => {
	const kind = create(directory, { maxSize: minPmemSize });
	const block = kind.malloc(512).fill(1);
	expect(kind.defragReallocate(block)).toBeUndefined();
	expect(block.equals(Buffer.alloc(512, 1))).toBe(true);
	kind.free(block);
});

test('test_TC_MEMKINDPmemDefragreallocate_success: 50,000 blocks with irregular gaps move together, and keep what is in them', () => {
	const kind = create(directory, { maxSize: 64 * MIB });
	const blocks: (Block | undefined)[] = Array.from({ length: 50_000 }, (_, i) => {
		const block = kind.malloc(KIB).fill('a');
		block.writeUInt32LE(i);
		return block;
	});
	for (let i = 1; i < blocks.length; i += i % 2 === 0 ? 3 : 5) {
		kind.free(blocks[i]);
		blocks[i] = undefined;
	}
	const held = blocks.filter((block) => block !== undefined).length;
	kind.purge();
	const before = kind.stats();
	expect(defragment(kind, blocks)).toBeGreaterThan(0);
	kind.purge();
	const after = kind.stats();
	expect(after).toMatchObject({ blocks: held, allocated: before.allocated });
	// Defragmentation is for this: memory that no block needs belongs to no slab.
	expect(after.active).toBeLessThan(before.active);
	expect(after.active / after.allocated).toBeLessThan(1.05);
	expect(after.resident).toBeLessThanOrEqual(before.resident);
	const tail = Buffer.alloc(KIB - 4, 'a');
	blocks.forEach((block, i) => {
		if (block === undefined) return;
		if (block.readUInt32LE() !== i || !block.subarray(4).equals(tail)) expect.fail(`block ${i}`);
		kind.free(block);
	});
	expect(kind.stats()).toMatchObject({ blocks: 0, allocated: 0 });
});

for (const name of ['Default', 'REGULAR']) {
	// The kind has a thread cache, as memkind's static kinds have. memkind's pmem kinds have none.
	test(`test_TC_MEMKIND_TCACHE_${name}_kind_success: every second of 100,000 blocks is freed between others of twice the size`, () => {
		const kind = create(directory, { maxSize: 64 * MIB, policy: name === 'Default' ? 'default' : 'conservative' });
		const blocks: (Block | undefined)[] = Array.from({ length: 100_000 }, () => kind.malloc(150).fill('a'));
		for (let i = 0; i < 100_000; i++) {
			if (i % 2 === 0) {
				kind.free(blocks[i]);
				blocks[i] = undefined;
			}
			blocks.push(kind.malloc(300).fill('b'));
		}
		kind.purge();
		const before = kind.stats();
		expect(defragment(kind, blocks)).toBeGreaterThan(10_000);
		kind.purge();
		expect(kind.stats().active).toBeLessThan(before.active);
		const contents = [Buffer.alloc(150, 'a'), Buffer.alloc(300, 'b')];
		for (const [i, block] of blocks.entries()) {
			if (block !== undefined && !block.equals(contents[i < 100_000 ? 0 : 1]!)) expect.fail(`block ${i}`);
			kind.free(block);
		}
		expect(kind.stats()).toMatchObject({ blocks: 0, allocated: 0 });
	});
}

test('memkind_defrag_reallocate: the old block is freed when it moves, and only then', () => {
	const kind = create(directory, { maxSize: minPmemSize });
	const blocks = fill(kind, 512);
	const kept = blocks.filter((block, i) => {
		if (i % 8 !== 0) kind.free(block);
		return i % 8 === 0;
	});
	kind.purge();
	let moved = 0;
	for (const block of kept) {
		const better = kind.defragReallocate(block);
		if (better === undefined) {
			expect(kind.usableSize(block)).toBe(512);
			continue;
		}
		moved++;
		expect(() => kind.free(block)).toThrow(freedBefore);
		expect(kind.usableSize(better)).toBe(512);
	}
	expect(moved).toBeGreaterThan(kept.length / 2);
	expect(kind.stats().blocks).toBe(kept.length);
});

test('memkind_defrag_reallocate: blocks move out of slabs that are emptier than others, and keep what is in them', () => {
	const kind = create(directory, { maxSize: 64 * MIB });
	const random = new Random(1);
	const blocks: (Block | undefined)[] = Array.from({ length: 50_000 }, (_, i) => kind.malloc(KIB).fill(i));
	for (let i = 0; i < blocks.length; i++) {
		// Stretches in which most blocks are freed alternate with stretches in which few are.
		if (random.below(10) >= (Math.floor(i / 1000) % 2 === 0 ? 2 : 8)) continue;
		kind.free(blocks[i]);
		blocks[i] = undefined;
	}
	kind.purge();
	const before = kind.stats();
	const held = [...blocks];
	expect(defragment(kind, blocks)).toBeGreaterThan(1000);
	kind.purge();
	const after = kind.stats();
	expect(after).toMatchObject({ blocks: before.blocks, allocated: before.allocated });
	expect(after.active).toBeLessThan(before.active);
	expect(after.resident).toBeLessThan(before.resident);
	for (const [i, block] of blocks.entries()) {
		if (block === undefined) continue;
		if (!block.equals(Buffer.alloc(KIB, i))) expect.fail(`block ${i}`);
		// The old block is freed if it moves, and only then.
		const old = held[i]!;
		if (old === block) expect(kind.usableSize(block)).toBe(KIB);
		else expect(() => kind.free(old)).toThrow(freedBefore);
		kind.free(block);
	}
	expect(kind.stats()).toMatchObject({ blocks: 0, allocated: 0 });
});

test('memkind_defrag_reallocate: blocks that are long, or that a reference stands for, are not moved', () => {
	const kind = create(directory, { maxSize: minPmemSize });
	const small = Array.from({ length: 1000 }, () => kind.malloc(512));
	for (const [i, block] of small.entries()) if (i % 8 !== 0) kind.free(block);
	kind.purge();
	const referenced = small.filter((_, i) => i % 8 === 0).map((block) => ({ block, reference: kind.ref(block) }));
	for (const { block, reference } of referenced) {
		expect(kind.defragReallocate(block)).toBeUndefined();
		expect(kind.deref(reference).byteOffset).toBe(block.byteOffset);
	}
	expect(kind.defragReallocate(kind.malloc(10_000))).toBeUndefined();
	expect(kind.defragReallocate(kind.malloc(0))).toBeUndefined();
});

test('memkind_defrag_reallocate: in a full kind nothing moves and nothing fails', () => {
	const kind = create(directory, { maxSize: minPmemSize });
	const blocks = fill(kind, 512);
	expect(defragment(kind, blocks)).toBe(0);
	expect(kind.stats().blocks).toBe(blocks.length);
});

test('memkind_defrag_reallocate: what is no block of the kind is an error', () => {
	const [kind, other] = [create(directory, { maxSize: minPmemSize }), create(directory, { maxSize: minPmemSize })];
	const freed = kind.malloc(100);
	kind.free(freed);
	for (const [block, code] of [
		[Buffer.alloc(10), 'ERR_DAXKIND_NOT_A_BLOCK'],
		[other.malloc(10), 'ERR_DAXKIND_WRONG_KIND'],
		[freed, 'ERR_DAXKIND_DOUBLE_FREE'],
	] as const) {
		expect(() => kind.defragReallocate(block as Block)).toThrow(expect.objectContaining({ code }));
	}
});
