// The stress run itself, in a process of its own: scripts/stress.mjs starts it and sees how it ends.
import { UsageError } from '../arguments.mjs';
import { StressFailure } from './crew.mjs';
import { parseOptions, usage } from './options.mjs';
import { render, renderFailure, startProgress, summarise } from './report.mjs';
import { Run } from './run.mjs';
import { watchWarnings } from './warnings.mjs';

function optionsOf(args) {
	try {
		return parseOptions(args);
	} catch (error) {
		if (!(error instanceof UsageError)) throw error;
		console.error(`${error.message}\n\n${usage}`);
		process.exit(2);
	}
}

const options = optionsOf(process.argv.slice(2));
const run = new Run(options);
const endProgress = startProgress(run, options);
const started = performance.now();
watchWarnings((warning) => run.crew.fail(new StressFailure(warning.message, { detail: warning.detail })));
try {
	await run.toTheEnd();
	endProgress();
	const summary = summarise(run, options, (performance.now() - started) / 1000);
	console.log(options.json ? JSON.stringify(summary) : render(summary, options));
} catch (error) {
	endProgress();
	console.error(error instanceof StressFailure ? renderFailure(error, run, options) : error);
	process.exitCode = 1;
}
