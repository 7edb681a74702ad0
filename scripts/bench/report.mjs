// The tables that a person reads.
import Table from 'cli-table3';

const plain = { head: [], border: [], compact: true };
const titles = { hold: (live) => `hold ${live}`, random: (live) => `random, ${live} live` };

const ns = (value) => (value < 99.5 ? value.toFixed(1) : Math.round(value).toLocaleString('en'));
const times = (ratio) => `${ratio < 9.95 ? ratio.toFixed(1) : Math.round(ratio).toLocaleString('en')}x`;
const percent = (share) => `${(100 * share).toFixed(1)} %`;

function titleOf({ name, pattern, live }) {
	const size = name.split('-')[1]?.replace(/(\d)([A-Z])/, '$1 $2') ?? '';
	return [titles[pattern]?.(live) ?? pattern, size || '16 B-64 KiB'];
}

const newTable = (head, left) =>
	new Table({ head, style: plain, colAligns: head.map((_, column) => (column < left ? 'left' : 'right')) });

function timesTable(results, names) {
	const rivals = names.filter((name) => name !== 'daxkind' && name !== 'memkind');
	const memkind = names.includes('memkind') ? ['memkind', 'ratio'] : [];
	const table = newTable(['workload', 'size', 'daxkind', ...memkind, ...rivals], 2);
	for (const result of results) {
		const cpu = (name) => ns(result.ns[name].cpu);
		const row = [...titleOf(result), cpu('daxkind')];
		if (memkind.length > 0) row.push(cpu('memkind'), result.ratio.memkind.toFixed(2));
		for (const name of rivals) row.push(`${cpu(name)} ${times(1 / result.ratio[name]).padStart(6)}`);
		table.push(row);
	}
	return table;
}

function fillTable({ first, refilled }) {
	const names = Object.keys(first);
	const table = newTable(['used of the kind, requested bytes, 16 B-64 KiB', ...names], 1);
	table.push(
		['filled until the first failure', ...names.map((name) => percent(first[name]))],
		['after ten times a random half freed and refilled', ...names.map((name) => percent(refilled[name]))],
	);
	return table;
}

/** The whole report as text. */
export function render({ machine, options, times: timed, utilisation, missing }) {
	const names = ['daxkind', 'memkind', 'allocUnsafe', 'allocUnsafeSlow', 'alloc'].filter(
		(name) => timed[0]?.ns[name] !== undefined,
	);
	const { cpu, cpus, node, kernel, directory, dax } = machine;
	const { rounds, touch, kindSize } = options;
	const parts = [];
	if (timed.length > 0) {
		parts.push(
			`CPU time of one malloc and free in ns, ${touch ? 'one byte of each block written' : 'memory not touched'}; ` +
				`${rounds === 1 ? 'one round' : `medians of ${rounds} rounds`}`,
			timesTable(timed, names).toString(),
			`${names.includes('memkind') ? 'daxkind is called from JavaScript, memkind from C; ratio: daxkind / memkind; ' : ''}x: as a multiple of daxkind`,
		);
	}
	if (utilisation) parts.push(fillTable(utilisation).toString());
	if (missing) parts.push(missing);
	const place = `kinds of ${kindSize / 2 ** 20} MiB in ${directory}, ${dax ? 'DAX' : 'not DAX'}`;
	parts.push(`${cpu}, ${cpus} CPUs, Node ${node}, Linux ${kernel}; ${place}`);
	return parts.join('\n');
}
