// The packed package. Each package manager installs it into an empty project, where the program of the README then
// runs. The package managers install by their ordinary means, so they need npm's registry.
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, test, vi } from 'vitest';
import { blocksOf } from '../docs/documents.ts';
import { emptyProject, pack, projectsDirectory, registryProblem, root, said } from '../helpers/packed.ts';

vi.setConfig({ testTimeout: 1_200_000, hookTimeout: 900_000 });

const directory = projectsDirectory();
const sample = blocksOf('README.md', 'js').find((source) => /^import /m.test(source))!;
const output = /^(not )?on DAX\nhello, pmem 4096 4096\nundefined\n$/;

let tarball: string;
let problem: string | undefined;

beforeAll(async () => {
	problem = await registryProblem();
	tarball = await pack(directory);
});

const npx = (tool: string, ...command: string[]) => ['npx', '--yes', `--package=${tool}`, ...command];
const managers = [
	{ name: 'npm', command: (path: string) => ['npm', 'install', '--no-audit', '--no-fund', path] },
	{ name: 'pnpm 10', command: (path: string) => npx('pnpm@10', 'pnpm', 'add', path) },
	{ name: 'yarn 1', command: (path: string) => npx('yarn@1.22.22', 'yarn', 'add', path) },
	{ name: 'yarn 4', command: (path: string) => npx('@yarnpkg/cli-dist@4', 'yarn', 'add', `daxkind@file:${path}`) },
];

/**
 * The settings that yarn 4 does not read from npm's configuration, and the setting for packages in node_modules,
 * without yarn's own loader.
 */
async function yarnEnvironment(): Promise<NodeJS.ProcessEnv> {
	const registry = (await said(root, ['npm', 'config', 'get', 'registry'])).trim().replace(/\/$/, '');
	return { YARN_NPM_REGISTRY_SERVER: registry, YARN_NODE_LINKER: 'node-modules', YARN_ENABLE_TELEMETRY: '0' };
}

test.concurrent.for(managers)(
	'$name installs it, and says nothing of scripts',
	async ({ command }, { expect, skip }) => {
		skip(problem !== undefined, problem);
		const project = emptyProject(directory, sample);
		const env = await yarnEnvironment();
		expect(await said(project, command(tarball), env)).not.toMatch(
			/build scripts|YN0004|YN0005|npm warn (?!install-scripts)|\((pre|post)?install: /i,
		);
		expect(await said(project, [process.execPath, 'app.mjs'])).toMatch(output);
		expect(await said(project, ['node_modules/.bin/daxkind', '--version'])).toMatch(/^\d+\.\d+\.\d+/);
	},
);

test.concurrent('npm rebuild leaves it as it is; without a fitting binary it can be built from what it has', async ({
	expect,
	skip,
}) => {
	skip(problem !== undefined, problem);
	const project = emptyProject(directory, sample);
	await said(project, ['npm', 'install', '--no-audit', '--no-fund', tarball]);
	await said(project, ['npm', 'rebuild']);
	expect(await said(project, [process.execPath, 'app.mjs'])).toMatch(output);
	rmSync(join(project, 'node_modules/daxkind/prebuilds'), { recursive: true });
	const failure = await said(project, [process.execPath, 'app.mjs']).catch(({ message }) => message);
	const advice = /There is no addon for linux .* npx (node-gyp rebuild --directory=\S+\/node_modules\/daxkind\/addon)/;
	expect(failure).toMatch(advice);
	// This follows the advice, but with the node-gyp of this folder, and without optimizing.
	const [, ...args] = advice.exec(failure)![1]!.split(' ');
	const gyp = [process.execPath, join(root, 'node_modules/node-gyp/bin/node-gyp.js'), ...args];
	const { nodeDirectory } = await import('../../scripts/headers.mjs');
	await said(project, [...gyp, `--nodedir=${nodeDirectory()}`, '--jobs=max'], { CXXFLAGS: '-O0' });
	expect(await said(project, [process.execPath, 'app.mjs'])).toMatch(output);
});

test.concurrent('npm installs it from git, and builds it there', async ({ expect, skip }) => {
	skip(problem !== undefined, problem);
	const repository = join(emptyProject(directory, sample), 'daxkind');
	// The files are those that are here, even if they are not committed.
	await said(root, ['git', 'init', '--quiet', repository]);
	const files = (await said(root, ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard']))
		.split('\0')
		.filter((name) => name !== '' && existsSync(join(root, name)));
	await said(root, ['cp', '--parents', '-t', repository, ...files]);
	const identity = ['-c', 'user.name=test', '-c', 'user.email=test@localhost'];
	await said(repository, ['git', 'add', '--all']);
	await said(repository, ['git', ...identity, 'commit', '--quiet', '--message=all']);
	const project = emptyProject(directory, sample);
	const install = ['npm', 'install', '--no-audit', '--no-fund', `git+file://${repository}`];
	await said(project, install, { CXXFLAGS: '-O0' });
	expect(await said(project, [process.execPath, 'app.mjs'])).toMatch(output);
});
