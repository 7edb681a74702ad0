// What two threads on one kind do in the time of one.
import { medianOfSamples } from '../statistics.mjs';
import { number, sizeLabel, table } from '../tables.mjs';
import { holds, pairs, randoms } from './workloads.mjs';

const labels = ['64B', '16KiB'];
const counts = [1, 2];
const titles = { pair: 'pair', hold: 'hold 1000', random: 'random' };

/** The live blocks of each thread: both threads' have room. */
const alone = (kindSize) => [
	...pairs(labels),
	...holds(labels, kindSize / counts.at(-1)),
	...randoms(50_000, kindSize / counts.at(-1)),
];

function summarise(results) {
	const names = [...new Set(results.map(({ name }) => name))];
	return names.map((name) => {
		const both = results.filter((result) => result.name === name);
		const by = (figure) => both.map(({ rounds }) => medianOfSamples(rounds, figure));
		const [one, two] = by('throughput');
		const [oneCpu, twoCpu] = by('cpu');
		return {
			name,
			live: both[0].live,
			pattern: both[0].pattern,
			rounds: Object.fromEntries(both.map(({ threads, rounds }) => [threads, rounds])),
			throughput: { one, two },
			cpu: { one: oneCpu, two: twoCpu },
			ratio: Object.fromEntries(Object.keys(one).map((who) => [who, two[who] / one[who]])),
		};
	});
}

export const threads = {
	name: 'threads',
	contestants: ['daxkind', 'raw', 'memkind'],
	workloads: (kindSize) =>
		alone(kindSize).flatMap((workload) =>
			counts.map((count) => ({
				...workload,
				name: `threads-${workload.name}`,
				pattern: `threads-${workload.pattern}`,
				threads: count,
			})),
		),
	summarise,
	render(results, { spread }) {
		const names = Object.keys(results[0].ratio);
		const rows = results.map(({ name, pattern, live, throughput: { one, two }, cpu, ratio }) => [
			pattern === 'threads-random' ? `random, ${live} live each` : titles[pattern.slice('threads-'.length)],
			sizeLabel(name) || '16 B-64 KiB',
			...names.flatMap((who) => [
				number(one[who]),
				number(two[who]),
				ratio[who].toFixed(2),
				(cpu.two[who] / cpu.one[who]).toFixed(2),
			]),
		]);
		const head = ['workload', 'size', ...names.flatMap((who) => [`${who} 1`, '2', '2/1', 'CPU'])];
		return [
			`malloc and free in millions each second of wall time, by one thread and by two on one kind; ${spread}`,
			table(head, 2, rows),
			'2/1: throughput of two threads as a multiple of one; CPU: CPU time of one malloc and free with two threads as a multiple of one',
		];
	},
};
