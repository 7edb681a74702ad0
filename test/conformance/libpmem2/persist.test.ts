import { mapAnonymous, mapFile, type PmemGranularity } from 'daxkind';
import { expect, test } from 'vitest';
import { native } from '#lib/native.js';
import { map, zeroFile } from '../../helpers/mappings.ts';
import { countsOf, flushedLines, linesOf, problem, type TraceOptions, trace } from '../../helpers/traced.ts';

const { PAGE_SIZE } = native.constants;
const best = native.flushInstructions[0]!;

/** Ranges that end and begin everywhere in pages and lines. */
const ranges: [offset: number, length: number][] = [
	[0, 1],
	[0, 64],
	[1, 64],
	[63, 2],
	[64, 128],
	[100, 1000],
	[4095, 2],
	[4096, 4096],
	[65_535, 1],
];

const calls = (name: string) => ranges.map(([offset, length]) => `mapping.${name}(${offset}, ${length});`);

/** Traces a call of each range. */
const tracedCalls = (name: string, options: TraceOptions) => trace(calls(name), options);

test.skipIf(problem !== undefined)(
	'test_get_persist_funcs: with page granularity a persist is one msync, whatever the range, and no fence',
	() => {
		for (const events of tracedCalls('persist', { granularity: 'page' }))
			expect(countsOf(events)).toEqual({ msync: 1 });
	},
);

test.skipIf(problem !== undefined)(
	'test_get_persist_funcs: with cache-line granularity a persist flushes each line of the range once, and then has one fence',
	() => {
		const traces = tracedCalls('persist', { granularity: 'cache-line' });
		for (const [index, [offset, length]] of ranges.entries()) {
			const events = traces[index]!;
			const lines = linesOf(offset, length);
			expect(flushedLines(events)).toEqual(lines);
			expect(countsOf(events)).toEqual({ [best]: lines.length, fence: 1 });
			expect(events.at(-1)!.what).toBe('fence');
		}
	},
);

test.skipIf(problem !== undefined)('test_get_persist_funcs: with byte granularity a persist is one fence', () => {
	for (const events of tracedCalls('persist', { granularity: 'byte' })) expect(countsOf(events)).toEqual({ fence: 1 });
});

test.skipIf(problem !== undefined)('test_get_flush_funcs: with page granularity a flush is the msync', () => {
	for (const events of tracedCalls('flush', { granularity: 'page' })) expect(countsOf(events)).toEqual({ msync: 1 });
});

test.skipIf(problem !== undefined)(
	'test_get_flush_funcs: with cache-line granularity a flush flushes each line of the range once, and does not wait',
	() => {
		const traces = tracedCalls('flush', { granularity: 'cache-line' });
		for (const [index, [offset, length]] of ranges.entries()) {
			expect(flushedLines(traces[index]!)).toEqual(linesOf(offset, length));
			expect(countsOf(traces[index]!)).not.toHaveProperty('fence');
		}
	},
);

test.skipIf(problem !== undefined)('test_get_flush_funcs: with byte granularity a flush does nothing', () => {
	for (const events of tracedCalls('flush', { granularity: 'byte' })) expect(events).toEqual([]);
});

test.skipIf(problem !== undefined).each<[PmemGranularity, object]>([
	['page', {}],
	['cache-line', { fence: 1 }],
	['byte', { fence: 1 }],
])('test_get_drain_funcs: with %s granularity a drain executes %o', (granularity, expected) => {
	const [once, thrice] = trace(['mapping.drain();', 'for (let n = 0; n < 3; n++) mapping.drain();'], { granularity });
	expect(countsOf(once!)).toEqual(expected);
	expect(countsOf(thrice!)).toEqual('fence' in expected ? { fence: 3 } : {});
});

test.skipIf(problem !== undefined)('pmem2_persist_fn: without a range it is the whole mapping, once', () => {
	const length = 5 * PAGE_SIZE + 100;
	const actions = ['mapping.persist();', `mapping.persist(${5 * PAGE_SIZE});`, 'mapping.flush(); mapping.drain();'];
	const [whole, tail, parts] = trace(actions, { granularity: 'cache-line', length });
	expect(flushedLines(whole!)).toEqual(linesOf(0, length));
	expect(flushedLines(tail!)).toEqual(linesOf(5 * PAGE_SIZE, 100));
	expect(parts).toEqual(whole);
});

