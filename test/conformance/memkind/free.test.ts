// memkind's cases of memkind_free.
import { type Block, type Kind, minPmemSize } from 'daxkind';
import { expect, test } from 'vitest';
import { KIB, MIB } from '#lib/size.js';
import { testDirectory } from '../../helpers/directory.ts';
import { fill, freeAll, partSize } from '../../helpers/fill.ts';
import { closeAfterEach, create } from '../../helpers/kinds.ts';

const directory = testDirectory();
closeAfterEach();

const part = () => create(directory, { maxSize: partSize });
const code = (code: string) => expect.objectContaining({ code });

for (const name of ['test_TC_MEMKIND_PmemFreeNullptr', 'test_TC_MEMKIND_NullKindFreeNullPtr']) {
	const nothing = name.includes('NullKind') ? undefined : null;
	test(`${name}: ${nothing} does nothing, a million times`, () => {
		const kind = part();
		const before = kind.stats();
		for (let i = 0; i < 1_000_000; i++) kind.free(nothing);
		expect(kind.stats()).toEqual(before);
	});
}

test('test_TC_MEMKIND_PmemKindFreeBenchmarkOneThread: ten kinds are filled and drained twice, with as many blocks', () => {
	const kinds = Array.from({ length: 10 }, part);
	const counts = [0, 1].map(() => {
		const blocks = kinds.map((kind) => fill(kind, 512));
		kinds.forEach((kind, i) => {
			freeAll(kind, blocks[i]!);
		});
		return blocks.map((each) => each.length);
	});
	expect(counts).toEqual([0, 1].map(() => kinds.map(() => (18 * MIB) / 512)));
	for (const kind of kinds) expect(kind.stats()).toMatchObject({ allocated: 0, blocks: 0 });
});

test('test_TC_MEMKIND_PmemFreeUsingNullptrInsteadOfKind: of ten full kinds, the one that got a block back has room for one', () => {
	const kinds = Array.from({ length: 10 }, part);
	const blocks = kinds.map((kind) => fill(kind, KIB));
	kinds[5]!.free(blocks[5]!.splice(5, 1)[0]);
	expect(kinds.map((kind) => kind.tryMalloc(KIB)?.length)).toEqual(kinds.map((_, i) => (i === 5 ? KIB : undefined)));
});

test('pmem_free_with_unknown_kind (example): a block is freed in its kind only, and a Buffer from elsewhere in none', () => {
	const kinds = [part(), part()];
	const blocks = Array.from({ length: 100 }, (_, i) =>
		i < 50 ? Buffer.from(`ordinary ${i}`) : kinds[i % 2]!.malloc(512).fill(`block ${i} `),
	);
	const free = (kind: Kind, block: Block) => {
		try {
			kind.free(block);
			return 'freed';
		} catch (error) {
			return (error as { code: string }).code;
		}
	};
	const first = blocks.map((block) => free(kinds[0]!, block as Block));
	expect(new Set(first.slice(0, 50))).toEqual(new Set(['ERR_DAXKIND_NOT_A_BLOCK']));
	expect(first.slice(50, 52)).toEqual(['freed', 'ERR_DAXKIND_WRONG_KIND']);
	// The blocks that were refused have not changed.
	expect(blocks[10]!.toString()).toBe('ordinary 10');
	expect(blocks[81]!.toString('utf8', 0, 9)).toBe('block 81 ');
	expect(kinds.map((kind) => kind.stats().blocks)).toEqual([0, 25]);
	const second = blocks.slice(50).map((block) => free(kinds[1]!, block as Block));
	expect(second.slice(0, 2)).toEqual(['ERR_DAXKIND_WRONG_KIND', 'freed']);
	expect(kinds.map((kind) => kind.stats().blocks)).toEqual([0, 0]);
});

test('memkind_free: twice is an error and changes nothing, where memkind corrupts its heap', () => {
	const kind = part();
	for (const size of [10, 1000, 10_000, MIB]) {
		const block = kind.malloc(size);
		const neighbour = kind.malloc(size).fill(7);
		kind.free(block);
		for (let i = 0; i < 3; i++) expect(() => kind.free(block)).toThrow(code('ERR_DAXKIND_DOUBLE_FREE'));
		const next = [kind.malloc(size), kind.malloc(size)];
		expect(next[0]!.byteOffset).not.toBe(next[1]!.byteOffset);
		expect(neighbour.every((byte) => byte === 7)).toBe(true);
		freeAll(kind, [...next, neighbour]);
	}
	expect(kind.stats().blocks).toBe(0);
});

test('memkind_free: an interior pointer is no block, where memkind frees what is around it', () => {
	const kind = part();
	const block = kind.malloc(10_000);
	for (const inner of [block.subarray(0), block.subarray(16), block.slice(0, 100)]) {
		expect(() => kind.free(inner as Block)).toThrow(code('ERR_DAXKIND_NOT_A_BLOCK'));
	}
	const whole = Buffer.from(block.buffer, block.byteOffset, block.length);
	expect(() => kind.free(whole as Block)).toThrow(code('ERR_DAXKIND_NOT_A_BLOCK'));
	expect(kind.stats().blocks).toBe(1);
	kind.free(block);
});

test('memkind_free: in any order, all memory is one piece again', () => {
	const kind = create(directory, { maxSize: minPmemSize });
	for (const order of [
		(blocks: Block[]) => blocks,
		(blocks: Block[]) => blocks.reverse(),
		(blocks: Block[]) => [...blocks.filter((_, i) => i % 2), ...blocks.filter((_, i) => i % 2 === 0)],
		(blocks: Block[]) => blocks.sort((a, b) => ((a.byteOffset * 7919) % 10_007) - ((b.byteOffset * 7919) % 10_007)),
	]) {
		freeAll(kind, order(fill(kind, [100, 10_000, 3000, 200_000])));
		expect(kind.stats()).toMatchObject({ blocks: 0, allocated: 0 });
		kind.free(kind.malloc(minPmemSize));
	}
});
