// What two threads on one kind do in the time of one.
import { mapValues, median } from '../statistics.mjs';
import { number, sizeLabel, table } from '../tables.mjs';
import { holds, pairs, randoms } from './workloads.mjs';

const labels = ['64B', '16KiB'];
const count = 2;
const titles = { pair: 'pair', hold: 'hold 1000', random: 'random' };

/** The live blocks of each thread: both threads' have room. */
const alone = (kindSize) => [
	...pairs(labels),
	...holds(labels, kindSize / count),
	...randoms(50_000, kindSize / count),
];

/** The least that two threads of pure computing do where there are two processors for them. */
const twoProcessors = 1.8;

/** What the turns of all rounds have in common: of those in which the machine had two processors, or of all if it never had. */
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
		// Of turns that follow each other.
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
			"2/1: throughput of two threads as a multiple of one; CPU: CPU time of one malloc and free with two threads as a multiple of one; both in turns, medians of the turns' ratios",
			'turns: those in which two threads that only compute did at least 1.8 times what one did; the others, in which the machine had one processor for both, do not count, unless all are such',
		];
	},
};
