// pmem2_mem_ext and pmem2_movnt: which instructions write, move and fill use, by length, hint, granularity and
// environment. libpmem2's tests look for the name of a function in its log; here the instructions that a process really
// executes are compared with the cache lines of the range. The default threshold is 512 bytes, as measured
// (docs/performance.md), where libpmem2 has 256. PMEM2_F_MEM_NONTEMPORAL and PMEM2_F_MEM_WC are the hint 'non-temporal',
// PMEM2_F_MEM_TEMPORAL and PMEM2_F_MEM_WB are 'temporal', PMEM2_F_MEM_NODRAIN is `drain: false`, and
// PMEM2_F_MEM_NOFLUSH is `persist: false`; there is one hint at most, so flags cannot contradict each other. Left out:
// the names of libc and generic functions, because no log has them.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { native } from '#lib/native.js';
import {
	countsOf,
	flushedLines,
	lineLength,
	linesOf,
	problem,
	streamedLines,
	type TracedEvent,
	type TraceOptions,
	trace,
} from '../../helpers/traced.ts';

const isTraced = test.skipIf(problem !== undefined);
const best = native.flushInstructions[0]!;

/** Which of these stores, where, and how. `backward` stores 40 bytes behind the offset. */
type Store = 'write' | 'fill' | 'move' | 'forward' | 'backward';
type Case = [store: Store, offset: number, length: number, options?: object | undefined];

const statementOf = (index: number): Record<Store, string> => ({
	write: `mapping.write(offset${index}, bytes${index}, options${index});`,
	fill: `mapping.fill(offset${index}, 90, length${index}, options${index});`,
	move: `mapping.move(offset${index}, 32768, length${index}, options${index});`,
	forward: `mapping.move(offset${index}, offset${index} + 40, length${index}, options${index});`,
	backward: `mapping.move(offset${index} + 40, offset${index}, length${index}, options${index});`,
});

/** Traces each case. What can be made before is made before, because each traced instruction takes its time. */
function traceOf(cases: Case[], options: TraceOptions): TracedEvent[][] {
	const prepare = cases.map(
		([, offset, length, given], index) => `
			const offset${index} = ${offset}, length${index} = ${length}, options${index} = ${JSON.stringify(given)};
			const bytes${index} = Buffer.alloc(length${index}, 'abc');`,
	);
	const actions = cases.map(([store], index) => statementOf(index)[store]);
	return trace(actions, { prepare: prepare.join(''), ...options });
}

/** The lines that a range has whole. */
const wholeLines = (offset: number, length: number) =>
	linesOf(offset, length).filter((line) => line >= offset && line + lineLength <= offset + length);

const sorted = (numbers: number[]) => [...numbers].sort((one, other) => one - other);

/** Expects that the lines of a range were flushed, each once, that nothing else was, and that it was waited for. */
function expectFlushed(events: TracedEvent[], offset: number, length: number, fences = 1): void {
	expect(sorted(flushedLines(events))).toEqual(linesOf(offset, length));
	expect(streamedLines(events)).toEqual([]);
	expectFences(events, fences);
}

/**
 * Expects that the whole lines of a range were stored past the caches, each byte once, and that the rest was flushed.
 * So no line outside the range was touched, and no line both ways.
 */
function expectStreamed(events: TracedEvent[], offset: number, length: number, fences = 1): void {
	const whole = wholeLines(offset, length);
	const stores = events.filter(({ what }) => what === 'stream');
	const streamed = sorted(stores.map((store) => store.offset));
	const bytes = stores[0]?.length ?? lineLength;
	const expected = whole.flatMap((line) =>
		Array.from({ length: lineLength / bytes }, (_, index) => line + index * bytes),
	);
	expect(stores.every((store) => store.length === bytes)).toBe(true);
	expect(streamed).toEqual(expected);
	expect(sorted(flushedLines(events))).toEqual(linesOf(offset, length).filter((line) => !whole.includes(line)));
	expectFences(events, fences);
}

function expectFences(events: TracedEvent[], fences: number): void {
	const counts = countsOf(events);
	expect({ fence: counts.fence ?? 0, msync: counts.msync ?? 0 }).toEqual({ fence: fences, msync: 0 });
	if (fences > 0) expect(events.at(-1)!.what).toBe('fence');
}

