// Raw handles: numbers for blocks, which are looked up in the heap's own tables. So a wrong number must lead nowhere.
import { type Block, Kind, type RawHandle } from 'daxkind';
import { expect, test } from 'vitest';
import { KIB, MIB } from '#lib/size.js';
import { testDirectory } from '../helpers/directory.ts';
import { closeAfterEach, create } from '../helpers/kinds.ts';
import { Thread } from '../helpers/thread.ts';

const directory = testDirectory();
closeAfterEach();

const code = (code: string) => expect.objectContaining({ code });
const doubleFree = code('ERR_DAXKIND_DOUBLE_FREE');
const notABlock = code('ERR_DAXKIND_NOT_A_BLOCK');
const anyRefusal = code(expect.stringMatching(/^ERR_DAXKIND_(DOUBLE_FREE|NOT_A_BLOCK|WRONG_KIND)$/));

for (const size of [1, 16, 100, 8192, 8193, 100_000, 5 * MIB]) {
	test(`a handle of ${size} bytes is a safe integer, whose view is the memory until it is freed`, () => {
		const kind = create(directory, { maxSize: 16 * MIB });
		const handle = kind.mallocRaw(size);
		expect(Number.isSafeInteger(handle) && handle > 0).toBe(true);
		const view = kind.view(handle, size);
		expect(Buffer.isBuffer(view)).toBe(true);
		expect(view.length).toBe(size);
		view.fill(0xab);
		const usable = kind.usableSize(handle);
		expect(usable).toBeGreaterThanOrEqual(size);
		expect(kind.view(handle).length).toBe(usable);
		expect(kind.view(handle, size).equals(Buffer.alloc(size, 0xab))).toBe(true);
		expect(kind.view(handle, 0).length).toBe(0);
		for (const length of [usable + 1, -1, 0.5, Number.NaN]) {
			expect(() => kind.view(handle, length)).toThrow(code('ERR_OUT_OF_RANGE'));
		}
		expect(() => kind.free(view as Block)).toThrow(notABlock);
		expect(kind.stats()).toMatchObject({ blocks: 1, allocated: usable });
		kind.freeRaw(handle);
		expect(kind.stats()).toMatchObject({ blocks: 0, allocated: 0 });
		for (const call of [() => kind.freeRaw(handle), () => kind.view(handle), () => kind.usableSize(handle)]) {
			expect(call).toThrow(doubleFree);
		}
	});
}

test('0 stands for no block, and is what there is for 0 bytes and without memory', () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	expect(kind.mallocRaw(0)).toBe(0);
	expect(kind.tryMallocRaw(0)).toBe(0);
	expect(kind.tryMallocRaw(17 * MIB)).toBe(0);
	expect(() => kind.mallocRaw(17 * MIB)).toThrow(code('ERR_DAXKIND_OUT_OF_MEMORY'));
	expect(kind.view(0).length).toBe(0);
	expect(kind.usableSize(0)).toBe(0);
	kind.freeRaw(0);
	expect(kind.stats().blocks).toBe(0);
});

