// What `npm run check` does with the C++. `node scripts/cpp.mjs warnings` compiles it with -Werror, and `lint` runs
// clang-tidy (.clang-tidy). They look at the files that differ from the branch main, and at the files that include
// those. With --all, in CI and without git they look at everything.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { nodeDirectory } from './headers.mjs';
import { isCI } from './packages.mjs';
import { compilerWords } from './sanitizers.mjs';
import { main, root, run, StepError } from './steps.mjs';

/** After a change of one of these, every source is checked. */
const everywhere = ['.clang-tidy', 'native/addon.gypi', 'scripts/cpp.mjs', 'package-lock.json'];

const sources = ['native', 'test/native'].flatMap((directory) =>
	readdirSync(join(root, directory), { recursive: true })
		.map((name) => join(directory, String(name)))
		.filter((name) => /\.(cc|h)$/.test(name)),
);

const git = (...args) =>
	execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });

/** The files that have changed since this branch left main. Undefined where git cannot tell. */
function changedFiles() {
	try {
		const main = ['main', 'origin/main'].find(
			(name) => git('branch', '--all', '--list', name, `remotes/${name}`) !== '',
		);
		const base = main === undefined ? 'HEAD' : git('merge-base', 'HEAD', main).trim();
		return `${git('diff', '--name-only', base)}${git('ls-files', '--others', '--exclude-standard')}`.split('\n');
	} catch {
		return undefined;
	}
}

/** The sources among these files, and the sources that include one of them directly or indirectly. */
function affectedBy(files) {
	const included = new Map();
	for (const name of sources) {
		const names = [...readFileSync(join(root, name), 'utf8').matchAll(/^#include "(.*)"$/gm)].map(([, path]) => path);
		const paths = names.flatMap((path) => [join('native', path), join(dirname(name), path)]);
		included.set(name, paths);
	}
	const affected = new Set(sources.filter((name) => files.includes(name)));
	for (const name of affected) {
		for (const [other, paths] of included) if (paths.includes(name)) affected.add(other);
	}
	return affected;
}

function chosenUnits(isAll) {
	const units = sources.filter((name) => name.endsWith('.cc'));
	const changed = isAll || isCI ? undefined : changedFiles();
	if (changed === undefined || changed.some((name) => everywhere.includes(name))) return units;
	const affected = affectedBy(changed);
	return units.filter((name) => affected.has(name));
}

/** The compiler's flags for the addon, from native/addon.gypi. */
function flags() {
	// gyp allows comments.
	const target = JSON.parse(readFileSync(join(root, 'native/addon.gypi'), 'utf8').replace(/^\s*#.*$/gm, ''));
	const system = [join(nodeDirectory(), 'include/node'), join(root, 'node_modules/node-addon-api')];
	return [
		...target.defines.map((name) => `-D${name}`),
		...[...target.cflags, ...target.cflags_cc],
		...['native', 'test/native'].map((name) => `-I${join(root, name)}`),
		...system.flatMap((path) => ['-isystem', path]),
	];
}

const modes = {
	warnings: (file) => [...compilerWords, '-fsyntax-only', '-Werror', ...flags(), file],
	lint: (file) => ['clang-tidy', '--quiet', file, '--', ...flags()],
};

await main(async ([mode, option]) => {
	if (!(mode in modes)) throw new StepError(`usage: node scripts/cpp.mjs ${Object.keys(modes).join('|')} [--all]`);
	const waiting = chosenUnits(option === '--all');
	let failed = 0;
	const work = async () => {
		for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
			const [program, ...args] = modes[mode](join(root, name));
			const { status, output } = await run(program, args, { capture: true });
			if (status === 0) continue;
			failed++;
			console.error(`${relative(root, name)}: ${program} ended with status ${status}\n${output}`);
		}
	};
	await Promise.all(Array.from({ length: availableParallelism() }, work));
	return failed === 0 ? 0 : 1;
});
