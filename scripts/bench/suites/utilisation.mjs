// How much of a kind can be used. It is filled until an allocation fails. Then ten times a random half is freed, and it
// is filled again.
import { medianOf } from '../statistics.mjs';
import { percent, table } from '../tables.mjs';

export const utilisation = {
	name: 'utilisation',
	contestants: ['daxkind', 'memkind'],
	workloads: () => [{ name: 'util', pattern: 'fill', size: 0, live: 0 }],
	summarise: ([result]) => ({
		...result,
		first: medianOf(result.rounds, ({ filled }) => filled[0]),
		refilled: medianOf(result.rounds, ({ filled }) => filled.at(-1)),
	}),
	render({ first, refilled }) {
		const names = Object.keys(first);
		const row = (title, figures) => [title, ...names.map((name) => percent(figures[name]))];
		return [
			table(['requested bytes as a share of the kind, 16 B-64 KiB', ...names], 1, [
				row('filled until the first failure', first),
				row('after a random half was freed and refilled ten times', refilled),
			]),
		];
	},
};
