// PmemCache beside the caches that Node services have: single calls, a mixed load over millions of entries by one and
// two threads, hit ratios on traces, and what a garbage collection takes.
import { percentile } from '../cells/histogram.mjs';
import { mapValues, median, medianOfSamples } from '../statistics.mjs';
import { ns, number, percent, sizeLabel, table } from '../tables.mjs';

const sizes = { '100B': 100, '1KiB': 1024, '16KiB': 16 * 1024 };
/** Entries for single calls: more than the processor's caches hold, and 160 MiB at most. */
const few = 10_000;
const loads = { '10k': 10_000, '100k': 100_000, '1M': 1_000_000, '5M': 5_000_000 };
const collected = { '1M': 1_000_000, '10M': 10_000_000 };
const traceNames = ['zipf', 'loop', 'scan', 'shifting'];
/** Everything else than daxkind keeps its entries in V8's heap, or beside it. */
const env = { NODE_OPTIONS: '--max-old-space-size=20000' };

const all = ['daxkind', 'lru-cache', 'map', 'keyv', 'lmdb'];
const takers = {
	get: all,
	read: ['daxkind'],
	set: ['daxkind', 'lru-cache', 'map', 'lmdb'],
	copy: ['copy'],
	newcopy: ['copy'],
	zipf: ['daxkind', 'lru-cache', 'map', 'lmdb'],
	trace: ['daxkind', 'daxkind-lru', 'lru-cache'],
	gc: ['daxkind', 'lru-cache', 'map'],
};

const call = (what) =>
	Object.entries(sizes).map(([label, size]) => ({
		name: `cache-${what}-${label}`,
		pattern: `cache-${what}`,
		what,
		size,
		live: few,
		env,
	}));

const zipf = Object.entries(loads).flatMap(([label, live]) =>
	[1, 2].map((threads) => ({
		name: `cache-zipf-${label}-${threads}`,
		pattern: 'cache-zipf',
		what: 'zipf',
		size: 1024,
		live,
		threads,
		label,
		env,
	})),
);

const trace = traceNames.map((name) => ({
	name: `cache-trace-${name}`,
	pattern: `cache-trace.${name}`,
	what: 'trace',
	size: 100,
	live: few,
	env,
}));

const gc = Object.entries(collected).map(([label, live]) => ({
	name: `cache-gc-${label}`,
	pattern: 'cache-gc',
	what: 'gc',
	size: 64,
	live,
	label,
	env,
}));

const figuresOf = {
	zipf: ({ throughput, latency, longestTurnMs, dram, hitRatio, indexBytes }) => ({
		throughput,
		p99: percentile(latency, 0.99),
		p999: percentile(latency, 0.999),
		longestTurnMs,
		dram,
		hitRatio,
		...(indexBytes !== undefined && { indexBytes }),
	}),
	trace: ({ hitRatio }) => ({ hitRatio }),
	gc: ({ empty, full }) => ({ empty: median(empty), full: median(full) }),
};

/** Medians over the rounds, of each figure. */
function medians(rounds, figures) {
	const each = rounds.map(figures);
	return mapValues(each[0], (_, name) => median(each.map((round) => round[name])));
}

function summarise({ rounds, ...workload }) {
	const figures = figuresOf[workload.what];
	if (figures !== undefined) return { ...workload, figures: mapValues(rounds, (own) => medians(own, figures)) };
	return { ...workload, ns: medianOfSamples(rounds, 'cpu') };
}

const titles = { get: 'get', read: 'read', set: 'set, evicting', copy: 'Buffer.copy', newcopy: 'allocUnsafe, copy' };

function callTable(results) {
	const rows = results.map(({ what, name, ns: each }) => [
		titles[what],
		sizeLabel(name),
		...all.map((who) => (each[who] === undefined ? '' : ns(each[who]))),
		each.copy === undefined ? '' : ns(each.copy),
	]);
	return [
		'CPU time of a call in ns; daxkind and lmdb copy the value, read shows it in place, the others give a reference to it',
		table(['call', 'value', ...all, 'no cache'], 2, rows),
	];
}

function zipfTable(results) {
	const rows = results.flatMap(({ label, threads, live, figures }) =>
		Object.entries(figures).map(([who, { throughput, p99, p999, longestTurnMs, dram, hitRatio }]) => [
			label,
			threads,
			who,
			number(throughput / 1e6),
			ns(p99),
			ns(p999),
			number(longestTurnMs),
			number(dram / live),
			percent(hitRatio),
		]),
	);
	const head = ['entries', 'threads', '', 'millions/s', 'p99 ns', 'p99.9 ns', 'pause ms', 'DRAM B/entry', 'hits'];
	return [
		'nine reads to one write, Zipf 0.99, entries of 1 KiB, of whose keys a fifth does not fit; pause: the longest turn of the event loop, with 200 calls',
		table(head, 3, rows),
	];
}

function traceTable(results) {
	const names = takers.trace;
	const rows = results.map(({ name, figures }) => [
		name.slice('cache-trace-'.length),
		...names.map((who) => percent(figures[who].hitRatio, 2)),
	]);
	return ['hit ratios, with room for a tenth of the keys', table(['trace', ...names], 1, rows)];
}

function gcTable(results) {
	const rows = results.flatMap(({ label, figures }) =>
		Object.entries(figures).map(([who, { empty, full }]) => [label, who, number(empty), number(full)]),
	);
	return [
		'a major garbage collection in ms, before the cache is filled and with it full',
		table(['entries', '', 'empty', 'full'], 2, rows),
	];
}

export const cache = {
	name: 'cache',
	contestants: [...new Set(Object.values(takers).flat())],
	takesPart: ({ what, threads }, who) => takers[what].includes(who) && (threads !== 2 || who === 'daxkind'),
	workloads: () => [...Object.keys(titles).flatMap(call), ...zipf, ...trace, ...gc],
	summarise: (results) => results.map(summarise),
	render(results) {
		const of = (wanted) => results.filter(({ what }) => wanted.includes(what));
		const tables = [
			[callTable, of(Object.keys(titles))],
			[zipfTable, of(['zipf'])],
			[traceTable, of(['trace'])],
			[gcTable, of(['gc'])],
		];
		return tables.flatMap(([render, own]) => (own.length > 0 ? render(own) : []));
	},
};