const places: [offset: number, length: number][] = [
	[0, 1024],
	[60, 8],
	[63, 130],
	[64, 63],
	[10, 511],
	[10, 512],
	[100, 600],
];
const casesOf = (store: Store, options?: object) =>
	places.map(([offset, length]): Case => [store, offset, length, options]);

/** Where a store of a case puts its bytes. */
const targetOf = ([store, offset, length]: Case): [number, number] => [
	offset + (store === 'backward' ? 40 : 0),
	length,
];

isTraced.each<Store>(['write', 'fill', 'move', 'forward', 'backward'])(
	'pmem2_mem_ext, no flags: from 512 bytes on, %s stores whole lines past the caches and flushes the others, and below it flushes all',
	(store) => {
		const cases = casesOf(store);
		for (const [index, events] of traceOf(cases, { granularity: 'cache-line' }).entries()) {
			const [offset, length] = targetOf(cases[index]!);
			if (length < 512) expectFlushed(events, offset, length);
			else expectStreamed(events, offset, length);
		}
	},
);

isTraced.each<Store>(['write', 'fill'])(
	"pmem2_mem_ext, NONTEMPORAL: with the hint 'non-temporal', %s stores whole lines past the caches, whatever the length",
	(store) => {
		const cases = casesOf(store, { hint: 'non-temporal' }).slice(1);
		for (const [index, events] of traceOf(cases, { granularity: 'cache-line' }).entries()) {
			expectStreamed(events, ...targetOf(cases[index]!));
		}
	},
);

isTraced.each<Store>(['write', 'fill', 'backward'])(
	"pmem2_mem_ext, TEMPORAL: with the hint 'temporal', %s flushes each line of the range once, whatever the length",
	(store) => {
		const cases = casesOf(store, { hint: 'temporal' }).slice(0, 3);
		for (const [index, events] of traceOf(cases, { granularity: 'cache-line' }).entries()) {
			expectFlushed(events, ...targetOf(cases[index]!));
		}
	},
);

isTraced('PMEM2_F_MEM_NODRAIN: without drain the same is done, and nothing waits for it', () => {
	const options = { drain: false };
	const cases: Case[] = [
		['write', 10, 1000, options],
		['fill', 10, 50, options],
		['move', 10, 1000, { ...options, hint: 'temporal' }],
	];
	const [write, fill, move] = traceOf(cases, { granularity: 'cache-line' });
	expectStreamed(write!, 10, 1000, 0);
	expectFlushed(fill!, 10, 50, 0);
	expectFlushed(move!, 10, 1000, 0);
});

isTraced(
	'PMEM2_F_MEM_NOFLUSH: without persist nothing is flushed, streamed or waited for, whatever the other options',
	() => {
		const cases: Case[] = [
			['write', 10, 1000, { persist: false }],
			['fill', 10, 1000, { persist: false, drain: true }],
			['move', 10, 1000, { persist: false, hint: 'non-temporal' }],
			['backward', 10, 50, { persist: false, drain: false, hint: 'temporal' }],
		];
		for (const granularity of ['cache-line', 'byte', 'page'] as const) {
			expect(traceOf(cases, { granularity })).toEqual([[], [], [], []]);
		}
	},
);

isTraced('pmem2_mem_ext on byte granularity: only a hint makes stores past the caches, and there is one fence', () => {
	const cases: Case[] = [
		['write', 10, 128],
		['fill', 10, 1024],
		['move', 10, 1024, { hint: 'temporal' }],
		['write', 10, 1024, { hint: 'non-temporal' }],
		['write', 10, 1024, { drain: false }],
		['fill', 10, 1024, { hint: 'non-temporal', drain: false }],
	];
	const [small, big, temporal, past, undrained, pastUndrained] = traceOf(cases, { granularity: 'byte' });
	for (const events of [small!, big!, temporal!]) expect(countsOf(events)).toEqual({ fence: 1 });
	expect(undrained).toEqual([]);
	expectStreamed(past!, 10, 1024);
	expectStreamed(pastUndrained!, 10, 1024, 0);
});

isTraced(
	'pmem2_mem_ext on page granularity: each store has one msync and nothing else, whatever the hint or the drain',
	() => {
		const cases: Case[] = [
			['write', 10, 128],
			['fill', 4000, 1024],
			['move', 10, 1024, { hint: 'temporal' }],
			['write', 10, 1024, { hint: 'non-temporal' }],
			['backward', 10, 1024, { drain: false }],
		];
		for (const events of traceOf(cases, { granularity: 'page' })) expect(countsOf(events)).toEqual({ msync: 1 });
	},
);

