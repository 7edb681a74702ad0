// npm run bench: makes what is missing, then measures daxkind, memkind and Node's Buffers, and prints tables or JSON.
import { UsageError } from '../arguments.mjs';
import { bootstrap } from '../bootstrap.mjs';
import { main } from '../steps.mjs';
import { parseOptions, usage } from './options.mjs';
import { measureRounds } from './rounds.mjs';
import { suites } from './suites/index.mjs';

/** Has a function report on standard error, because standard output is for the result alone. */
async function quietly(body) {
	const { write } = process.stdout;
	process.stdout.write = process.stderr.write.bind(process.stderr);
	try {
		return await body();
	} finally {
		process.stdout.write = write;
	}
}

function progressLine(options) {
	if (!process.stderr.isTTY) return { show() {}, clear() {} };
	return {
		show: (round, workload, { name }) =>
			process.stderr.write(`\r\x1b[Kround ${round + 1} of ${options.rounds}: ${workload.name}, ${name}`),
		clear: () => process.stderr.write('\r\x1b[K'),
	};
}

async function bench(options) {
	await quietly(bootstrap);
	// Everything has to be built before these are loaded.
	const { describeMachine, kindSize } = await import('./place.mjs');
	const { findContestants } = await import('./contestants.mjs');
	const machine = describeMachine(options.directory);
	const all = { ...options, kindSize: kindSize(options) };
	const selected = suites.flatMap((suite) =>
		suite.workloads(all.kindSize).flatMap((workload) => (all.only.test(workload.name) ? [{ suite, workload }] : [])),
	);
	if (selected.length === 0) throw new UsageError(`--only ${options.only.source} matches no workload`);
	const wanted = new Set(selected.flatMap(({ suite }) => suite.contestants));
	const { contestants, missing } = await quietly(() => findContestants(wanted));
	const tasks = selected.map(({ suite, workload }) => ({
		workload,
		contestants: suite.contestants
			.filter((name) => suite.takesPart?.(workload, name) ?? true)
			.filter((name) => name !== 'memkind' || !options.directory.startsWith('device:'))
			.flatMap((name) => contestants.find((contestant) => contestant.name === name) ?? []),
	}));
	const line = progressLine(options);
	const results = await measureRounds(tasks, all, line.show);
	line.clear();
	const report = {
		machine,
		options: { rounds: all.rounds, quick: all.quick, touch: all.touch, kindSize: all.kindSize },
	};
	for (const suite of suites) {
		const own = results.filter((_, index) => selected[index].suite === suite);
		if (own.length > 0) report[suite.name] = suite.summarise(own);
	}
	return { ...report, ...(missing && { missing }) };
}

await main(async (args) => {
	// Exit normally on Ctrl-C, so that the temporary directory is removed.
	process.once('SIGINT', () => process.exit(130));
	try {
		const options = parseOptions(args);
		if (options.help) {
			console.log(usage);
			return 0;
		}
		const report = await bench(options);
		if (options.plot !== undefined) {
			const { writePlots } = await import('./plots.mjs');
			for (const path of await writePlots(report, options.plot)) console.error(`drawn: ${path}`);
		}
		if (options.json) console.log(JSON.stringify(report, undefined, '\t'));
		else console.log((await import('./report.mjs')).render(report));
		return 0;
	} catch (error) {
		if (!(error instanceof UsageError)) throw error;
		console.error(`${error.message}\n\n${usage}`);
		return 2;
	}
});
