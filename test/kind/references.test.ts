// Blocks that are passed from thread to thread by reference. The memory is the same, and any of the threads may free
// it, once.

import { type Block, type BlockReference, Kind, type SharedKind } from 'daxkind';
import { expect, test } from 'vitest';
import { native } from '#lib/native.js';
import { MIB } from '#lib/size.js';
import { testDirectory } from '../helpers/directory.ts';
import { closeAfterEach, create } from '../helpers/kinds.ts';
import { Thread } from '../helpers/thread.ts';

const directory = testDirectory();
closeAfterEach();

const code = (code: string) => expect.objectContaining({ code });
const doubleFree = code('ERR_DAXKIND_DOUBLE_FREE');
const stale = code('ERR_DAXKIND_STALE_REFERENCE');

for (const size of [10, 20_000, 3 * MIB]) {
	test(`a reference to ${size} bytes is the same memory in another thread, and either may free it, once`, async () => {
		const kind = create(directory, { maxSize: 16 * MIB });
		const thread = await Thread.start(kind.share());
		const [first, second] = [kind.malloc(size).fill('m'), kind.malloc(size)];

		const seen = await thread.run(
			(scope, references) => {
				const [first, second] = references.map((reference) => scope.kind.deref(reference));
				const [start, length] = [first!.toString('latin1', 0, 5), first!.length];
				first!.fill('w');
				const isOfKind = scope.daxkind.Kind.of(first) === scope.kind && scope.daxkind.Kind.of(second) === scope.kind;
				scope.blocks.push(first!, second!);
				scope.kind.free(second);
				return { start, length, isOfKind, name: scope.kind.constructor.name };
			},
			[kind.ref(first), kind.ref(second)],
		);
		expect(seen).toEqual({ start: 'mmmmm', length: size, isOfKind: true, name: kind.constructor.name });
		expect(first.every((byte) => byte === 0x77)).toBe(true);

		for (const call of [
			() => kind.free(second),
			() => kind.usableSize(second),
			() => kind.realloc(second, 5),
			() => kind.ref(second),
			() => kind.defragReallocate(second),
		]) {
			expect(call).toThrow(doubleFree);
		}
		expect(Kind.of(second)).toBeUndefined();
		kind.free(first);
		await expect(thread.run(({ kind, blocks }) => kind.free(blocks[0]), undefined)).rejects.toEqual(doubleFree);
		await expect(thread.run(({ kind, blocks }) => kind.free(blocks[1]), undefined)).rejects.toEqual(doubleFree);
		expect(kind.stats()).toMatchObject({ blocks: 0, allocated: 0 });
	});
}

test('of many threads that free the same blocks at once, one succeeds for each block', async () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const references = Array.from({ length: 3000 }, (_, i) => kind.ref(kind.malloc((i % 20) * 500 + 1)));
	const gate = new Int32Array(new SharedArrayBuffer(4));
	const threads = await Promise.all([1, 2, 3].map(() => Thread.start(kind.share())));
	const frees = threads.map((thread) =>
		thread.run(
			({ kind }, { references, gate }) => {
				const blocks = references.map((reference) => kind.deref(reference));
				Atomics.add(gate, 0, 1);
				while (Atomics.load(gate, 0) < 3);
				return blocks.map((block) => {
					try {
						kind.free(block);
						return 1;
					} catch (error) {
						if ((error as { code: string }).code !== 'ERR_DAXKIND_DOUBLE_FREE') throw error;
						return 0;
					}
				});
			},
			{ references, gate },
		),
	);
	const results = await Promise.all(frees);
	expect(references.every((_, i) => results.reduce((sum, freed) => sum + freed[i]!, 0) === 1)).toBe(true);
	expect(kind.stats().blocks).toBe(0);
	kind.free(kind.malloc(16 * MIB));
});

test('a reference is stale once its block is freed or has moved, also when the memory is in use again', () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const block = kind.malloc(1000).fill(1);
	const old = kind.ref(block);
	expect(kind.ref(block)).toEqual(old);
	kind.free(block);
	kind.purge();
	expect(() => kind.deref(old)).toThrow(stale);
	const again = kind.malloc(1000).fill(2);
	const reference = kind.ref(again);
	expect(reference.offset).toBe(old.offset);
	expect(() => kind.deref(old)).toThrow(stale);
	expect(kind.deref(reference).equals(again)).toBe(true);

	const moved = kind.realloc(again, 100_000);
	expect(() => kind.deref(reference)).toThrow(stale);
	expect(moved.subarray(0, 1000).equals(Buffer.alloc(1000, 2))).toBe(true);
	kind.free(moved);
});

test('a block that is reallocated in its place keeps its reference, which gives the new length', () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const block = kind.malloc(1000).fill(1);
	const reference = kind.ref(block);
	const longer = kind.realloc(block, 1020);
	expect(kind.deref(reference).length).toBe(1020);
	expect(() => kind.free(block)).toThrow(doubleFree);
	kind.free(kind.deref(reference));
	expect(() => kind.free(longer)).toThrow(doubleFree);
	expect(kind.stats().blocks).toBe(0);
});

test('an empty block has a reference, too, of which every deref is an empty block', () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const reference = kind.ref(kind.malloc(0));
	expect(kind.deref(reference).length).toBe(0);
	kind.free(kind.deref(reference));
});

test('references and blocks of another kind are refused', () => {
	const [kind, other] = [create(directory, { maxSize: 16 * MIB }), create(directory, { maxSize: 16 * MIB })];
	const reference = kind.ref(kind.malloc(100));
	other.ref(other.malloc(100));
	expect(() => other.deref(reference)).toThrow(code('ERR_DAXKIND_WRONG_KIND'));
	expect(() => other.free(kind.deref(reference))).toThrow(code('ERR_DAXKIND_WRONG_KIND'));
});

