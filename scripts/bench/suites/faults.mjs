// Page faults of the first touch of fresh memory. On DAX the kernel can map 2 MiB at once if the file's blocks are
// aligned to 2 MiB on the device. Elsewhere each page is a fault.
import { medianOf } from '../statistics.mjs';
import { number, percent, sizeLabel, table } from '../tables.mjs';

const most = 2 ** 29;
const sizes = { '4KiB': 2 ** 12, '64KiB': 2 ** 16, '2MiB': 2 ** 21, '512MiB': 2 ** 29 };

export const faults = {
	name: 'faults',
	contestants: ['daxkind', 'memkind'],
	workloads: (kindSize) =>
		Object.entries(sizes)
			.filter(([, size]) => size <= kindSize / 2)
			.map(([label, size]) => ({
				name: `faults-${label}`,
				pattern: 'faults',
				size,
				live: Math.floor(Math.min(most, kindSize / 2) / size),
			})),
	summarise: (results) =>
		results.map((result) => ({
			...result,
			faults: medianOf(result.rounds, (each) => each.faults),
			ms: medianOf(result.rounds, (each) => each.ms),
			aligned: medianOf({ daxkind: result.rounds.daxkind }, (each) => each.aligned).daxkind,
		})),
	render(results) {
		const names = Object.keys(results[0].faults);
		const rows = results.map(({ name, live, size, faults: count, ms, aligned }) => [
			`${number((live * size) / 2 ** 20)} MiB in blocks of ${sizeLabel(name)}`,
			...names.flatMap((who) => [number(count[who]), number(ms[who] * 1000)]),
			percent(aligned) || 'unknown',
		]);
		const head = ['first touch', ...names.flatMap((who) => [`${who}, faults/MiB`, 'us/MiB']), 'aligned'];
		return [
			table(head, 1, rows),
			'aligned: the part of the file that huge pages can map, because of its place on the device',
		];
	},
};