test('numbers that are no handle are refused, however near to one they are', () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	// The first block is at the start of the kind. If the bits above a handle were cut off there, nothing else would
	// show it.
	const handles = [kind.mallocRaw(100_000), kind.mallocRaw(100), kind.mallocRaw(MIB)];
	const before = kind.stats();
	for (const handle of handles) {
		for (const wrong of [
			...[1, 7, -1, 2 ** -6, 0.5].map((step) => handle + step),
			...[40, 46, 53, 63, 64, 72, 80, 100].flatMap((log) => [
				handle + 2 ** log,
				handle - 2 ** log,
				2 ** log,
				-(2 ** log),
			]),
			-handle,
			handle * 2,
			handle * 2 ** 32,
			1,
			0.5,
			-1,
			Number.NaN,
			Infinity,
			-Infinity,
			Number.MAX_SAFE_INTEGER,
			Number.MIN_VALUE,
		]) {
			if (handles.includes(wrong as RawHandle)) continue;
			for (const call of [
				() => kind.freeRaw(wrong as RawHandle),
				() => kind.view(wrong as RawHandle),
				() => kind.usableSize(wrong as RawHandle),
			]) {
				expect(call, `${handle} as ${wrong}`).toThrow(anyRefusal);
			}
		}
	}
	for (const wrong of ['1', 1n, null, undefined, {}, [handles[0]], Buffer.alloc(1)] as unknown as number[]) {
		expect(() => kind.freeRaw(wrong as RawHandle)).toThrow(code('ERR_INVALID_ARG_TYPE'));
		expect(() => kind.view(wrong as RawHandle)).toThrow(code('ERR_INVALID_ARG_TYPE'));
	}
	expect(kind.stats()).toEqual(before);
	for (const handle of handles) kind.freeRaw(handle);
});

test('what is near a handle is none, whatever is there: free memory, or blocks that are Buffers', () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	for (const size of [48, 1000, 8192, 50_000]) {
		const handle = kind.mallocRaw(size);
		const blocks = Array.from({ length: 20 }, () => kind.malloc(size));
		for (let distance = 1; distance < 3000; distance++) {
			expect(() => kind.freeRaw((handle + distance) as RawHandle)).toThrow(anyRefusal);
			expect(() => kind.freeRaw((handle - distance) as RawHandle)).toThrow(anyRefusal);
		}
		for (const block of blocks) kind.free(block);
		kind.freeRaw(handle);
	}
	expect(kind.stats().blocks).toBe(0);
});

test('an old handle stays refused while its place is given out again and again', () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	for (const size of [64, 20_000]) {
		const first = kind.mallocRaw(size);
		const place = kind.view(first).byteOffset;
		kind.freeRaw(first);
		for (let reuse = 1; reuse < 60; reuse++) {
			const handle = kind.mallocRaw(size);
			expect(kind.view(handle).byteOffset).toBe(place);
			expect(handle).not.toBe(first);
			expect(() => kind.freeRaw(first)).toThrow(doubleFree);
			kind.freeRaw(handle);
		}
	}
});

test('handles are refused when their places hold blocks of another size', () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const stale: number[] = [];
	for (const size of [9 * KIB, 512, 1024, 100, 18 * KIB, 16]) {
		const handles = Array.from({ length: 300 }, () => kind.mallocRaw(size));
		for (const handle of stale) expect(() => kind.freeRaw(handle as RawHandle)).toThrow(doubleFree);
		for (const handle of handles) kind.freeRaw(handle);
		kind.purge();
		stale.push(...handles);
	}
	expect(kind.stats().blocks).toBe(0);
});

test('handles of another kind, of a closed one, and of none are refused', () => {
	const [kind, other] = [create(directory, { maxSize: 16 * MIB }), create(directory, { maxSize: 16 * MIB })];
	const [mine, theirs] = [kind.mallocRaw(100), other.mallocRaw(100)];
	expect(() => kind.freeRaw(theirs)).toThrow(code('ERR_DAXKIND_WRONG_KIND'));
	expect(() => other.view(mine)).toThrow(code('ERR_DAXKIND_WRONG_KIND'));
	const view = kind.view(mine);
	kind.close();
	expect(view.length).toBe(0);
	for (const call of [
		() => kind.freeRaw(mine),
		() => kind.freeRaw(0),
		() => kind.view(mine),
		() => kind.mallocRaw(1),
		() => kind.mallocRaw(0),
		() => kind.tryMallocRaw(1),
		() => kind.usableSize(mine),
	]) {
		expect(call).toThrow(code('ERR_INVALID_STATE'));
	}
	// Nobody has asked this kind for a handle yet.
	expect(() => create(directory, { maxSize: 16 * MIB }).freeRaw(mine)).toThrow(anyRefusal);
	other.freeRaw(theirs);
});

