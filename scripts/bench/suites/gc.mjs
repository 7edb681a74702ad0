// The time of a major garbage collection while a kind full of 4 KiB blocks is live.
import { median, medianOf } from '../statistics.mjs';
import { number, table } from '../tables.mjs';

const titles = {
	raw: 'raw handles in a Float64Array',
	daxkind: 'Buffers of the kind',
	allocUnsafeSlow: 'Buffer.allocUnsafeSlow',
};

export const gc = {
	name: 'gc',
	contestants: ['raw', 'daxkind', 'allocUnsafeSlow'],
	workloads: () => [{ name: 'gc', pattern: 'gc', size: 2 ** 12, live: 0 }],
	summarise: ([result]) => ({
		...result,
		empty: medianOf(result.rounds, ({ turns }) => median(turns.flatMap(({ empty }) => empty))),
		full: medianOf(result.rounds, ({ turns }) => median(turns.flatMap(({ full }) => full))),
		ratio: medianOf(result.rounds, ({ turns }) => median(turns.map(({ empty, full }) => median(full) / median(empty)))),
	}),
	render({ rounds, empty, full, ratio }, { spread }) {
		const rows = Object.keys(rounds).map((who) => [
			titles[who],
			number(empty[who]),
			number(full[who]),
			number(ratio[who]),
		]);
		const { bytes } = rounds.raw[0];
		return [
			`time of a major garbage collection in ms, in turns without live blocks and with ${number(bytes / 2 ** 20)} MiB of live blocks of 4 KiB; ${spread}`,
			table(['blocks', 'none live', 'all live', 'ratio'], 1, rows),
		];
	},
};
