// Which versions of Node the scripts take, and what they say is missing.
import { spawnSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { findProgram } from '#lib/vm/programs.js';
import { isInRange, supportedNode } from '../../scripts/engines.mjs';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

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
	const script = fileURLToPath(new URL('../../scripts/test.mjs', import.meta.url));
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
			script,
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
