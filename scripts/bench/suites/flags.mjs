// How fast the DAX flag of a whole tree is changed, against xfs_io on the same tree.
import { median, medianOf } from '../statistics.mjs';
import { number, table, times } from '../tables.mjs';

const files = 100_000;
const perDirectory = [10, 1000];

export const flags = {
	name: 'flags',
	// Its process calls xfs_io in turn: both have the same tree, in the same state.
	contestants: ['daxkind'],
	workloads: () => perDirectory.map((size) => ({ name: `flags-${size}`, pattern: 'flags', size, live: files })),
	summarise: (results) =>
		results.map((result) => {
			const of = (who) => medianOf(result.rounds, ({ ms }) => median(ms[who])).daxkind;
			const ms = { daxkind: of('daxkind'), xfs_io: of('xfs_io') };
			return { ...result, ms, ratio: ms.xfs_io / ms.daxkind };
		}),
	render(results) {
		const rows = results.map(({ live, size, ms, ratio }) => [
			`${number(live)} files, ${number(size)} in a directory`,
			number(ms.daxkind),
			number(ms.xfs_io),
			times(ratio),
		]);
		return [
			table(['setDaxFlag, recursive, in ms', 'daxkind', 'xfs_io', 'xfs_io : daxkind'], 1, rows),
			"xfs_io: -c 'chattr -R +x', with its start; each sets and clears the flag in turn",
		];
	},
};
