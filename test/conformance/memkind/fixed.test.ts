// memkind_create_fixed: a kind over memory that the caller owns. Here that is a mapping of one of the caller's files.
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { FixedKind, Kind, mapFile, OutOfMemoryError, PmemKind, type PmemMapping } from 'daxkind';
import { afterEach, describe, expect, test } from 'vitest';
import { KIB, MIB } from '#lib/size.js';
import { testDirectory } from '../../helpers/directory.ts';
import { fill, freeAll } from '../../helpers/fill.ts';
import { inThreads } from '../../helpers/threads.ts';

const directory = testDirectory();
const file = `${directory}/fixed`;
const mappings: PmemMapping[] = [];
const kinds: Kind[] = [];
afterEach(() => {
	for (const kind of kinds.splice(0)) kind.close();
	for (const mapping of mappings.splice(0)) mapping.unmap();
});

/** Maps a file of `size` bytes. */
function mapped(size: number, path = file): PmemMapping {
	writeFileSync(path, '');
	truncateSync(path, size);
	const mapping = mapFile(path, { allocate: false });
	mappings.push(mapping);
	return mapping;
}

function over(mapping: PmemMapping): FixedKind {
	const kind = FixedKind.create(mapping);
	kinds.push(kind);
	return kind;
}

describe('capacity', () => {
	for (const size of [512 * MIB, 1024, 25, 87]) {
		test(`test_tc_memkind_verify_capacity_mmapped: ${size} bytes are the capacity`, () => {
			const kind = over(mapped(size));
			expect(kind.capacity).toBe(size);
			expect(kind.stats().capacity).toBe(size);
			// Memory is given out in whole KiB.
			const usable = Math.floor(size / KIB) * KIB;
			if (usable === 0) expect(kind.tryMalloc(1)).toBeUndefined();
			else expect(kind.malloc(usable)).toHaveLength(usable);
			expect(() => kind.malloc(1)).toThrow(OutOfMemoryError);
		});
	}

	test('test_tc_memkind_verify_capacity_mmapped: of 0 bytes there is no mapping, and so no kind', () => {
		writeFileSync(file, '');
		expect(() => mapFile(file)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
	});
});

test('fixed_malloc (example): 512 B, 8 MiB and 16 MiB fit into 32 MiB, 16 MiB more do not', () => {
	const kind = over(mapped(32 * MIB));
	const blocks = [512, 8 * MIB, 16 * MIB].map((size, i) => kind.malloc(size).fill(i + 1));
	expect(() => kind.malloc(16 * MIB)).toThrow(expect.objectContaining({ reason: 'limit' }));
	expect(blocks.map((block, i) => block[block.length - 1] === i + 1)).toEqual([true, true, true]);
	freeAll(kind, blocks);
	// memkind's fixed kind gives out only a part of what was freed.
	kind.free(kind.malloc(32 * MIB));
});

test('memkind defect: calloc gives zeros on memory that was full of something else, where memkind gives that', () => {
	writeFileSync(file, Buffer.alloc(16 * MIB, 0xaa));
	const mapping = mapFile(file);
	mappings.push(mapping);
	const kind = over(mapping);
	for (const size of [100, 5000, MIB, 8 * MIB]) {
		const block = kind.calloc(1, size);
		expect(block.equals(Buffer.alloc(size))).toBe(true);
		kind.free(block);
	}
});

test('memkind_create_fixed: blocks are the mapping itself, and what no block has is untouched, also after close', () => {
	writeFileSync(file, Buffer.alloc(MIB, 0xaa));
	const mapping = mapFile(file);
	mappings.push(mapping);
	const kind = over(mapping);
	const block = kind.malloc(10_000).fill('in the file');
	const at = mapping.buffer.indexOf('in the file');
	expect(at).toBeGreaterThanOrEqual(0);
	expect(mapping.buffer.subarray(at, at + 10_000).equals(block)).toBe(true);
	kind.free(kind.malloc(500_000));
	kind.purge();
	kind.close();
	expect(block).toHaveLength(0);
	// purge gives back nothing of the caller's memory: it makes no hole and no zero.
	const content = readFileSync(file);
	expect(content.filter((byte) => byte === 0xaa).length).toBe(MIB - 10_000);
	expect(mapping.buffer.toString('utf8', at, at + 11)).toBe('in the file');
});

test('memkind_destroy_kind: the mapping is its owner’s, and cannot go while the kind is there', () => {
	const mapping = mapped(MIB);
	const kind = over(mapping);
	const block = kind.malloc(100).fill(1);
	expect(() => mapping.unmap()).toThrow(expect.objectContaining({ code: 'ERR_INVALID_STATE' }));
	expect(block.every((byte) => byte === 1)).toBe(true);
	kind.close();
	expect(mapping.length).toBe(MIB);
	mapping.unmap();
	expect(mapping.length).toBe(0);
});

test('memkind_create_fixed: what is no mapping, or not writable, or unmapped, is refused', () => {
	const create = FixedKind.create as (mapping: unknown) => FixedKind;
	for (const value of [undefined, null, 0, Buffer.alloc(4096), new ArrayBuffer(4096), {}]) {
		expect(() => create(value)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }));
	}
	const gone = mapped(4096);
	gone.unmap();
	expect(() => create(gone)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_STATE' }));
	const readOnly = mapFile(file, { writable: false });
	mappings.push(readOnly);
	expect(() => create(readOnly)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_STATE' }));
});

test('test_TC_MEMKIND_MultipleAllocatorUsage_Test: one kind after the other over the same memory', () => {
	const mapping = mapped(MIB);
	for (let i = 0; i < 10; i++) {
		const kind = FixedKind.create(mapping);
		const block = kind.malloc(MIB);
		expect(block[0]).toBe(i);
		block[0] = i + 1;
		kind.close();
	}
});

test('memkind_create_fixed: two kinds over one mapping at the same time, which would hand out the same memory, are refused', () => {
	const mapping = mapped(MIB);
	over(mapping);
	expect(() => over(mapping)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_STATE' }));
});

for (const name of ['SingleAllocationDeallocation', 'ConstructDestroy']) {
	test(`test_TC_MEMKIND_Allocator_${name}_Test: one number comes, is written, and goes`, () => {
		const kind = over(mapped(MIB));
		const block = kind.malloc(4);
		block.writeInt32LE(-559038737);
		expect(block.readInt32LE()).toBe(-559038737);
		kind.free(block);
		expect(kind.stats()).toMatchObject({ blocks: 0, allocated: 0 });
	});
}

test('test_TC_MEMKIND_AllocatorCompare_DifferentKindDifferentType_Test: a fixed kind, another and a pmem kind are told apart', () => {
	const pmem = PmemKind.create(directory, { maxSize: 16 * MIB });
	kinds.push(pmem);
	const all: Kind[] = [over(mapped(MIB)), over(mapped(MIB, `${file}-2`)), pmem];
	const blocks = all.map((kind) => kind.malloc(100));
	expect(blocks.map((block) => all.indexOf(Kind.of(block)!))).toEqual([0, 1, 2]);
	for (const kind of all) {
		for (const block of blocks) {
			if (Kind.of(block) === kind) continue;
			expect(() => kind.free(block)).toThrow(expect.objectContaining({ code: 'ERR_DAXKIND_WRONG_KIND' }));
		}
	}
});

test('test_TC_MEMKIND_AllocatorCompare_SameKindSameType_Test: to attach to a fixed kind is to have the same one', () => {
	const kind = over(mapped(MIB));
	const same = Kind.attach(kind.share());
	kinds.push(same);
	expect(same).toBeInstanceOf(FixedKind);
	expect([same.path, same.capacity]).toEqual([kind.path, kind.capacity]);
	const block = kind.malloc(100).fill(1);
	expect(same.deref(kind.ref(block)).every((byte) => byte === 1)).toBe(true);
});

test('test_TC_MEMKIND_Allocator_SharedAllocationDeallocation_Test: what one allocates the other frees', () => {
	const one = over(mapped(MIB));
	const two = Kind.attach(one.share());
	kinds.push(two);
	const [first, second] = [one.malloc(4), two.malloc(4)];
	two.free(two.deref(one.ref(first)));
	one.free(one.deref(two.ref(second)));
	expect(one.stats().blocks).toBe(0);
	expect(() => one.free(first)).toThrow(expect.objectContaining({ code: 'ERR_DAXKIND_DOUBLE_FREE' }));
});

test('test_TC_MEMKIND_Allocator_MultithreadingSupport_Test: eight threads take and free in one fixed kind', async () => {
	const kind = over(mapped(16 * MIB));
	const body = `
		const kind = Kind.attach(data);
		const blocks = [];
		for (let i = 0; i < 5000; i++) {
			blocks.push(kind.malloc((i % 500) + 1).fill(index));
			if (i % 3 !== 0) kind.free(blocks.shift());
		}
		const whole = blocks.every((block) => block.every((byte) => byte === index));
		for (const block of blocks) kind.free(block);
		kind.close();
		return whole;`;
	expect(await inThreads(8, body, kind.share())).toEqual(Array.from({ length: 8 }, () => true));
	expect(kind.stats()).toMatchObject({ blocks: 0, allocated: 0 });
});

test('memkind: a fixed kind that is full of one size can be full of any other, where memkind’s only ever grows', () => {
	const kind = over(mapped(16 * MIB));
	for (const size of [16, 512, 4 * KIB, 64 * KIB, MIB, 8 * MIB]) {
		const blocks = fill(kind, size);
		expect(blocks.length).toBe((16 * MIB) / size);
		freeAll(kind, blocks);
		kind.purge();
	}
});
