// npm run check: format, lint, types and unused code of TypeScript and C++, and the package as its users get it.
// `--fix` (npm run format) writes what a program can fix. All steps run, even after one that fails, so that a person
// sees all problems at once.
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { bootstrap } from './bootstrap.mjs';
import {
	canInstall,
	install,
	installCommand,
	isCI,
	missingCheckPackages,
	missingMessage,
	yesHint,
} from './packages.mjs';
import { main, npm, root, StepError, step, tool } from './steps.mjs';

const cppSources = (directory) =>
	readdirSync(join(root, directory), { recursive: true })
		.filter((name) => /\.(cc|c|h)$/.test(name))
		.map((name) => join(directory, name));

/**
 * The C++ steps for which this machine has the programs. CI has to have all of them. Prints how the missing programs
 * can be installed.
 */
async function cppSteps() {
	if (canInstall() && missingCheckPackages().length > 0) await install(missingCheckPackages());
	const missing = missingCheckPackages();
	if (missing.length > 0 && isCI) throw new StepError(missingMessage(missing));
	if (missing.length > 0) {
		const fix = `${installCommand(missing)}${yesHint()}`;
		console.log(`Skipped, because this is missing: ${missing.join(', ')}. Fix:\n  ${fix}`);
	}
	const program = join(root, 'scripts/cpp.mjs');
	return [
		...(missing.includes('g++') ? [] : [['warnings of C++ (-Werror)', program, ['warnings']]]),
		...(missing.includes('clang-tidy') ? [] : [['lint of C++ (clang-tidy)', program, ['lint']]]),
	];
}

/** Packs the package to check its names and types. Its scripts do not run, because they would compile the addon. */
async function pack() {
	const folder = join(root, 'build/check');
	mkdirSync(folder, { recursive: true });
	const [program, ...first] = npm;
	const output = await step('package (npm pack)', program, [
		...first,
		...['pack', '--silent', '--ignore-scripts', '--pack-destination', folder],
	]);
	return join(folder, output.trim());
}

await main(async (args) => {
	const fix = args.includes('--fix');
	// The tests' types come from dist/.
	await bootstrap({ native: false });
	const colors = `--colors=${process.stdout.isTTY ? 'force' : 'off'}`;
	const cpp = ['native', 'test', 'scripts'].flatMap(cppSources);
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
	if (!fix) {
		steps.push(['links of the site (npm run docs)', join(root, 'scripts/docs.mjs'), []]);
		const tarball = await pack();
		steps.push(['entries of the package (publint)', tool.publint, ['run', tarball, '--strict']]);
		// The package is an ES module only. docs/install.md says what that means for CommonJS.
		steps.push([
			'types of the package (attw)',
			tool.attw,
			[tarball, '--profile', 'esm-only', '--no-color', '--no-emoji'],
		]);
	}
	const failed = [];
	for (const [label, program, options] of steps) {
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
