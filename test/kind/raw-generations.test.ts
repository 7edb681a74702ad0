// What tells one raw handle from another. Each handle stands for one block only, whatever becomes of its place and
// whoever frees it.
import { truncateSync, writeFileSync } from 'node:fs';
import { FixedKind, mapFile, type RawHandle } from 'daxkind';
import { describe, expect, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { testDirectory } from '../helpers/directory.ts';
import { closeAfterEach, create, isElastic } from '../helpers/kinds.ts';
import { inThreads } from '../helpers/threads.ts';

const directory = testDirectory();
closeAfterEach();

const doubleFree = expect.objectContaining({ code: 'ERR_DAXKIND_DOUBLE_FREE' });
const refusal = expect.objectContaining({ code: expect.stringMatching(/NOT_A_BLOCK|DOUBLE_FREE|WRONG_KIND/) });
const wrongKind = expect.objectContaining({ code: 'ERR_DAXKIND_WRONG_KIND' });
const notABlock = expect.objectContaining({ code: 'ERR_DAXKIND_NOT_A_BLOCK' });

test('a handle is never given out again when its place becomes another slab, or a run', () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const stale = new Set<number>();
	for (const size of [64, 16, 20_000, 8192, 512, 40_000, 64, 100]) {
		const handles = Array.from({ length: 300 }, () => kind.mallocRaw(size));
		for (const handle of stale) expect(() => kind.freeRaw(handle as RawHandle)).toThrow(doubleFree);
		expect(handles.filter((handle) => stale.has(handle))).toEqual([]);
		for (const handle of handles) {
			kind.freeRaw(handle);
			stale.add(handle);
		}
		kind.purge();
	}
	expect(kind.stats().blocks).toBe(0);
});

test('a handle stays refused while its place is given out 2,046 times more, and only then comes again', () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	for (const size of [64, 20_000]) {
		const first = kind.mallocRaw(size);
		const place = kind.view(first).byteOffset;
		kind.freeRaw(first);
		for (let i = 0; i < 2046; i++) {
			const handle = kind.mallocRaw(size);
			expect(kind.view(handle).byteOffset).toBe(place);
			expect(() => kind.freeRaw(first)).toThrow(doubleFree);
			expect(() => kind.view(first)).toThrow(doubleFree);
			kind.freeRaw(handle);
		}
		expect(() => kind.freeRaw(first)).toThrow(doubleFree);
		expect(kind.mallocRaw(size)).toBe(first);
		kind.freeRaw(first);
	}
});

test('handles of all kinds that there ever were are refused, whether they are open or closed', () => {
	const stale: number[] = [];
	const open = create(directory, { maxSize: 16 * MIB });
	const theirs = [100, 20_000].map((size) => open.mallocRaw(size));
	for (let i = 0; i < 130; i++) {
		const kind = create(directory, { maxSize: 16 * MIB });
		const own = [100, 20_000].map((size) => kind.mallocRaw(size));
		for (const handle of [...stale, ...theirs]) {
			expect(() => kind.freeRaw(handle as RawHandle)).toThrow(wrongKind);
			expect(() => kind.view(handle as RawHandle)).toThrow(wrongKind);
		}
		for (const handle of own) expect(() => open.freeRaw(handle)).toThrow(wrongKind);
		stale.push(...(i % 10 === 0 ? own : []));
		kind.close();
	}
	for (const handle of theirs) open.freeRaw(handle);
});