for (const [what, change] of [
	['another offset', { offset: 16 }],
	['an offset behind the end', { offset: 16 * MIB }],
	['an offset that is as large as can be', { offset: Number.MAX_SAFE_INTEGER }],
	['another generation', { generation: 2 }],
	['a generation that is as large as can be', { generation: Number.MAX_SAFE_INTEGER }],
] as const) {
	test(`a reference with ${what} is stale`, () => {
		const kind = create(directory, { maxSize: 16 * MIB });
		expect(() => kind.deref({ ...kind.ref(kind.malloc(100)), ...change })).toThrow(stale);
	});
}

test('what is no handle and no reference is refused by its type', () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const shared = kind.share();
	const reference = kind.ref(kind.malloc(100));
	const broken = [-1, 0.5, Number.NaN, Infinity, 2 ** 53, '1', 1n, null, undefined, {}];
	const wrong = [undefined, null, 1, 'kind', [], {}, () => 1, kind, Buffer.alloc(3)];
	for (const value of [
		...wrong,
		reference,
		{ ...shared, type: 'Kind' },
		{ ...shared, number: 2 ** 32 },
		...broken.flatMap((value) => [
			{ ...shared, number: value },
			{ ...shared, process: value },
		]),
	]) {
		expect(() => Kind.attach(value as SharedKind)).toThrow(code('ERR_INVALID_ARG_TYPE'));
	}
	for (const value of [
		...wrong,
		shared,
		{ ...reference, type: 'Block' },
		...broken.flatMap((value) =>
			['kind', 'offset', 'length', 'generation'].map((key) => ({ ...reference, [key]: value })),
		),
	]) {
		expect(() => kind.deref(value as unknown as BlockReference)).toThrow(code('ERR_INVALID_ARG_TYPE'));
	}
});

test('a block that another thread frees at the same moment is freed once, and gives no reference to what comes after it', async () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const thread = await Thread.start(kind.share());
	// The first word is the number of the round, or -1 at the end. The second is the last round in which the block was
	// freed.
	const turns = new Int32Array(new SharedArrayBuffer(8));
	const block = new Float64Array(new SharedArrayBuffer(16));
	const { kind: number } = kind.ref(kind.malloc(1));
	const freeing = thread.run(
		({ kind }, { turns, block, number }) => {
			for (let round = 1; ; round++) {
				while (Atomics.load(turns, 0) === round - 1);
				if (Atomics.load(turns, 0) < 0) return;
				const [offset = 0, generation = 0] = block;
				kind.free(
					kind.deref({ type: 'daxkind.Block', kind: number, offset, generation, length: 100 } as BlockReference),
				);
				Atomics.store(turns, 1, round);
			}
		},
		{ turns, block, number },
	);
	let wrong = 0;
	// The threads wait for each other by spinning. The test runs for a second, with as many rounds as that allows.
	const end = performance.now() + 1000;
	for (let round = 1; performance.now() < end; round++) {
		const mine = kind.malloc(100);
		const { offset, generation } = kind.ref(mine);
		block.set([offset, generation]);
		Atomics.store(turns, 0, round);
		for (let wait = (round * 7) % 60; wait > 0; wait--);
		let reference: BlockReference | undefined;
		let moved: Block | undefined;
		try {
			if (round % 2 === 0) reference = kind.ref(mine);
			else moved = kind.realloc(mine, 105);
		} catch (error) {
			expect(error).toEqual(doubleFree);
		}
		// The other thread may have ended by an error, of which this thread would not hear.
		for (let spins = 1; Atomics.load(turns, 1) !== round; spins++) {
			if (spins % 2 ** 20 === 0 && performance.now() > end + 20_000) expect.fail('the other thread does not answer');
		}
		// Most often it gets the same memory.
		const next = kind.malloc(100);
		const uses = [() => kind.free(mine)];
		if (reference !== undefined) uses.push(() => kind.free(kind.deref(reference)));
		if (moved !== undefined) uses.push(() => kind.free(moved));
		for (const use of uses) {
			try {
				use();
				wrong++;
			} catch {
				// The block has been freed or reallocated.
			}
		}
		kind.free(next);
	}
	Atomics.store(turns, 0, -1);
	await freeing;
	expect(wrong).toBe(0);
	expect(kind.stats().blocks).toBe(1);
});

test('a block that is gone is given no new length, and no generation is given twice', () => {
	const { id } = native.kindCreate(directory, 16 * MIB, false, 10_000, false, false, false);
	expect(native.kindReference(id, 0, 0, 100, 0, native.kindLayout.referenceShared)).toBe(1);
	expect(native.kindRelength(id, 0, 0, 1, 90)).toBe(0);
	expect(native.kindDereference(id, 0, 0, 1)?.[2]).toBe(90);
	expect(native.kindUnreference(id, 0, 0, 1)).toBe(0);
	const gone = -116;
	expect(native.kindRelength(id, 0, 0, 1, 80)).toBe(gone);
	expect(native.kindReference(id, 0, 0, 70, 0, native.kindLayout.referenceShared)).toBe(2);
	expect(native.kindRelength(id, 0, 0, 1, 60)).toBe(gone);
	expect(native.kindDereference(id, 0, 0, 1)).toBeUndefined();
	expect(native.kindDereference(id, 0, 0, 2)?.[2]).toBe(70);
	native.kindClose(id);
});
