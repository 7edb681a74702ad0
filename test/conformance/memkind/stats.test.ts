// memkind_get_stat, memkind_update_cached_stats and memkind_stats_print. Here they are one call, which is exact at the
// time of the call.
import { readdirSync } from 'node:fs';
import { type Block, type Kind, type KindStats, minPmemSize, PmemKind } from 'daxkind';
import { expect, test } from 'vitest';
import { KIB, MIB } from '#lib/size.js';
import { testDirectory } from '../../helpers/directory.ts';
import { fill, freeAll } from '../../helpers/fill.ts';
import { closeAfterEach, create } from '../../helpers/kinds.ts';
import { runChild } from '../../helpers/process.ts';

const directory = testDirectory();
closeAfterEach();
const small = () => create(directory, { maxSize: minPmemSize });

test('test_TC_MEMKIND_EmptyRegularKind: of a kind that was never used all is 0, but what is free', () => {
	const { capacity, free, largestFree, ...rest } = small().stats();
	expect([capacity, free, largestFree]).toEqual([minPmemSize, minPmemSize, minPmemSize]);
	expect(Object.values(rest).filter((value) => value !== 0)).toEqual([]);
});

test('test_TC_MEMKIND_DefaultKind: resident, active and allocated are there at once, with nothing to update first', () => {
	const kind = small();
	const blocks = [kind.malloc(100), kind.malloc(MIB)];
	expect(kind.stats()).toMatchObject({ allocated: 112 + MIB, blocks: 2, resident: 2 * MIB, committed: 2 * MIB });
	expect(kind.stats().active).toBeGreaterThanOrEqual(112 + MIB);
	freeAll(kind, blocks);
	expect(kind.stats()).toMatchObject({ allocated: 0, blocks: 0 });
});

test('test_TC_MEMKIND_StatUnknownType: there is no number that is not one of a whole number of bytes or blocks', () => {
	const stats: KindStats = small().stats();
	for (const name of [
		'capacity',
		'resident',
		'committed',
		'active',
		'allocated',
		'blocks',
		'cached',
		'free',
		'largestFree',
	]) {
		expect(stats).toHaveProperty(name);
	}
	for (const value of Object.values(stats)) expect(Number.isSafeInteger(value)).toBe(true);
	expect(stats).not.toHaveProperty('MAX_VALUE');
});

test('test_TC_MEMKIND_GetGlobal: a sum over kinds is the sum of theirs, for each counts its own', () => {
	const kinds = [small(), small(), small()];
	const blocks = kinds.map((kind, i) => kind.malloc((i + 1) * MIB));
	const sum = (name: keyof KindStats) => kinds.reduce((total, kind) => total + kind.stats()[name], 0);
	expect([sum('allocated'), sum('blocks'), sum('capacity')]).toEqual([6 * MIB, 3, 3 * minPmemSize]);
	kinds[1]!.free(blocks[1]);
	expect(kinds.map((kind) => kind.stats().allocated)).toEqual([MIB, 0, 3 * MIB]);
});

test('test_TC_MEMKIND_malloc_stats_print_multi_opt_test: they survive JSON, which is their only format', () => {
	const kind = small();
	kind.malloc(KIB);
	const stats = kind.stats();
	expect(JSON.parse(JSON.stringify(stats))).toEqual(stats);
});

test('test_TC_MEMKIND_malloc_stats_print_all_opts_test: a closed kind has none, and the next one starts at 0', () => {
	const kind = small();
	kind.malloc(KIB);
	kind.close();
	expect(() => kind.stats()).toThrow(expect.objectContaining({ code: 'ERR_INVALID_STATE' }));
	expect(small().stats().allocated).toBe(0);
});

/** Checks what must be true of the numbers at any time. */
function consistent(kind: Kind, held: Block[]): void {
	const { capacity, resident, committed, active, allocated, blocks, cached, free, largestFree } = kind.stats();
	expect(blocks).toBe(held.length);
	expect(allocated).toBe(held.reduce((sum, block) => sum + kind.usableSize(block), 0));
	expect(allocated + cached).toBeLessThanOrEqual(active);
	expect(active + free).toBe(capacity);
	expect(largestFree).toBeLessThanOrEqual(free);
	expect(committed).toBeGreaterThanOrEqual(active);
	expect(resident).toBe(committed);
	expect(committed).toBeLessThanOrEqual(capacity);
}

test('memkind_get_stat: the numbers agree with each other and with the blocks, before, while and after a kind is full', () => {
	for (const policy of ['default', 'conservative'] as const) {
		const kind = create(directory, { maxSize: minPmemSize, policy });
		consistent(kind, []);
		const held = fill(kind, [100, 1, 9000, 3000, 123_456], (_, i) => {
			if (i % 500 === 0) kind.stats();
		});
		consistent(kind, held);
		while (held.length > 0) {
			freeAll(kind, held.splice(0, 100));
			consistent(kind, held);
		}
		kind.purge();
		consistent(kind, []);
		expect(kind.stats().free).toBe(minPmemSize);
	}
});

test('test_TC_MEMKIND_BackgroundThreadsSwitch: no thread is started, to give freed memory back or for anything else', () => {
	// A thread of Node's may end meanwhile.
	const threads = () => readdirSync('/proc/self/task');
	const before = new Set(threads());
	const started = () => threads().filter((thread) => !before.has(thread));
	const kind = PmemKind.create(directory, { maxSize: minPmemSize });
	freeAll(kind, fill(kind, KIB));
	expect(started()).toEqual([]);
	kind.close();
	expect(started()).toEqual([]);
});

test('environ: the variables that memkind reads are nothing to a kind', () => {
	const { stdout, stderr } = runChild(
		`Object.assign(process.env, {
			MEMKIND_ARENA_NUM_PER_KIND: 'none', MEMKIND_HOG_MEMORY: '1', MEMKIND_BACKGROUND_THREAD_LIMIT: 'none',
			MEMKIND_HEAP_MANAGER: 'TBB', MEMKIND_DEBUG: '1',
		});
		const kind = PmemKind.create(process.argv[1], { maxSize: ${minPmemSize}, policy: 'conservative' });
		kind.free(kind.malloc(${2 * MIB}));
		console.log(kind.stats().resident);`,
		directory,
		['env', 'MEMKIND_ARENA_NUM_PER_KIND=none', 'MEMKIND_HOG_MEMORY=1', 'MEMKIND_HEAP_MANAGER=TBB', 'MEMKIND_DEBUG=1'],
	);
	expect(stdout + stderr).toBe('0\n');
});