test.skipIf(!isElastic)(
	'when kinds are so large that they have used up all numbers, those of open kinds stay theirs',
	() => {
		const large = () => {
			const kind = create(directory, { maxSize: 2 ** 36 });
			return { kind, handle: kind.mallocRaw(100) };
		};
		const first = large();
		const handles = new Set([first.handle]);
		for (let i = 0; i < 140; i++) {
			const { kind, handle } = large();
			expect(() => kind.freeRaw(first.handle)).toThrow(wrongKind);
			expect(() => first.kind.freeRaw(handle)).toThrow(wrongKind);
			handles.add(handle);
			expect(kind.view(handle, 1).length).toBe(1);
			kind.close();
		}
		expect(handles.size).toBeGreaterThan(100);
		expect(first.kind.view(first.handle, 1).length).toBe(1);
		const open: ReturnType<typeof large>[] = [];
		const openAll = () => {
			for (let i = 0; i < 140; i++) open.push(large());
		};
		expect(openAll).toThrow(expect.objectContaining({ code: 'ERR_DAXKIND_TOO_MANY_HANDLES' }));
		expect(new Set(open.map(({ handle }) => handle)).size).toBe(open.length);
		expect(open.length).toBeGreaterThan(100);
		open.pop()!.kind.close();
		expect(large().handle).toBeGreaterThan(0);
	},
	60_000,
);

test('a slot or a unit that never had a handle is no block', () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const [slot, run] = [kind.mallocRaw(8192), kind.mallocRaw(20_000)];
	// The handles of neighbouring slots and of neighbouring units differ by 2,048.
	for (const wrong of [
		slot + 2048,
		slot + 1023 * 2048,
		slot + 1000 * 65_536,
		run + 64,
		run + 2048,
		run + 2 ** 30,
		run + 0.25,
	]) {
		// The handles of some kinds are so large that adding a fraction does not change the number.
		if (wrong !== run) expect(() => kind.freeRaw(wrong as RawHandle)).toThrow(refusal);
	}
	expect(() => kind.freeRaw((slot + 2048) as RawHandle)).toThrow(notABlock);
	expect(() => kind.freeRaw((run + 2048) as RawHandle)).toThrow(notABlock);
	kind.freeRaw(slot);
	kind.freeRaw(run);
});

test('views of handles of all sizes are where the blocks are, in every segment of a large kind', () => {
	const path = `${directory}/sparse`;
	writeFileSync(path, '');
	truncateSync(path, 4096 * MIB);
	const kind = FixedKind.create(mapFile(path));
	const handles = new Map<number, number>();
	for (let segment = 0; segment < 4; segment++) {
		const { buffer } = kind.view(kind.mallocRaw(8 * MIB));
		for (let size = 1; size <= 40_000; size = Math.ceil(size * 1.13)) {
			const handle = kind.mallocRaw(size);
			kind.view(handle, size).fill(handles.size & 0xff);
			handles.set(handle, handles.size & 0xff);
		}
		// This takes the rest of the segment, so the next blocks are in another one.
		while (segment < 3 && kind.view(kind.mallocRaw(8 * MIB)).buffer === buffer);
		if (segment < 3) for (let i = 0; i < 2000; i++) kind.mallocRaw(8192);
	}
	expect(new Set([...handles.keys()].map((handle) => kind.view(handle as RawHandle).buffer)).size).toBe(4);
	for (const [handle, value] of handles) {
		expect(kind.view(handle as RawHandle)[0]).toBe(value);
		kind.freeRaw(handle as RawHandle);
		expect(() => kind.freeRaw(handle as RawHandle)).toThrow(doubleFree);
	}
	kind.close();
});

describe('of a shared kind', () => {
	const free = `
		const kind = Kind.attach(data.kind);
		let freed = 0;
		for (const handle of data.handles) {
			try {
				kind.freeRaw(handle);
				freed++;
			} catch (error) {
				if (error.code !== 'ERR_DAXKIND_DOUBLE_FREE') throw error;
			}
		}
		kind.close();
		return freed;`;

	test('handles from before it was shared are freed by any thread, each once', async () => {
		const kind = create(directory, { maxSize: 64 * MIB });
		const handles = Array.from({ length: 20_000 }, (_, i) => kind.mallocRaw(i % 10 === 0 ? 9000 : 1 + (i % 2000)));
		const freed = await inThreads(3, free, { kind: kind.share(), handles });
		expect(freed.reduce((sum: number, each) => sum + (each as number), 0)).toBe(handles.length);
		for (const handle of handles) expect(() => kind.freeRaw(handle)).toThrow(doubleFree);
		expect(kind.stats().blocks).toBe(0);
	});
});
