// What a tryMalloc costs that fails in a full kind, compared with one that succeeds (and whose block is freed).
import { medianOfSamples } from '../statistics.mjs';
import { ns, sizeLabel, table } from '../tables.mjs';
import { sizes } from './workloads.mjs';

const labels = ['64B', '1KiB', '16KiB', '4MiB'];

/** Combines the rounds of both patterns, and adds nothing to them. */
function summarise(results) {
	return labels
		.map((label) => `fail-${label}`)
		.filter((name) => results.some((result) => result.name === name))
		.map((name) => {
			const both = results.filter((result) => result.name === name);
			const rounds = Object.fromEntries(both.map((result) => [result.pattern, result.rounds]));
			const [fails, succeeds] = [rounds.fail, rounds.try].map((each) => medianOfSamples(each, 'cpu'));
			const ratio = Object.fromEntries(Object.keys(fails).map((who) => [who, fails[who] / succeeds[who]]));
			return { name, rounds, ns: { fails, succeeds }, ratio };
		});
}

export const fail = {
	name: 'fail',
	contestants: ['daxkind', 'raw', 'memkind'],
	workloads: () =>
		labels.flatMap((label) =>
			['try', 'fail'].map((pattern) => ({ name: `fail-${label}`, pattern, size: sizes[label], live: 1 })),
		),
	summarise,
	render(results, { spread }) {
		const names = Object.keys(results[0].ratio);
		const rows = results.map(({ name, ns: { fails, succeeds }, ratio }) => [
			sizeLabel(name),
			...names.flatMap((who) => [ns(fails[who]), ns(succeeds[who]), ratio[who].toFixed(2)]),
		]);
		const head = ['size', ...names.flatMap((who) => [who, 'succeeds', 'ratio'])];
		return [
			`CPU time of a tryMalloc that fails in a full kind, and of one that succeeds, with its free, in ns; ${spread}`,
			table(head, 1, rows),
		];
	},
};
