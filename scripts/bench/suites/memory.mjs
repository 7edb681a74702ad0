// What kinds cost beside the memory that they hand out: DRAM for each byte in use, and DRAM, time and mappings of each
// kind.
import { median, medianOf } from '../statistics.mjs';
import { number, percent, table } from '../tables.mjs';

const created = 200;
const many = 1000;

const summaries = {
	metadata: ({ rounds }) => ({
		// `dram` is all DRAM of the process. `tables` is that of the heap's tables alone, where they can be told apart.
		dram: medianOf(rounds, ({ dram }) => dram),
		tables: medianOf(rounds, ({ tables = Number.NaN }) => tables),
	}),
	create: ({ rounds }) => ({
		create: medianOf(rounds, ({ create }) => median(create)),
		close: medianOf(rounds, ({ close }) => median(close)),
	}),
	many: ({ rounds }) =>
		Object.fromEntries(
			['open', 'create', 'close', 'empty', 'used', 'maps'].map((name) => [
				name,
				medianOf(rounds, (each) => each[name]),
			]),
		),
};

const titles = {
	daxkind: 'daxkind: the tables alone',
	raw: 'daxkind, raw handles: all DRAM',
	memkind: 'memkind: all DRAM',
};

const parts = {
	metadata: ({ dram }) => [
		table(
			['DRAM for each byte in use, blocks of 4 KiB on average', ''],
			1,
			Object.entries(dram).map(([who, share]) => [titles[who], percent(share, 3)]),
		),
	],
	create: ({ create, close }) => [
		table(
			['an empty kind, microseconds', 'create', 'close'],
			1,
			Object.keys(create).map((who) => [who, number(create[who]), number(close[who])]),
		),
	],
	many: ({ open, create, close, empty, used, maps }) => [
		table(
			['many kinds at once, for each', 'kinds', 'create, us', 'close, us', 'KiB empty', 'KiB with a block', 'mappings'],
			1,
			Object.keys(open).map((who) => [
				who,
				number(open[who]),
				number(create[who]),
				number(close[who]),
				number(empty[who] / 1024),
				number(used[who] / 1024),
				number(maps[who]),
			]),
		),
	],
};

export const memory = {
	name: 'memory',
	contestants: ['daxkind', 'raw', 'memkind'],
	takesPart: ({ pattern }, who) => pattern === 'metadata' || who !== 'raw',
	workloads: () => [
		{ name: 'metadata', pattern: 'metadata', size: 0, live: 0 },
		{ name: 'create', pattern: 'create', size: 0, live: created },
		{ name: 'many', pattern: 'many', size: 0, live: many },
	],
	summarise: (results) => results.map((result) => ({ ...result, ...summaries[result.pattern](result) })),
	render: (results) => results.flatMap((result) => parts[result.pattern](result)),
};
