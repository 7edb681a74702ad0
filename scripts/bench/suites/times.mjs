// The cost of one malloc and one free, in the workloads pair, hold and random.
import { mapValues, medianOfSamples } from '../statistics.mjs';
import { times as multiple, ns, sizeLabel, table } from '../tables.mjs';
import { holds, pairs, randoms, sizes } from './workloads.mjs';

const labels = Object.keys(sizes);
const rivals = ['allocUnsafe', 'allocUnsafeSlow', 'alloc'];
const titles = { hold: (live) => `hold ${live}`, random: (live) => `random, ${live} live` };

/**
 * Adds `ns` to the rounds, and the ratio of daxkind's CPU time to each other contestant's, with Buffers and with raw
 * handles.
 */
function summarise(result) {
	const clocks = mapValues({ cpu: 'cpu', wall: 'wall', process: 'process' }, (clock) =>
		medianOfSamples(result.rounds, clock),
	);
	const names = Object.keys(result.rounds);
	const each = names.map((name) => [name, mapValues(clocks, (figures) => figures[name])]);
	const ratioTo = (own) =>
		Object.fromEntries(names.filter((name) => name !== own).map((name) => [name, clocks.cpu[own] / clocks.cpu[name]]));
	return { ...result, ns: Object.fromEntries(each), ratio: ratioTo('daxkind'), rawRatio: ratioTo('raw') };
}

function row({ pattern, live, name, ns: own, ratio, rawRatio }) {
	const cpu = (contestant) => ns(own[contestant].cpu);
	const cells = [titles[pattern]?.(live) ?? pattern, sizeLabel(name) || '16 B-64 KiB', cpu('daxkind'), cpu('raw')];
	if (own.memkind) cells.push(cpu('memkind'), ratio.memkind.toFixed(2), rawRatio.memkind.toFixed(2));
	return [...cells, ...rivals.map((rival) => `${cpu(rival)} ${multiple(1 / ratio[rival]).padStart(6)}`)];
}

export const times = {
	name: 'times',
	contestants: ['daxkind', 'raw', 'memkind', ...rivals],
	workloads: (kindSize) => [...pairs(labels), ...holds(labels, kindSize), ...randoms(100_000, kindSize)],
	summarise: (results) => results.map(summarise),
	render(results, { touch, spread }) {
		const hasMemkind = results[0].ns.memkind !== undefined;
		const memkind = hasMemkind ? ['memkind', 'ratio', 'raw ratio'] : [];
		const head = ['workload', 'size', 'daxkind', 'raw', ...memkind, ...rivals];
		return [
			`CPU time of one malloc and free in ns, ${touch ? 'one byte of each block written' : 'memory not touched'}; ${spread}`,
			table(head, 2, results.map(row)),
			`daxkind: Buffers; raw: handles (mallocRaw, freeRaw); x: as a multiple of daxkind${hasMemkind ? '; memkind is called from C; ratio: daxkind / memkind, raw / memkind' : ''}`,
		];
	},
};
