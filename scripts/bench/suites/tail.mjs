// The slowest mallocs and frees among millions, as percentiles of the time of each call.
import { percentile, total } from '../cells/histogram.mjs';
import { mapValues, median } from '../statistics.mjs';
import { ns, number, table } from '../tables.mjs';
import { randoms } from './workloads.mjs';

const policies = ['default', 'conservative'];
const counts = [1, 2];
/**
 * The share of the live blocks of threads-random that are used here. A conservative memkind kind has no room for all.
 */
const share = 0.6;
const titles = { daxkind: 'daxkind', raw: 'daxkind, raw', memkind: 'memkind, C' };

const figuresOf = (histogram) => ({
	p50: percentile(histogram, 0.5),
	p99: percentile(histogram, 0.99),
	p999: percentile(histogram, 0.999),
	max: histogram.max,
});

/** Medians of the rounds. `worst` is the longest call of all rounds. */
function summariseCall(rounds) {
	const figures = mapValues(rounds[0], (_, name) => median(rounds.map((round) => round[name])));
	return { ...figures, worst: Math.max(...rounds.map(({ max }) => max)) };
}

function summarise({ rounds: measured, ...result }) {
	const rounds = mapValues(measured, (all) => all.map((round) => mapValues(round, figuresOf)));
	const calls = ['malloc', 'free', 'clock'];
	const figures = mapValues(rounds, (all) =>
		Object.fromEntries(calls.map((call) => [call, summariseCall(all.map((round) => round[call]))])),
	);
	const operations = mapValues(measured, ([{ malloc }]) => total(malloc));
	const ratio = mapValues(rounds, (all) =>
		Object.fromEntries(
			calls.slice(0, 2).map((call) => [
				call,
				// Both are from the same round, because what disturbs the machine for minutes then disturbs both.
				rounds.memkind && median(all.map((round, i) => round[call].p999 / rounds.memkind[i][call].p999)),
			]),
		),
	);
	return { ...result, operations, rounds, figures, ratio };
}

export const tail = {
	name: 'tail',
	contestants: ['daxkind', 'raw', 'memkind'],
	/** `live` is the number of blocks of each thread. The kind has room for the blocks of both threads. */
	workloads(kindSize) {
		const [{ live, size }] = randoms(50_000, kindSize / counts.at(-1));
		return policies.flatMap((policy) =>
			counts.map((threads) => {
				const name = `tail-${policy}`;
				return { name, pattern: name, size, live: Math.floor(share * live), threads };
			}),
		);
	},
	summarise: (results) => results.map(summarise),
	render(results, { spread }) {
		const cells = ({ p50, p99, p999, worst }) => [ns(p50), ns(p99), ns(p999), number(worst / 1e6)];
		const rows = results.flatMap(({ name, threads, operations, figures, ratio }) =>
			Object.keys(figures).map((who) => [
				name.slice('tail-'.length),
				threads,
				titles[who],
				number(operations[who] / 1e6),
				...cells(figures[who].malloc),
				...cells(figures[who].free),
				...cells(figures[who].clock),
				number(ratio[who].malloc),
				number(ratio[who].free),
			]),
		);
		const columns = (call) => [`${call} p50`, 'p99', 'p99.9', 'max ms'];
		const ratios = ['ratio malloc', 'free'];
		const head = ['policy', 'threads', '', 'millions', ...['malloc', 'free', 'clock'].flatMap(columns), ...ratios];
		return [
			`latency of each malloc and each free in ns; each thread has ${number(results[0].live)} live blocks of 16 B-64 KiB, and replaces one at random; ${spread}`,
			table(head, 3, rows),
			'a latency includes one reading of the clock, which is also measured beside each call: its tail is what the machine does to any code; max: of all rounds; ratio: p99.9 / memkind',
			'millions: calls of all threads; conservative memkind makes a fifth as many, because each takes 12 us',
		];
	},
};
