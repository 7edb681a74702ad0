// npm run bench: makes what is missing, then measures daxkind, memkind and Buffers, and prints tables or JSON.
import { UsageError } from '../arguments.mjs';
import { bootstrap } from '../bootstrap.mjs';
import { main } from '../steps.mjs';
import { parseOptions, usage } from './options.mjs';
import { measureRounds } from './rounds.mjs';
import { summarise, summariseFill } from './summary.mjs';
import { timedWorkloads, utilisation } from './workloads.mjs';

const kinds = new Set(['daxkind', 'memkind']);

/** Standard output is for the result alone: what is built first reports on standard error. */
async function buildQuietly() {
	const { write } = process.stdout;
	process.stdout.write = process.stderr.write.bind(process.stderr);
	try {
		await bootstrap();
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
	await buildQuietly();
	// What is built has to be there before these are loaded.
	const { describeMachine, kindSize } = await import('./place.mjs');
	const { findContestants } = await import('./contestants.mjs');
	const machine = describeMachine(options.directory);
	const all = { ...options, kindSize: kindSize(options) };
	const workloads = [...timedWorkloads(all.kindSize), utilisation].filter(({ name }) => options.only.test(name));
	if (workloads.length === 0) throw new UsageError(`--only ${options.only.source} matches no workload`);
	const { contestants, missing } = await findContestants();
	const line = progressLine(options);
	const results = await measureRounds(workloads, contestants, all, {
		takesPart: ({ pattern }, { name }) => pattern !== 'fill' || kinds.has(name),
		progress: line.show,
	});
	line.clear();
	const fill = results.find(({ pattern }) => pattern === 'fill');
	return {
		machine,
		options: { rounds: all.rounds, quick: all.quick, touch: all.touch, kindSize: all.kindSize },
		times: results.filter((result) => result !== fill).map(summarise),
		...(fill && { utilisation: summariseFill(fill) }),
		...(missing && { missing }),
	};
}

await main(async (args) => {
	// The temporary directory goes with Ctrl-C, too.
	process.once('SIGINT', () => process.exit(130));
	try {
		const options = parseOptions(args);
		if (options.help) {
			console.log(usage);
			return 0;
		}
		const report = await bench(options);
		if (options.json) console.log(JSON.stringify(report, undefined, '\t'));
		else console.log((await import('./report.mjs')).render(report));
		return 0;
	} catch (error) {
		if (!(error instanceof UsageError)) throw error;
		console.error(`${error.message}\n\n${usage}`);
		return 2;
	}
});
