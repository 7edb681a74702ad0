// Which versions of Node the scripts take, and what they say is missing.
import { once } from 'node:events';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, type TestContext, test } from 'vitest';
import { findProgram } from '#lib/vm/programs.js';
import { isInRange, supportedNode } from '../../scripts/engines.mjs';
import { spawn, spawnSync } from '../helpers/children.ts';
import { until } from '../helpers/process.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

const script = (name: string) => fileURLToPath(new URL(`../../scripts/${name}.mjs`, import.meta.url));

test('the range of package.json takes what it says, and nothing else', () => {
	const taken = ['20.19.0', '20.20.2', '22.12.0', '22.23.5', '23.0.0', '24.0.0', '26.12.1'];
	const refused = ['18.20.0', '20.18.3', '21.7.3', '22.0.0', '22.11.0'];
	expect(taken.filter((version) => !isInRange(version, supportedNode))).toEqual([]);
	expect(refused.filter((version) => isInRange(version, supportedNode))).toEqual([]);
	expect(() => isInRange('20.19.0', '~20.19.1')).toThrow('another form');
});

test('without leave to install packages, npm test says at its start what is missing and the one line that brings it', ({
	skip,
}) => {
	const programs = temporaryDirectory();
	// This apt-get is never run, because nobody has said --yes, and this is not CI.
	symlinkSync('/bin/false', join(programs, 'apt-get'));
	// In a mount namespace, other files hide the programs of this machine.
	const unshare = ['--map-root-user', '--mount'];
	skip(spawnSync('unshare', [...unshare, 'true']).status !== 0, 'this machine allows no mount namespaces');
	const hidden = ['qemu-system-x86_64', 'busybox']
		.map((name) => findProgram(name))
		.filter((path) => path !== undefined);
	const hide = hidden.map((path) => `mount --bind /dev/null ${path} &&`).join(' ');
	const { CI: _, ...env } = process.env;
	const { stdout, stderr } = spawnSync(
		'unshare',
		[
			...unshare,
			'sh',
			'-c',
			`${hide} PATH=$0 exec "$@"`,
			programs,
			process.execPath,
			script('test'),
			'--project',
			'vm',
			'no-such-file',
		],
		{ encoding: 'utf8', env },
	);
	// Where the addon is older than its sources, it ends with a message on standard error, which names the compiler's
	// packages too.
	expect(stdout + stderr).toMatch(
		/packages.* are missing: .*qemu-system-x86, busybox-static.*:\n {2}(sudo )?apt-get update && (sudo )?apt-get install -y .*qemu-system-x86/,
	);
	expect(stdout).not.toContain('Installing the packages');
});

const installed = /^Installing the packages that are missing: g\+\+, clang-tidy\n(package.* done .*\n){2}/;

/** Starts npm run check as root, with an apt-get that succeeds and installs nothing. */
function checkWithUselessApt(skip: TestContext['skip'], CI: string, ...args: string[]) {
	const programs = temporaryDirectory();
	symlinkSync('/bin/true', join(programs, 'apt-get'));
	const asRoot = ['--map-root-user', process.execPath];
	skip(spawnSync('unshare', [...asRoot, '--version']).status !== 0, 'this machine allows no user namespaces');
	const { CXX: _, ...env } = process.env;
	const child = spawn(findProgram('unshare')!, [...asRoot, script('check'), ...args], {
		env: { ...env, CI, PATH: programs },
	});
	onTestFinished(() => void child.kill());
	let output = '';
	for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
	return { child, ended: once(child, 'close'), output: () => output };
}

test('in CI, npm run check fails if a program is missing even after its package was installed', async ({ skip }) => {
	const { ended, output } = checkWithUselessApt(skip, 'true');
	expect(await ended).toEqual([1, null]);
	expect(output()).toMatch(installed);
	expect(output()).toMatch(
		/\n\nThese packages are missing: g\+\+, clang-tidy\. Fix:\n {2}apt-get update && .* clang-tidy\n$/,
	);
});

test('with --yes, npm run check installs what is missing, and goes on without what is missing even then', async ({
	skip,
}) => {
	const { child, output } = checkWithUselessApt(skip, 'false', '--yes');
	await until(() => /Skipped.*\n.*\n/.test(output()) || child.exitCode !== null);
	expect(output()).toMatch(installed);
	expect(output()).toMatch(
		/^Skipped, because this is missing: g\+\+, clang-tidy\. Fix:\n {2}apt-get update && .* clang-tidy$/m,
	);
});
