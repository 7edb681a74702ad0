// npm run test:matrix: runs the unit tests on each version of Node that the package supports, and prints what passed
// and failed on each. `npm run test:matrix -- 26 24 -- test/kind` runs these tests on these versions. The versions come
// from npm (nodes.mjs).
import { bootstrap } from './bootstrap.mjs';
import { parseCounts } from './counts.mjs';
import { nodeOf } from './nodes.mjs';
import { main, run, StepError, tool } from './steps.mjs';

/** The oldest version of `engines`, and the newest of each line that Node still maintains. */
const versions = ['20.19.0', '22', '24', '26'];

/** @returns The numbers of passed, failed and skipped tests; undefined if the runner did not come to its end. */
async function test(node, args) {
	let counts;
	const command = [
		tool.vitest,
		'run',
		...['--project=unit', '--project=unit-*'],
		...['--reporter=dot', '--reporter=./scripts/counts-reporter.mjs'],
		...args,
	];
	const onLine = (line) => {
		const found = parseCounts(line);
		counts = found ?? counts;
		return found !== undefined;
	};
	const { status } = await run(node, command, { env: { NO_COLOR: '1', FORCE_COLOR: undefined }, onLine });
	return status === 0 || (counts?.failed ?? 0) > 0 ? counts : undefined;
}

await main(async (args) => {
	const divider = args.indexOf('--');
	const chosen = divider === -1 ? args : args.slice(0, divider);
	const tests = divider === -1 ? [] : args.slice(divider + 1);
	const wrong = chosen.find((version) => !/^\d+(\.\d+){0,2}$/.test(version));
	if (wrong !== undefined) throw new StepError(`${wrong} is not a version of Node. Name tests after a second --`);
	await bootstrap();
	const lines = [];
	const sum = { passed: 0, failed: 0, skipped: 0 };
	for (const version of chosen.length > 0 ? chosen : versions) {
		const started = performance.now();
		const node = await nodeOf(version);
		const { output } = await run(node, ['--version'], { capture: true });
		console.log(`Node ${output.trim()}`);
		const counts = (await test(node, tests)) ?? { passed: 0, failed: 1, skipped: 0 };
		if (counts.passed + counts.failed === 0) counts.failed = 1;
		for (const key of Object.keys(sum)) sum[key] += counts[key];
		const seconds = Math.round((performance.now() - started) / 1000);
		lines.push(
			`Node ${output.trim().padEnd(9)} ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped, ${seconds} s`,
		);
	}
	console.log(`\n${lines.join('\n')}\n\n${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
	return sum.failed === 0 ? 0 : 1;
});
