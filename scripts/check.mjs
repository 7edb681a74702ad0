// npm run check: format, lint, types and unused code, for TypeScript and C++. `--fix` (npm run format) writes what a
// program can fix. Every step runs, so that one look shows everything.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { bootstrap } from './bootstrap.mjs';
import { install, installCommand, missingCheckPackages } from './packages.mjs';
import { main, root, StepError, step, tool } from './steps.mjs';

function sources(directory, pattern) {
	return readdirSync(join(root, directory), { recursive: true })
		.map(String)
		.filter((name) => pattern.test(name))
		.map((name) => join(directory, name));
}

/** The steps for which this machine has the program; CI has to have all. Says how the others can be made to run. */
async function cppSteps() {
	const missing = missingCheckPackages();
	if (missing.length > 0 && process.env.CI) {
		await install(missing);
		return cppSteps();
	}
	if (missing.length > 0)
		console.log(`Skipped, because this is missing: ${missing.join(', ')}. Fix:\n  ${installCommand(missing)}`);
	const program = join(root, 'scripts/cpp.mjs');
	return [
		...(missing.includes('g++') ? [] : [['warnings of C++ (-Werror)', program, ['warnings']]]),
		...(missing.includes('clang-tidy') ? [] : [['lint of C++ (clang-tidy)', program, ['lint']]]),
	];
}

await main(async (args) => {
	const fix = args.includes('--fix');
	// Types of the tests come from dist/.
	await bootstrap({ native: false });
	const colors = `--colors=${process.stdout.isTTY ? 'force' : 'off'}`;
	const cpp = [
		...sources('native', /\.(cc|h)$/),
		...sources('test/native', /\.(cc|c|h)$/),
		...sources('scripts', /\.[ch]$/),
	];
	const steps = [
		[
			'format and lint (biome)',
			tool.biome,
			[...(fix ? ['check', '--write'] : ['ci', '--error-on-warnings']), colors, '.'],
		],
		['format of C++ (clang-format)', tool.clangFormat, [...(fix ? ['-i'] : ['--dry-run', '-Werror']), ...cpp]],
		...(await cppSteps()),
		['types of lib', tool.tsc, ['-p', root, '--noEmit']],
		['types of test', tool.tsc, ['-p', join(root, 'test')]],
		['unused code (knip)', tool.knip, fix ? ['--no-exit-code'] : []],
	];
	const failed = [];
	for (const [label, program, options] of steps) {
		if (program === tool.clangFormat && cpp.length === 0) continue;
		try {
			await step(label, process.execPath, [program, ...options]);
		} catch (error) {
			if (!(error instanceof StepError)) throw error;
			failed.push(label);
		}
	}
	if (failed.length === 0) return 0;
	console.error(`\nfailed: ${failed.join(', ')}${fix ? '' : '; `npm run format` fixes formatting and some lint'}`);
	return 1;
});
