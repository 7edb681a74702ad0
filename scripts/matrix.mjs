// npm run test:matrix: runs the unit tests on each version of Node that the package supports, and prints what passed
// and failed on each. `npm run test:matrix -- 26 24 -- test/kind` runs these tests on these versions. The versions come
// from npm (nodes.mjs).
import { bootstrap } from './bootstrap.mjs';
import { nodeOf } from './nodes.mjs';
import { main, run, StepError } from './steps.mjs';
import { countTests, requireTests, sumOf, textOf, vitest } from './vitest.mjs';

/** The oldest version of `engines`, and the newest of each line that Node still maintains. */
const versions = ['20.19.0', '22', '24', '26'];

await main(async (args) => {
	const divider = args.indexOf('--');
	const chosen = divider === -1 ? args : args.slice(0, divider);
	const tests = divider === -1 ? [] : args.slice(divider + 1);
	const wrong = chosen.find((version) => !/^\d+(\.\d+){0,2}$/.test(version));
	if (wrong !== undefined) throw new StepError(`${wrong} is not a version of Node. Name tests after a second --`);
	await bootstrap();
	const lines = [];
	const all = [];
	for (const version of chosen.length > 0 ? chosen : versions) {
		const started = performance.now();
		const node = await nodeOf(version);
		const { output } = await run(node, ['--version'], { capture: true });
		const name = `Node ${output.trim()}`;
		console.log(name);
		const counts = await countTests(name, node, vitest('unit', tests, 'dot'));
		requireTests(name, counts);
		all.push(counts);
		const seconds = Math.round((performance.now() - started) / 1000);
		lines.push(`${name.padEnd(14)} ${textOf(counts)}, ${seconds} s`);
	}
	const sum = sumOf(all);
	console.log(`\n${lines.join('\n')}\n\n${textOf(sum)}`);
	return sum.failed === 0 ? 0 : 1;
});