test('handles work in slabs that were made after the tables were read, in every thread', async () => {
	const kind = create(directory, { maxSize: 64 * MIB });
	const thread = await Thread.start(kind.share());
	for (const each of [kind, thread]) {
		if (each instanceof Kind) each.freeRaw(each.mallocRaw(1));
		else await each.run(({ kind }) => kind.freeRaw(kind.mallocRaw(1)), undefined);
	}
	// Slabs of eight blocks: their descriptors and states need more than the 64 KiB that the tables have at first.
	const handles: number[] = [];
	for (let i = 0; i < 25_000; i++) {
		const handle = kind.mallocRaw(2048);
		kind.view(handle).writeUInt32LE(i);
		handles.push(handle);
	}
	for (let size = 16; size <= 8192; size += 16) handles.push(kind.mallocRaw(size));
	expect(new Set(handles).size).toBe(handles.length);
	const wrong = await thread.run(({ kind }, handles) => {
		let wrong = 0;
		for (let i = 0; i < 25_000; i++) if (kind.view(handles[i]! as RawHandle).readUInt32LE() !== i) wrong++;
		for (const handle of handles) kind.freeRaw(handle as RawHandle);
		return wrong;
	}, handles);
	expect(wrong).toBe(0);
	for (let i = 0; i < handles.length; i += 97) expect(() => kind.freeRaw(handles[i]! as RawHandle)).toThrow(doubleFree);
	expect(kind.stats().blocks).toBe(0);
	kind.free(kind.malloc(64 * MIB));
});

test('of many threads that free the same handles at once, one succeeds for each', async () => {
	const kind = create(directory, { maxSize: 32 * MIB });
	const handles = Array.from({ length: 3000 }, (_, i) => kind.mallocRaw((i % 30) * 500 + 1));
	const gate = new Int32Array(new SharedArrayBuffer(4));
	const threads = await Promise.all([1, 2, 3].map(() => Thread.start(kind.share())));
	const frees = threads.map((thread) =>
		thread.run(
			({ kind }, { handles, gate }) => {
				kind.freeRaw(kind.mallocRaw(1));
				Atomics.add(gate, 0, 1);
				while (Atomics.load(gate, 0) < 3);
				return handles.map((handle) => {
					try {
						kind.freeRaw(handle);
						return 1;
					} catch (error) {
						if ((error as { code: string }).code !== 'ERR_DAXKIND_DOUBLE_FREE') throw error;
						return 0;
					}
				});
			},
			{ handles, gate },
		),
	);
	const results = await Promise.all(frees);
	expect(handles.every((_, i) => results.reduce((sum, freed) => sum + freed[i]!, 0) === 1)).toBe(true);
	expect(kind.stats().blocks).toBe(0);
	await Promise.all(threads.map((thread) => thread.end()));
	kind.free(kind.malloc(32 * MIB));
});

test('handles are kept by a Float64Array, and a block that is freed by its handle goes to the next malloc', () => {
	const kind = create(directory, { maxSize: 64 * MIB });
	const index = new Float64Array(200_000);
	for (let i = 0; i < index.length; i++) index[i] = kind.mallocRaw(64);
	for (let i = 0; i < index.length; i++) kind.view(index[i]! as RawHandle, 8).writeDoubleLE(i);
	for (let i = 0; i < index.length; i++)
		if (kind.view(index[i]! as RawHandle, 8).readDoubleLE() !== i) expect.fail(`block ${i}`);
	expect(kind.stats()).toMatchObject({ blocks: index.length, allocated: index.length * 64 });
	for (const handle of index) kind.freeRaw(handle as RawHandle);
	const handle = kind.mallocRaw(64);
	const place = kind.view(handle).byteOffset;
	kind.freeRaw(handle);
	expect(kind.malloc(64).byteOffset).toBe(place);
	expect(kind.close()).toMatchObject({ blocks: 1 });
});
