// What two threads do on one kind in the time in which one thread does its work.
import { mapValues, median } from '../statistics.mjs';
import { number, sizeLabel, table } from '../tables.mjs';
import { holds, pairs, randoms } from './workloads.mjs';

const labels = ['64B', '16KiB'];
const count = 2;
const titles = { pair: 'pair', hold: 'hold 1000', random: 'random' };

/** The live blocks of each thread. The kind has room for the blocks of both threads. */
const alone = (kindSize) => [
	...pairs(labels),
	...holds(labels, kindSize / count),
	...randoms(50_000, kindSize / count),
];

/** The least work that two threads of pure computing do if each has a processor, compared with one thread. */
const twoProcessors = 1.8;

/** Medians over the turns in which the machine had two processors. If it never had, over all turns. */
function summarise(result) {
	const turnsOf = mapValues(result.rounds, (rounds) => rounds.flatMap(({ turns }) => turns));
	const counted = mapValues(turnsOf, (turns) => turns.filter(({ machine }) => machine >= twoProcessors));
	const over = (figure) =>
		mapValues(counted, (turns, who) => median((turns.length > 0 ? turns : turnsOf[who]).map(figure)));
	return {
		...result,
		turns: mapValues(turnsOf, (turns) => turns.length),
		counted: mapValues(counted, (turns) => turns.length),
		throughput: { one: over(({ one }) => one.throughput), two: over(({ all }) => all.throughput) },
		cpu: { one: over(({ one }) => one.cpu), two: over(({ all }) => all.cpu) },
		// Ratios of turns that follow each other directly.
		ratio: over(({ one, all }) => all.throughput / one.throughput),
		cpuRatio: over(({ one, all }) => all.cpu / one.cpu),
	};
}

export const threads = {
	name: 'threads',
	contestants: ['daxkind', 'raw', 'memkind'],
	workloads: (kindSize) =>
		alone(kindSize).map((workload) => ({
			...workload,
			name: `threads-${workload.name}`,
			pattern: `threads-${workload.pattern}`,
			threads: count,
		})),
	summarise: (results) => results.map(summarise),
	render(results, { spread }) {
		const names = Object.keys(results[0].ratio);
		const rows = results.map(({ name, pattern, live, throughput: { one, two }, ratio, cpuRatio, counted, turns }) => [
			pattern === 'threads-random' ? `random, ${live} live each` : titles[pattern.slice('threads-'.length)],
			sizeLabel(name) || '16 B-64 KiB',
			...names.flatMap((who) => [
				number(one[who]),
				number(two[who]),
				ratio[who].toFixed(2),
				cpuRatio[who].toFixed(2),
				`${counted[who]}/${turns[who]}`,
			]),
		]);
		const head = ['workload', 'size', ...names.flatMap((who) => [`${who} 1`, '2', '2/1', 'CPU', 'turns'])];
		return [
			`malloc and free in millions each second of wall time, by one thread and by two on one kind; ${spread}`,
			table(head, 2, rows),
			'2/1: throughput of two threads as a multiple of one; CPU: CPU time of one malloc and free with two threads as a multiple of one; both are medians of the ratios in each turn',
			'turns: a turn counts if two threads that only compute did at least 1.8 times the work of one; in the others the machine had one processor for both; if no turn counts, all are used',
		];
	},
};
