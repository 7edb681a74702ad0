// Copies that become persistent, and flushes, compared with libpmem2 from C. Both flush cache lines, also where the
// directory is not on DAX.
import { mapValues, medianOfSamples } from '../statistics.mjs';
import { ns, sizeLabel, table } from '../tables.mjs';

const sizes = { '64B': 64, '4KiB': 2 ** 12, '1MiB': 2 ** 20, '64MiB': 2 ** 26 };
/** The calls go round over so many bytes. */
const leastBytes = 2 ** 24;

const workloads = (sort, labels) =>
	labels.map((label) => ({
		name: `persist-${sort}-${label}`,
		pattern: `persist-${sort}`,
		size: sizes[label],
		live: Math.max(2, leastBytes / sizes[label]),
		env: { PMEM2_FORCE_GRANULARITY: 'CACHE_LINE' },
	}));

const words = { copy: 'copy, persisted', batch: 'copy, in batches of 16', flush: 'flush of dirty lines' };

export const persist = {
	name: 'persist',
	contestants: ['daxkind', 'libpmem2'],
	workloads: () => [
		...workloads('copy', Object.keys(sizes)),
		...workloads('batch', ['64B']),
		...workloads('flush', Object.keys(sizes)),
	],
	summarise: (results) =>
		results.map((result) => {
			const cpu = medianOfSamples(result.rounds, 'cpu');
			const wall = medianOfSamples(result.rounds, 'wall');
			const each = mapValues(cpu, (_, name) => ({ cpu: cpu[name], wall: wall[name] }));
			return { ...result, ns: each, ...(cpu.libpmem2 && { ratio: cpu.libpmem2 / cpu.daxkind }) };
		}),
	render(results, { spread }) {
		const hasRival = results[0].ratio !== undefined;
		const rows = results.map(({ name, pattern, ns: each, ratio }) => [
			words[pattern.replace('persist-', '')],
			sizeLabel(name),
			ns(each.daxkind.cpu),
			...(hasRival ? [ns(each.libpmem2.cpu), ratio.toFixed(2)] : []),
		]);
		return [
			`CPU time in ns; ${spread}`,
			table(['what', 'size', 'daxkind', ...(hasRival ? ['libpmem2', 'ratio'] : [])], 2, rows),
			'daxkind is called from JavaScript, libpmem2 from C; ratio: libpmem2 / daxkind, so more than 1 is faster than libpmem2',
		];
	},
};
