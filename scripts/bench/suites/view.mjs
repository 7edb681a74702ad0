// The pair of malloc and free, compared with its floor: the view that V8 makes without any allocator.
import { mapValues, median } from '../statistics.mjs';
import { ns, number, sizeLabel, table } from '../tables.mjs';
import { sizes } from './workloads.mjs';

const over = (rounds, part) =>
	mapValues(rounds[0][part], (_, name) => median(rounds.map((round) => round[part][name])));

const scavengesOver = (rounds) =>
	mapValues(rounds[0].scavenges, (figures, side) =>
		mapValues(figures, (_, figure) => median(rounds.map(({ scavenges }) => scavenges[side][figure]))),
	);

export const view = {
	name: 'view',
	// One process measures all sides in turn.
	contestants: ['daxkind'],
	workloads: () =>
		Object.entries(sizes).map(([label, size]) => ({ name: `view-${label}`, pattern: 'view', size, live: 1 })),
	summarise: (results) =>
		results.map((result) => {
			const rounds = result.rounds.daxkind;
			return { ...result, ns: over(rounds, 'ns'), ratio: over(rounds, 'ratio'), scavenges: scavengesOver(rounds) };
		}),
	render(results, { spread }) {
		const ratios = Object.keys(results[0].ratio);
		const sides = Object.keys(results[0].scavenges);
		const times = results.map(({ name, ns: each, ratio }) => [
			sizeLabel(name),
			...sides.map((side) => ns(each[side])),
			...ratios.map((which) => ratio[which].toFixed(2)),
		]);
		const scavenges = results.map(({ name, scavenges: each }) => [
			sizeLabel(name),
			...sides.flatMap((side) => [number(each[side].count), number(each[side].ms)]),
		]);
		return [
			`CPU time in ns of making a view, and of a malloc and free, in turns in one process; ${spread}`,
			table(['size', ...sides, ...ratios], 1, times),
			'plain: new FastBuffer(…); block: of a class with two private fields; pair: malloc, free; raw: mallocRaw, freeRaw; ratios: medians of turns',
			table(['scavenges in ten million', ...sides.flatMap((side) => [side, 'ms'])], 1, scavenges),
		];
	},
};
