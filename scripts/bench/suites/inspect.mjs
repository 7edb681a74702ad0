// How fast inspect and explain answer.
import { median, medianOf } from '../statistics.mjs';
import { number, table } from '../tables.mjs';

const calls = 500;

export const inspect = {
	name: 'inspect',
	contestants: ['daxkind'],
	workloads: () => [{ name: 'inspect', pattern: 'inspect', size: 0, live: calls }],
	summarise: (results) =>
		results.map(({ rounds, ...result }) => {
			const names = Object.keys(rounds.daxkind[0].ms);
			const ms = names.map((name) => [name, medianOf(rounds, (each) => median(each.ms[name])).daxkind]);
			return { ...result, rounds, ms: Object.fromEntries(ms) };
		}),
	render: (results) =>
		results.map(({ ms }) =>
			table(
				['milliseconds of wall time', ''],
				1,
				Object.entries(ms).map(([name, time]) => [name, number(time)]),
			),
		),
};
