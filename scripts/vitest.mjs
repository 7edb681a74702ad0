// Runs vitest, and counts its tests by the line that counts-reporter.mjs adds.
import { marker } from './counts-reporter.mjs';
import { Interrupted, run, tool } from './steps.mjs';

/** The words behind `node` that run the tests of a project, or those that the arguments select. */
export const vitest = (project, args, reporter = 'default') => [
	tool.vitest,
	'run',
	`--project=${project}`,
	// The unit tests of further projects: unit-node, unit-fixed.
	...(project === 'unit' ? ['--project=unit-*'] : []),
	`--reporter=${reporter}`,
	'--reporter=./scripts/counts-reporter.mjs',
	...(args.length > 0 ? ['--passWithNoTests'] : []),
	...args,
];

/** The counts in a line, or undefined if it is another line. */
function parseCounts(line) {
	// A test may have printed text without a line break before it.
	const at = line.indexOf(marker);
	return at < 0 ? undefined : JSON.parse(line.slice(at + marker.length));
}

/**
 * Runs a command that ends in vitest's, and counts its tests. A runner that fails without a failed test is itself a
 * failure.
 *
 * @param isHeld Whether its output is shown in one piece at its end, because another run is under way beside it.
 * @returns The numbers of `passed`, `failed` and `skipped` tests.
 * @throws Interrupted
 */
export async function countTests(name, program, args, { isHeld = false } = {}) {
	let counts;
	const isCounts = (line) => {
		const found = parseCounts(line);
		counts = found ?? counts;
		return found !== undefined;
	};
	// The output goes through a pipe, so vitest has to be told whether a terminal is at the pipe's end.
	const env = process.stdout.isTTY ? { FORCE_COLOR: '1' } : { NO_COLOR: '1', FORCE_COLOR: undefined };
	const reading = isHeld ? { capture: true } : { onLine: isCounts };
	const { status, output } = await run(program, args, { env, ...reading });
	if (isHeld)
		console.log(
			output
				.split('\n')
				.filter((line) => !isCounts(line))
				.join('\n'),
		);
	// After Ctrl-C, or a signal that was passed on, the person wants the end and not the next suite.
	if (status === 130) throw new Interrupted('SIGINT');
	if (status === 143) throw new Interrupted('SIGTERM');
	if (!counts) console.error(`${name}: the run ended with status ${status} before it had counted its tests`);
	counts ??= { passed: 0, failed: 1, skipped: 0 };
	if (status !== 0 && counts.failed === 0) {
		console.error(`${name}: no test failed, but the run ended with status ${status}`);
		counts.failed = 1;
	}
	return counts;
}

/** Turns counts without any test into a failure, and says so. */
export function requireTests(name, counts) {
	if (counts.passed + counts.failed > 0) return;
	console.error(`${name}: no test was run`);
	counts.failed = 1;
}

/** The sum of the counts of several runs. */
export function sumOf(all) {
	const sum = { passed: 0, failed: 0, skipped: 0 };
	for (const counts of all) for (const key of Object.keys(sum)) sum[key] += counts[key];
	return sum;
}

/** Counts for a person. CI reads this line. */
export const textOf = ({ passed, failed, skipped }) =>
	`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
