// What a stress run says: a line that shows how far it is, and at its end what was done or what was wrong.
import { argumentsOf } from './options.mjs';

const number = (value) => value.toLocaleString('en-US');

/** One line, written again and again on a terminal; nothing elsewhere. */
export function startProgress(run, options) {
	const { stderr } = process;
	if (!stderr.isTTY) return () => {};
	const started = performance.now();
	const show = () => {
		const { done, outOfMemory } = run.counts;
		const kind = run.kinds.at(-1);
		const seconds = Math.floor((performance.now() - started) / 1000);
		const where = kind ? `${kind.sort} kind ${run.kinds.length} in ${kind.directory}` : 'starting';
		stderr.write(
			`\r\x1b[K${seconds} of ${options.seconds} s, ${where}: ${number(done)} operations, ${number(outOfMemory)} without memory`,
		);
	};
	const timer = setInterval(show, 500);
	return () => {
		clearInterval(timer);
		stderr.write('\r\x1b[K');
	};
}

const repeatCommand = (options) => `npm run stress -- ${argumentsOf(options).join(' ')}`;

function header({ workers, size, debug, seed }) {
	const mode = debug ? ', debug mode' : '';
	return `${workers} workers, kinds of ${size / 2 ** 20} MiB${mode}, Node ${process.versions.node}, seed ${seed}`;
}

/** The result as an object. */
export function summarise(run, options, seconds) {
	const { operations, ...counts } = run.counts;
	return {
		node: process.versions.node,
		seed: options.seed,
		seconds,
		workers: options.workers,
		size: options.size,
		debug: options.debug,
		kinds: run.kinds,
		...counts,
		residentMiB: Math.round(process.memoryUsage().rss / 2 ** 20),
		operations,
	};
}

/** The same for people. */
export function render(summary, options) {
	const { kinds, done, outOfMemory, checked, killed, operations, seconds, residentMiB } = summary;
	const places = [...new Set(kinds.map(({ directory, dax }) => `${directory}${dax ? ' (DAX)' : ''}`))].join(', ');
	const names = Object.keys(operations);
	const width = Math.max(...names.map((name) => name.length));
	const cells = names.map((name) => `${name.padEnd(width)} ${number(operations[name]).padStart(12)}`);
	const half = Math.ceil(cells.length / 2);
	return [
		header(options),
		`${Math.round(seconds)} s, ${kinds.length} kinds in ${places}, ${killed} workers terminated`,
		'',
		...cells.slice(0, half).map((cell, i) => `  ${cell}   ${cells[half + i] ?? ''}`.trimEnd()),
		'',
		`${number(done)} operations, ${number(outOfMemory)} times out of memory, ${number(checked)} contents checked, all right;`,
		`the process has ${number(residentMiB)} MiB in memory at the end`,
	].join('\n');
}

function lines(value, indent) {
	return Object.entries(value).flatMap(([key, of]) => {
		if (of === undefined || of === null) return [];
		if (typeof of === 'object' && !Array.isArray(of)) return [`${indent}${key}:`, ...lines(of, `${indent}  `)];
		const text = typeof of === 'string' ? of : JSON.stringify(of);
		return [`${indent}${key}: ${text.includes('\n') ? `\n${text}` : text}`];
	});
}

/** What was wrong, and how to see it again. */
export function renderFailure(failure, run, options) {
	const { done } = run.counts;
	const kind = run.kinds.at(-1);
	return [
		`FAILED: ${failure.message}`,
		...lines(failure.report, '  '),
		`  kind: ${kind?.sort}, number ${run.kinds.length}, in ${kind?.directory}, after ${number(done)} operations of all workers`,
		header(options),
		`Again: ${repeatCommand(options)}`,
	].join('\n');
}
