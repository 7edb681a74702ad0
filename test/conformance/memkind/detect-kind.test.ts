// memkind_detect_kind, and the calls that take a NULL kind and detect it. Here it is Kind.of. Foreign memory and freed
// memory do not crash it.
import { type Block, Kind, minPmemSize } from 'daxkind';
import { expect, test } from 'vitest';
import { KIB, MIB } from '#lib/size.js';
import { testDirectory } from '../../helpers/directory.ts';
import { fill, partSize } from '../../helpers/fill.ts';
import { closeAfterEach, create } from '../../helpers/kinds.ts';
import { holdings } from '../../helpers/process.ts';

const directory = testDirectory();
closeAfterEach();
const part = () => create(directory, { maxSize: partSize });

test('test_TC_MEMKIND_DetectKindNullPtr: nothing has no kind', () => {
	expect([Kind.of(null), Kind.of(undefined)]).toEqual([undefined, undefined]);
});

test('test_TC_MEMKIND_DetectKindPmemKind: a block has the kind that it was allocated from', () => {
	const kind = create(directory);
	for (const block of [
		kind.malloc(512),
		kind.calloc(2, 100),
		kind.memalign(4096, 10),
		kind.malloc(0),
		kind.malloc(MIB),
	]) {
		expect(Kind.of(block) === kind).toBe(true);
		kind.free(block);
		expect(Kind.of(block)).toBeUndefined();
	}
});

for (const [name, value] of [
	['DetectKindRegularKind', Buffer.alloc(512)],
	['DetectDefaultSmallSizeKind', Buffer.from('from the pool')],
	['DetectDefaultBigSizeKind', Buffer.alloc(8 * MIB)],
] as const) {
	test(`test_TC_MEMKIND_${name}: an ordinary Buffer of ${value.length} bytes has no kind`, () => {
		expect(Kind.of(value)).toBeUndefined();
	});
}

test('test_TC_MEMKIND_DetectKindMixKind: each of two kinds and of ordinary Buffers is told from the others', () => {
	const [one, two] = [create(directory), create(directory, { maxSize: minPmemSize })];
	const values = [Buffer.alloc(512), one.malloc(512), new Uint8Array(512), two.malloc(512)];
	expect(values.map((value) => [undefined, one, two].indexOf(Kind.of(value) as typeof one))).toEqual([0, 1, 0, 2]);
});

test('memkind_detect_kind: what is no block has no kind, where memkind reads what it is not allowed to', () => {
	const kind = part();
	const block = kind.malloc(100);
	for (const value of [1, 'text', {}, [], () => {}, block.subarray(0), block.buffer, Buffer.from(block), Symbol('s')]) {
		expect(Kind.of(value)).toBeUndefined();
	}
	kind.close();
	expect(Kind.of(block)).toBeUndefined();
});

test('pmem_detect_kind (example): blocks among ordinary Buffers are found and reallocated, the others left', () => {
	const kind = create(directory);
	const values = Array.from({ length: 1000 }, (_, i) => (i % 2 ? kind.malloc(512).fill(i) : Buffer.alloc(512, i)));
	const after = values.map((value) => Kind.of(value)?.realloc(value as Block, 2048) ?? value);
	expect(after.findIndex((value, i) => value.length !== (i % 2 ? 2048 : 512))).toBe(-1);
	expect(after.findIndex((value, i) => value[511] !== (i & 255))).toBe(-1);
	expect(kind.usableSize(after[1] as Block)).toBe(2048);
});

test('test_TC_MEMKIND_PmemFreeUsingNullptrInsteadOfKind: of ten full kinds, the one whose block is freed by itself has room', () => {
	const kinds = Array.from({ length: 10 }, part);
	const blocks = kinds.map((kind) => fill(kind, KIB));
	const [block] = blocks[5]!.splice(5, 1);
	Kind.of(block)!.free(block);
	expect(kinds.map((kind) => kind.tryMalloc(KIB)?.length)).toEqual(kinds.map((_, i) => (i === 5 ? KIB : undefined)));
});

test('pmem_free_with_unknown_kind (example): a hundred blocks and ordinary Buffers are freed without their kinds', () => {
	const kind = part();
	const values = Array.from({ length: 100 }, (_, i) => (i < 50 ? Buffer.alloc(512) : kind.malloc(512)));
	expect(kind.stats().blocks).toBe(50);
	for (const value of values) Kind.of(value)?.free(value as Block);
	expect(kind.stats()).toMatchObject({ blocks: 0, allocated: 0 });
});

test('test_TC_MEMKIND_PmemKindFreeBenchmarkOneThread: ten kinds are drained without naming them, and are as full again', () => {
	const kinds = Array.from({ length: 10 }, part);
	const blocks = kinds.flatMap((kind) => fill(kind, 4 * KIB));
	for (const block of blocks) Kind.of(block)!.free(block);
	expect(kinds.flatMap((kind) => fill(kind, 4 * KIB)).length).toBe(blocks.length);
});

for (const [name, size] of [
	['IncreaseSize', 2 * KIB],
	['DecreaseSize', 4],
] as const) {
	test(`test_TC_MEMKIND_PmemRealloc${name}NullKindVariant: a block's own kind reallocates it to ${size} bytes`, () => {
		const kind = part();
		const block = kind.malloc(KIB).fill('text');
		const moved = Kind.of(block)!.realloc(block, size);
		expect(moved.toString('utf8', 0, 4)).toBe('text');
		expect(Kind.of(moved) === kind).toBe(true);
		kind.free(moved);
		expect(kind.stats().blocks).toBe(0);
	});
}

test("test_TC_MEMKIND_PmemReallocNullKindSizeZero: 200,000 times to 0 by the block's own kind, and all memory is there", () => {
	const kind = part();
	for (let i = 0; i < 200_000; i++) {
		const block = kind.malloc(KIB);
		Kind.of(block)!.realloc(block, 0);
	}
	expect(kind.stats()).toMatchObject({ blocks: 0, allocated: 0 });
	kind.free(kind.malloc(18 * MIB));
});

for (const name of ['ReallocNullptrNullKind', 'ReallocNullptrNullKindSizeMax', 'ReallocNullptrNullKindSizeZero']) {
	test(`test_TC_MEMKIND_${name}: without a block there is no kind to ask, whatever the size`, () => {
		expect(Kind.of(null)?.realloc(null, 1)).toBeUndefined();
	});
}

test('test_TC_MEMKIND_PmemCreateDestroyKindLoopMallocDifferentSizesDifferentKindsNullKindFree: 512 kinds, whose blocks find them', () => {
	const before = holdings().descriptors;
	for (let round = 0; round < 512; round++) {
		const kind = create(directory, { maxSize: minPmemSize });
		for (const value of [kind.malloc(KIB), kind.malloc(2 * MIB), Buffer.allocUnsafeSlow(KIB)])
			Kind.of(value)?.free(value as Block);
		expect(kind.close()).toBeUndefined();
	}
	expect(holdings().descriptors).toBe(before);
});
