// The binaries that the package ships. They are read for each architecture, and run where this machine can run them.
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test, vi } from 'vitest';
import { findProgram } from '#lib/vm/programs.js';
import { nodeOf } from '../../scripts/nodes.mjs';
import { isCI } from '../../scripts/packages.mjs';
import { compareVersions, readBinary } from '../../scripts/prebuild/binary.mjs';
import { testDirectory } from '../helpers/directory.ts';
import { binaryOf, pack, projectsDirectory, projectWith, registryProblem, root, said } from '../helpers/packed.ts';

vi.setConfig({ testTimeout: 600_000, hookTimeout: 900_000 });

const directory = projectsDirectory();
const kinds = testDirectory();
let tarball: string;

beforeAll(async () => {
	tarball = await pack(directory);
});

const crossPackages = "its compiler is in Debian's packages g++-aarch64-linux-gnu and g++-x86-64-linux-gnu";

test.for(['x64', 'arm64'])('the one for %s loads where Node does, and shows its entry alone', (arch, { skip }) => {
	skip(!isCI && !existsSync(binaryOf(arch)), `this machine cannot make a binary for ${arch}: ${crossPackages}`);
	const { exported, glibc, ...found } = readBinary(binaryOf(arch));
	expect(found.arch).toBe(arch);
	expect(exported.sort()).toEqual(['napi_register_module_v1', 'node_api_module_get_api_version_v1']);
	expect(compareVersions(glibc!, '2.28')).toBeLessThanOrEqual(0);
	// Node itself needs these libraries.
	const ofNode = /^(ld-linux-(x86-64|aarch64)|libc|libdl|libgcc_s|libm|libpthread)\.so\.\d$/;
	expect(found.needs.filter((name) => !ofNode.test(String(name)))).toEqual([]);
});

test.concurrent('versions are compared by number', ({ expect: is }) => {
	is(['2.4', '2.28', '2.3.2', '2.17', '2.3'].sort(compareVersions)).toEqual(['2.3', '2.3.2', '2.4', '2.17', '2.28']);
});

const smoke = readFileSync(new URL('smoke.mjs', import.meta.url), 'utf8');

test('the one for this machine does what it shall', async () => {
	const project = await projectWith(tarball, directory, smoke);
	const output = await said(project, [process.execPath, 'app.mjs', mkdtempSync(join(kinds, 'kind-'))]);
	expect(output).toBe(`all well on ${process.arch}\n`);
});

test('the arm64 binary passes the smoke test under QEMU', async ({ skip }) => {
	skip(process.arch !== 'x64', 'for x64');
	const emulator = findProgram('qemu-aarch64-static');
	skip(!isCI && !existsSync(binaryOf('arm64')), `there is no binary for arm64: ${crossPackages}`);
	skip(!isCI && emulator === undefined, "there is no qemu-aarch64-static; it is in Debian's package qemu-user-static");
	const problem = await registryProblem();
	skip(problem !== undefined, problem);
	const project = await projectWith(tarball, directory, smoke);
	const command = [emulator!, await nodeOf('24', 'arm64'), 'app.mjs', mkdtempSync(join(kinds, 'kind-'))];
	// QEMU 7.2 says that its default processor has an instruction (dc cvap), but ends a process that uses it.
	const env = { QEMU_LD_PREFIX: '/usr/aarch64-linux-gnu', QEMU_CPU: 'cortex-a72' };
	expect(await said(project, command, env)).toBe('all well on arm64\n');
});

test('what stands in for newer functions of glibc behaves as they do', async () => {
	const program = join(directory, 'floor-test');
	const source = join(root, 'test/package/floor-test.c');
	await said(root, ['cc', '-O1', '-Wall', '-Werror', '-fvisibility=hidden', '-pthread', '-o', program, source]);
	expect(await said(root, [program])).toBe('');
});
