// Whether a kind that has been full and drained holds as much the next time, in the shapes of memkind's own tests: one
// size at a time in a kind of five times its smallest; 36 sizes in turn in the smallest; long blocks replaced at random.
import { medianOf } from '../statistics.mjs';
import { percent, sizeLabel, table } from '../tables.mjs';

const mib = 2 ** 20;
/** A page more than memkind's smallest, rounded up to 2 MiB. */
const part = 18 * mib;
const singles = { '512B': 512, '4KiB': 2 ** 12, '60000B': 60_000, '160KiB': 160 * 2 ** 10, '2MiB': 2 * mib };
const titles = { 'refill-cycle': '36 sizes in turn', 'refill-evict': 'long blocks replaced at random' };

const refills = (rounds) => ({
	first: medianOf(rounds, ({ filled }) => filled[0]),
	least: medianOf(rounds, ({ filled }) => Math.min(...filled.slice(1)) / filled[0]),
});

const evictions = (rounds) => ({
	first: medianOf(rounds, ({ mean }) => mean),
	least: medianOf(rounds, ({ mean, least }) => least / mean),
});

export const refill = {
	name: 'refill',
	contestants: ['daxkind', 'memkind'],
	// `live` is how often it is filled.
	workloads: () => [
		...Object.entries(singles).map(([label, size]) => ({
			name: `refill-${label}`,
			pattern: 'refill',
			kindSize: 5 * part,
			size,
			live: 11,
		})),
		{ name: 'refill-cycle', pattern: 'refill', kindSize: part, size: 0, live: 101 },
		{ name: 'refill-evict', pattern: 'evict', kindSize: 256 * mib, size: 0, live: 0 },
	],
	summarise: (results) =>
		results.map((result) => ({ ...result, ...(result.pattern === 'evict' ? evictions : refills)(result.rounds) })),
	render(results) {
		const names = Object.keys(results[0].first);
		const rows = results.map(({ name, kindSize, first, least }) => [
			titles[name] ?? `${sizeLabel(name)} at a time`,
			`${kindSize / mib} MiB`,
			...names.flatMap((who) => [percent(first[who]), percent(least[who])]),
		]);
		return [
			table(['filled and drained', 'kind', ...names.flatMap((who) => [who, 'least'])], 2, rows),
			'used of the kind in the first round (replaced: on average), requested bytes; least: the worst later round as a share of that',
		];
	},
};
