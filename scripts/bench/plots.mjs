// npm run bench -- --plot DIR: draws what was measured as SVG files. A figure is drawn if its workloads were measured.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, View } from 'vega';
import { compile } from 'vega-lite';

/** The names that a reader knows, in the order of the legend; and colours that the colour-blind can tell apart. */
const contestants = {
	daxkind: { title: 'daxkind', color: '#0072b2' },
	raw: { title: 'daxkind, raw handles', color: '#56b4e9' },
	memkind: { title: 'memkind, C', color: '#d55e00' },
	'lru-cache': { title: 'lru-cache', color: '#d55e00' },
	map: { title: 'Map', color: '#e69f00' },
	lmdb: { title: 'lmdb', color: '#009e73' },
	allocUnsafeSlow: { title: 'Buffer.allocUnsafeSlow', color: '#999999' },
};

const titleOf = (who) => contestants[who].title;

/** Rows of { x, y, who } as lines with points. `x` and `y` are the titles and scales of the axes. */
function lines(rows, title, x, y) {
	const shown = Object.keys(contestants).filter((who) => rows.some((row) => row.who === titleOf(who)));
	return {
		$schema: 'https://vega.github.io/schema/vega-lite/v6.json',
		background: 'white',
		width: 560,
		height: 300,
		title: { text: title, anchor: 'start', fontSize: 15 },
		data: { values: rows },
		mark: { type: 'line', point: { size: 50 }, strokeWidth: 2 },
		encoding: {
			x: { field: 'x', type: 'quantitative', ...x },
			y: { field: 'y', type: 'quantitative', ...y },
			color: {
				field: 'who',
				type: 'nominal',
				title: null,
				scale: { domain: shown.map(titleOf), range: shown.map((who) => contestants[who].color) },
			},
		},
		config: {
			font: 'sans-serif',
			axis: { labelFontSize: 12, titleFontSize: 13 },
			legend: { labelFontSize: 12, labelLimit: 300 },
		},
	};
}

const log = (title, axis) => ({ title, scale: { type: 'log' }, axis: { grid: true, ...axis } });
const counts = { format: '~s', tickCount: 6 };

/** Rows of a summary whose figures are by contestant. */
const rowsOf = (results, x, y) =>
	results.flatMap((result) =>
		Object.entries(result.figures ?? result.ns)
			.filter(([who]) => who in contestants)
			.map(([who, own]) => ({ x: x(result), y: y(own), who: titleOf(who) })),
	);

/** The figures: what of the report they need, and how they are drawn. */
const figures = {
	'cache-pause': ({ cache = [] }) => {
		const results = cache.filter(({ what, threads }) => what === 'zipf' && threads === 1);
		if (results.length < 2) return undefined;
		const rows = rowsOf(
			results,
			({ live }) => live,
			({ longestTurnMs }) => longestTurnMs,
		);
		const title = 'The longest pause of the event loop, by the size of the cache';
		return lines(rows, title, log('entries of 1 KiB', counts), log('milliseconds', { format: '~r', tickCount: 5 }));
	},
	'cache-threads': ({ cache = [] }) => {
		const results = cache.filter(({ what }) => what === 'zipf');
		const largest = Math.max(0, ...results.map(({ live }) => live));
		const of = results.filter(({ live }) => live === largest);
		if (of.length < 2) return undefined;
		const rows = rowsOf(
			of,
			({ threads }) => threads,
			({ throughput }) => throughput / 1e6,
		);
		const title = `Calls each second on ${largest.toLocaleString('en')} entries, by the number of threads`;
		const axis = { title: 'threads', axis: { values: [1, 2], format: 'd' }, scale: { domain: [0.9, 2.1] } };
		return lines(rows, title, axis, { title: 'millions a second', scale: { zero: true } });
	},
	pair: ({ times = [] }) => {
		const results = times.filter(({ pattern }) => pattern === 'pair');
		if (results.length < 2) return undefined;
		const rows = rowsOf(
			results,
			({ size }) => size,
			({ cpu }) => cpu,
		);
		const sizes = { format: '~s', values: results.map(({ size }) => size) };
		const title = 'The CPU time of one malloc and free, by the size of the block';
		const bytes = { ...log('bytes', sizes), scale: { type: 'log', base: 2 } };
		bytes.axis.labelExpr =
			"datum.value < 1024 ? datum.value + ' B' : datum.value < 1048576 ? datum.value / 1024 + ' KiB' : datum.value / 1048576 + ' MiB'";
		return lines(rows, title, bytes, log('nanoseconds', { format: '~s', tickCount: 6 }));
	},
};

/** Writes the figures for which there is something in the report. Returns the paths. */
export async function writePlots(report, directory) {
	mkdirSync(directory, { recursive: true });
	const written = [];
	for (const [name, draw] of Object.entries(figures)) {
		const spec = draw(report);
		if (spec === undefined) continue;
		const svg = await new View(parse(compile(spec).spec), { renderer: 'none' }).toSVG();
		const path = join(directory, `${name}.svg`);
		writeFileSync(path, `${svg}\n`);
		written.push(path);
	}
	return written;
}
