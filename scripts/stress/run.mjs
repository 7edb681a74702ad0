// The stress run itself, in a process that scripts/stress.mjs starts and whose end it sees. It opens one kind after the
// other, has the crew work on each, and checks what is left at the end.
import { UsageError } from '../arguments.mjs';
import { Crew, StressFailure } from './crew.mjs';
import { baseOf, checkDescriptors, checkEmptied, checkWhole, openKind, sorts } from './kinds.mjs';
import { argumentsOf, parseOptions, usage } from './options.mjs';
import { operations } from './tally.mjs';
import { watchWarnings } from './warnings.mjs';

/** Seconds of work on one kind. */
const kindSeconds = 60;
/**
 * How many blocks more or fewer there may be for each terminated worker, because it may have been in the middle of a
 * call.
 */
const slack = 2;

class Run {
	crew;
	/** A description of each kind. */
	kinds = [];
	killed = 0;
	#options;

	constructor(options) {
		this.#options = options;
		this.crew = new Crew(options);
	}

	/** @throws StressFailure */
	async toTheEnd() {
		const { seconds, directories } = this.#options;
		const count = Math.max(sorts.length, directories.length, Math.round(seconds / kindSeconds));
		for (let i = 0; i < count; i++) {
			const sort = sorts[i % sorts.length];
			await this.#workOn(sort, directories[i % directories.length], (seconds / count) * 1000);
		}
		await this.crew.end();
		for (const directory of directories) checkDescriptors(directory);
	}

	async #workOn(sort, directory, milliseconds) {
		const { crew } = this;
		const { workers, spoil, vm } = this.#options;
		const requireDax = vm || this.#options['require-dax'];
		const { kind, dax, release } = openKind(sort, directory, { ...this.#options, requireDax });
		this.kinds.push(`${sort} in ${directory}${dax ? ' (DAX)' : ''}`);
		const before = this.#counts();
		await crew.open({ shared: kind.share(), base: baseOf(directory, kind.capacity), directory, workers });
		if (spoil) setTimeout(() => crew.spoil(), milliseconds / 4);

		// No worker is terminated in this half, so the numbers are exact.
		await crew.run(milliseconds / 2, 0);
		await crew.ask('drain');
		await checkEmptied(kind, crew, { least: 0, most: 0 });
		this.#checkHandovers(before);
		await checkWhole(kind, crew, sort);

		// Workers are terminated in this half. Blocks that they have shared, and blocks that were sent to them, stay.
		await crew.run(milliseconds / 2, Math.max(1, Math.round(milliseconds / 2000)));
		await crew.ask('drain');
		this.killed += crew.lost.length;
		const leaked = this.#leaked(before);
		await checkEmptied(kind, crew, leaked);
		await this.#close(kind, leaked.least);
		release();
	}

	/** Closes the kind everywhere. Only the last one to close it may be told which blocks are left. */
	async #close(kind, least) {
		const isFirst = this.kinds.length % 2 === 0;
		const { blocks } = kind.stats();
		const reports = isFirst ? [kind.close()] : [];
		reports.push(...(await this.crew.ask('close')));
		if (!isFirst) reports.push(kind.close());
		const left = reports.filter((report) => report !== undefined);
		// The garbage collector may have freed some more since.
		const told = left[0]?.blocks ?? 0;
		if (left.length > 1 || told < least || told > blocks) {
			throw new StressFailure('the leak report is wrong', { least, blocks, reports: left });
		}
	}

	#counts(before = {}) {
		const names = ['sent', 'received', 'race begun', 'race won', 'race lost'];
		return Object.fromEntries(names.map((name) => [name, this.crew.count(name) - (before[name] ?? 0)]));
	}

	/** Checks that each block that was sent has arrived, and that each race had one winner and one loser. */
	#checkHandovers(before) {
		const counts = this.#counts(before);
		const { sent, received, 'race begun': begun, 'race won': won, 'race lost': lost } = counts;
		if (sent !== received || begun !== won || begun !== lost) {
			throw new StressFailure('the counts of sent and received blocks do not match', counts);
		}
	}

	/** How many blocks nobody will free, at least and at most. */
	#leaked(before) {
		const { crew } = this;
		const alive = crew.members.filter(({ tally }) => tally.get('live') !== 0);
		if (alive.length > 0) throw new StressFailure('a worker that has freed everything still holds blocks');
		const counts = this.#counts(before);
		if (counts.received > counts.sent || counts['race won'] > counts['race begun']) {
			throw new StressFailure('more blocks have arrived than were sent', counts);
		}
		const shared = crew.lost.reduce((total, tally) => total + tally.get('shared'), 0);
		const expected = shared + counts.sent - counts.received;
		const range = slack * crew.lost.length;
		return { least: Math.max(0, expected - range), most: expected + range };
	}

	summary() {
		const [done, full, checked] = ['done', 'out of memory', 'checked'].map((name) => this.crew.count(name));
		const never = operations.filter((name) => this.crew.count(name) === 0);
		return [
			`${done} operations, ${full} of them out of memory, ${checked} contents checked, ${this.killed} workers terminated.`,
			...(never.length > 0 ? [`Never done: ${never.join(', ')}.`] : []),
			`Kinds: ${this.kinds.join(', ')}.`,
		].join('\n');
	}
}

function lines(value, indent) {
	return Object.entries(value).flatMap(([key, of]) => {
		if (of === undefined || of === null) return [];
		if (typeof of === 'object' && !Array.isArray(of)) return [`${indent}${key}:`, ...lines(of, `${indent}  `)];
		return [`${indent}${key}: ${typeof of === 'string' ? of : JSON.stringify(of)}`];
	});
}

async function main(args) {
	const options = parseOptions(args);
	const run = new Run(options);
	const again = `npm run stress -- ${argumentsOf(options).join(' ')}`;
	watchWarnings((warning) => run.crew.fail(warning.message, { detail: warning.detail }));
	try {
		await run.toTheEnd();
		console.log(`${run.summary()}\nRepeat the same choices with: ${again}`);
	} catch (error) {
		const what = error instanceof StressFailure ? [error.message, ...lines(error.report, '  ')] : [error.stack];
		console.error([`FAILED: ${what[0]}`, ...what.slice(1), run.summary(), `Repeat with: ${again}`].join('\n'));
		process.exitCode = 1;
		// Node does not exit before all its threads have ended, so a thread that hangs would keep this process for ever.
		await run.crew.end().catch(() => process.kill(process.pid, 'SIGKILL'));
	}
}

try {
	await main(process.argv.slice(2));
} catch (error) {
	if (!(error instanceof UsageError)) throw error;
	console.error(`${error.message}\n\n${usage}`);
	process.exitCode = 2;
}