test.skipIf(problem !== undefined).each<[PmemGranularity, object]>([
	['page', {}],
	['cache-line', { fence: 1 }],
	['byte', { fence: 1 }],
])('pmem2_persist_fn: with %s granularity an empty range flushes nothing and executes %o', (granularity, expected) => {
	const actions = ['mapping.persist(0, 0);', 'mapping.persist(mapping.length);', 'mapping.flush(100, 0);'];
	const [empty, end, flush] = trace(actions, { granularity });
	expect([countsOf(empty!), countsOf(end!), countsOf(flush!)]).toEqual([expected, expected, {}]);
});

test.skipIf(problem !== undefined)('pmem2_persist_fn: several flushes share one drain', () => {
	const [events] = trace(['mapping.flush(0, 8); mapping.flush(4096, 130); mapping.flush(0, 8); mapping.drain();'], {
		granularity: 'cache-line',
	});
	expect(flushedLines(events!)).toEqual([0, ...linesOf(4096, 130), 0]);
	expect(events!.filter(({ what }) => what === 'fence').length).toBe(1);
	expect(events!.at(-1)!.what).toBe('fence');
});

/** The first instruction that the variables leave, of those that the processor has. */
const left = (...refused: string[]) => native.flushInstructions.find((name) => !refused.includes(name))!;

test.skipIf(problem !== undefined).each([
	['PMEM_NO_CLWB=1', { PMEM_NO_CLWB: '1' }, left('clwb')],
	['PMEM_NO_CLFLUSHOPT=1', { PMEM_NO_CLFLUSHOPT: '1' }, left('clflushopt')],
	['both', { PMEM_NO_CLWB: '1', PMEM_NO_CLFLUSHOPT: '1' }, left('clwb', 'clflushopt')],
	['PMEM_NO_CLWB=0', { PMEM_NO_CLWB: '0' }, best],
])(
	'PMEM_NO_CLWB, PMEM_NO_CLFLUSHOPT: with %s the fence stays, and the flush is the best of the others',
	(_, environment, instruction) => {
		const actions = ['mapping.persist(100, 200);'];
		const [events] = trace(actions, { granularity: 'cache-line', environment: environment as Record<string, string> });
		expect(countsOf(events!)).toEqual({ [instruction]: linesOf(100, 200).length, fence: 1 });
		expect(flushedLines(events!)).toEqual(linesOf(100, 200));
	},
);

test.skipIf(problem !== undefined)(
	'PMEM2_PRIVATE: a private mapping and one without a file have nothing to flush, whatever is forced',
	() => {
		const prepare = `
			const isolated = daxkind.mapFile(path, { sharing: 'private' });
			const anonymous = daxkind.mapAnonymous(8192);`;
		for (const granularity of ['page', 'cache-line'] as const) {
			const traces = trace(['isolated.persist();', 'anonymous.persist();'], { granularity, prepare });
			expect(traces.map(countsOf)).toEqual([{ fence: 1 }, { fence: 1 }]);
		}
	},
);

test('test_unaligned_persist: a range that begins and ends within pages is persisted, and flushed deeply', () => {
	const mapping = map(zeroFile(4 * PAGE_SIZE + 10));
	mapping.buffer.fill(1);
	expect(mapping.persist(256)).toBeUndefined();
	expect(mapping.persist(PAGE_SIZE - 1, 2)).toBeUndefined();
	expect(mapping.deepFlush(256, mapping.length - 256)).toBeUndefined();
});

test.each([
	['a file', () => mapFile(zeroFile(2 * PAGE_SIZE))],
	['no file', () => mapAnonymous(2 * PAGE_SIZE)],
])('pmem2_persist_fn: of %s, a range beyond the mapping is refused, where libpmem2 flushes other memory', (_, make) => {
	const mapping = make();
	const { length } = mapping;
	for (const [offset, bytes] of [
		[length + 1, 0],
		[0, length + 1],
		[length - 1, 2],
		[-64, 64],
		[2 ** 53, 1],
		[0, -1],
	] as const) {
		expect(() => mapping.persist(offset, bytes)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
		expect(() => mapping.flush(offset, bytes)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
	}
	mapping.unmap();
});