isTraced(
	'an empty store touches no line: with cache-line granularity there is the fence, with page granularity nothing',
	() => {
		const cases: Case[] = [
			['write', 10, 0],
			['fill', 64, 0],
			['move', 64, 0, { hint: 'non-temporal' }],
		];
		for (const events of traceOf(cases, { granularity: 'cache-line' })) expect(countsOf(events)).toEqual({ fence: 1 });
		for (const events of traceOf(cases, { granularity: 'page' })) expect(events).toEqual([]);
	},
);

isTraced('pmem2_memmove: onto itself, the range is made persistent like any other', () => {
	const [events] = trace(['mapping.move(64, 64, 600);'], { granularity: 'cache-line' });
	expectStreamed(events!, 64, 600);
});

/** Whether the kernel lists the feature, so that it saves its registers. */
const has = (flag: string) => new RegExp(`^flags\\s*:.*\\b${flag}\\b`, 'm').test(readFileSync('/proc/cpuinfo', 'utf8'));
const widest = problem !== undefined ? 0 : has('avx512f') ? 64 : has('avx') ? 32 : 16;

isTraced.each([
	['no variable', {}, widest],
	['PMEM_AVX512F=0', { PMEM_AVX512F: '0' }, Math.min(widest, 32)],
	['PMEM_AVX512F=0 PMEM_AVX=0', { PMEM_AVX512F: '0', PMEM_AVX: '0' }, Math.min(widest, 16)],
] as [string, Record<string, string>, number][])(
	'PMEM_AVX, PMEM_AVX512F: with %s, stores past the caches are of the widest instruction that is left',
	(_, environment, bytes) => {
		const cases: Case[] = [
			['write', 10, 1000],
			['fill', 10, 1000],
			['backward', 10, 1000],
		];
		for (const [index, events] of traceOf(cases, { granularity: 'cache-line', environment }).entries()) {
			expectStreamed(events, ...targetOf(cases[index]!));
			expect(new Set(events.filter(({ what }) => what === 'stream').map(({ length }) => length))).toEqual(
				new Set([bytes]),
			);
		}
	},
);

isTraced(
	'PMEM_NO_MOVNT: there are no stores past the caches, even if a hint wants them, and all lines are flushed',
	() => {
		const environment = { PMEM_NO_MOVNT: '1' };
		const cases: Case[] = [
			['write', 10, 1000],
			['fill', 10, 1000, { hint: 'non-temporal' }],
			['move', 10, 1000],
		];
		for (const events of traceOf(cases, { granularity: 'cache-line', environment })) expectFlushed(events, 10, 1000);
		const [byte] = traceOf([cases[1]!], { granularity: 'byte', environment });
		// The hint wants the bytes out of the caches, so they are flushed, although these caches survive.
		expectFlushed(byte!, 10, 1000);
	},
);

isTraced.each<[value: string, threshold: number]>([
	['1024', 1024],
	['5', 5],
	['0', 0],
	['-15', 512],
	['', 512],
	['128 bytes', 512],
])('PMEM_MOVNT_THRESHOLD=%j: from %d bytes on, whole lines are stored past the caches', (value, threshold) => {
	const environment = { PMEM_MOVNT_THRESHOLD: value };
	const lengths = [threshold - 1, Math.max(threshold, 64)].filter((length) => length > 0);
	const cases = lengths.map((length): Case => ['fill', 64, length]);
	for (const [index, events] of traceOf(cases, { granularity: 'cache-line', environment }).entries()) {
		const length = lengths[index]!;
		if (length < threshold) expectFlushed(events, 64, length);
		else expectStreamed(events, 64, length);
	}
});

isTraced('PMEM_NO_CLWB, PMEM_NO_CLFLUSHOPT: the ends of a range are flushed by the instruction that is left', () => {
	const environment = { PMEM_NO_CLWB: '1', PMEM_NO_CLFLUSHOPT: '1' };
	const [events] = traceOf([['write', 10, 1000]], { granularity: 'cache-line', environment });
	expect(countsOf(events!).clflush).toBe(2);
	const [ordinary] = traceOf([['write', 10, 1000]], { granularity: 'cache-line' });
	expect(countsOf(ordinary!)).toMatchObject({ [best]: 2 });
});
