// memkind_set_allow_zero_allocs: kinds here always behave as memkind's kinds do when it is set to true. An allocation
// of 0 bytes is an empty Buffer, a different one each time. It takes no memory, and free takes it once.
import { type Kind, minPmemSize } from 'daxkind';
import { beforeEach, expect, test } from 'vitest';
import { KIB } from '#lib/size.js';
import { testDirectory } from '../../helpers/directory.ts';
import { fill } from '../../helpers/fill.ts';
import { closeAfterEach, create } from '../../helpers/kinds.ts';

const directory = testDirectory();
closeAfterEach();
let kind: Kind;
beforeEach(() => {
	kind = create(directory, { maxSize: minPmemSize });
});

for (const [name, call, allocate] of [
	['malloc', 'malloc(0)', () => kind.malloc(0)],
	['malloc', 'tryMalloc(0)', () => kind.tryMalloc(0)!],
	['calloc', 'calloc(0, 8)', () => kind.calloc(0, 8)],
	['calloc', 'calloc(8, 0)', () => kind.calloc(8, 0)],
	['calloc', 'calloc(0, 0)', () => kind.calloc(0, 0)],
	['realloc', 'realloc(null, 0)', () => kind.realloc(null, 0)],
	['posix_memalign', 'memalign(16, 0)', () => kind.memalign(16, 0)],
] as const) {
	test(`test_TC_MEMKIND_set_allow_zero_allocs_${name}: ${call} is an empty Buffer of its own, freed once`, () => {
		const [one, two] = [allocate(), allocate()];
		expect([one.length, two.length]).toEqual([0, 0]);
		expect(one === two).toBe(false);
		expect(kind.stats()).toMatchObject({ blocks: 0, allocated: 0, resident: 0 });
		kind.free(one);
		expect(() => kind.free(one)).toThrow(expect.objectContaining({ code: 'ERR_DAXKIND_DOUBLE_FREE' }));
		kind.free(two);
	});
}

test('test_TC_MEMKIND_set_allow_zero_allocs: a full kind still has them', () => {
	fill(kind, KIB);
	expect(kind.malloc(0)).toHaveLength(0);
	expect(kind.tryMalloc(0)).toHaveLength(0);
});

test('memkind_set_allow_zero_allocs: reallocating to 0 frees all the same, and an empty block can grow', () => {
	const empty = kind.realloc(kind.malloc(KIB), 0);
	expect(kind.stats()).toMatchObject({ blocks: 0, allocated: 0 });
	const grown = kind.realloc(empty, 100).fill(1);
	expect(kind.stats()).toMatchObject({ blocks: 1, allocated: 112 });
	expect(() => kind.free(empty)).toThrow(expect.objectContaining({ code: 'ERR_DAXKIND_DOUBLE_FREE' }));
	kind.free(grown);
});
