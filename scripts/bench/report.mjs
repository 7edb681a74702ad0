// The whole report as text.
import { suites } from './suites/index.mjs';

export function render(report) {
	const { machine, options, missing } = report;
	const { rounds, touch, kindSize } = options;
	const spread = rounds === 1 ? 'one round' : `medians of ${rounds} rounds`;
	const { cpu, cpus, node, kernel, directory, dax } = machine;
	const isOnNodes = directory.startsWith('nodes:');
	const where = isOnNodes ? `on NUMA nodes ${directory.slice(6)}` : `in ${directory}, ${dax ? 'DAX' : 'not DAX'}`;
	const place = `kinds of ${kindSize / 2 ** 20} MiB ${where}`;
	return [
		...suites
			.filter(({ name }) => report[name] !== undefined)
			.flatMap((suite) => suite.render(report[suite.name], { touch, spread })),
		...(missing ? [missing] : []),
		`${cpu}, ${cpus} CPUs, Node ${node}, Linux ${kernel}; ${place}`,
	].join('\n');
}
