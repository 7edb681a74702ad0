// The commands about devices, on a machine without any or with those that it happens to have. test/guest-device tests
// what needs real devices.
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { listDevices, listRegions } from 'daxkind/device';
import { expect, test } from 'vitest';
import { daxkind } from '../helpers/cli.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

test.each([
	['devices', () => listDevices()],
	['regions', () => listRegions()],
])('%s lists what there is, and its status says whether there is any', (command, list) => {
	const count = list().length;
	const { status, stdout } = daxkind(command);
	expect(status).toBe(count > 0 ? 0 : 1);
	expect(stdout).toMatch(count > 0 ? new RegExp(`^${count} `) : /^No /);
	expect(JSON.parse(daxkind(command, '--json').stdout)).toHaveLength(count);
});

test.each([
	[
		['reconfigure-device', '--mode=devdax', 'dax99.9'],
		/^daxkind reconfigure-device: There is no device-DAX device dax99\.9\.\n {2}Fix: /,
	],
	[['online-memory', 'dax99.9'], /^daxkind online-memory: There is no device-DAX device dax99\.9\.\n {2}Fix: /],
	[['offline-memory', '/dev/null'], /^daxkind offline-memory: There is no device-DAX device \/dev\/null\.\n {2}Fix: /],
	[['enable-device', 'dax99.9'], /^daxkind enable-device: /],
	[['disable-device', 'dax99.9'], /^daxkind disable-device: /],
	[['destroy-device', 'dax99.9'], /^daxkind destroy-device: /],
	[['create-device', 'nowhere'], /^daxkind create-device: There is no region nowhere of device DAX\.\n {2}Fix: /],
])('%j says what stands in the way and what fixes it, with status 1', (args, said) => {
	const { status, stdout, stderr } = daxkind(...args);
	expect(stderr).toMatch(said);
	expect([status, stdout]).toEqual([1, '']);
});

test.each([
	[['reconfigure-device', 'dax0.0']],
	[['reconfigure-device', '--mode=fsdax', 'dax0.0']],
	[['online-memory']],
	[['create-device', 'hmem.0', '--size', 'much']],
	[['devices', 'dax0.0']],
])('%j is wrong usage, with status 2', (args) => {
	const { status, stderr } = daxkind(...args);
	expect(stderr).toMatch(/^daxkind [a-z-]+: .*\n( {2}\(Did .*\n)? {2}\(daxkind [a-z-]+ --help says more\)\n$/);
	expect(status).toBe(2);
});

test('a root that is an unset variable is wrong usage, and no command for this machine', () => {
	expect(daxkind('migrate-device-model', '--root', '')).toEqual({
		status: 2,
		stdout: '',
		stderr: "daxkind migrate-device-model: --root must be a directory. Received ''\n",
	});
});

test('each command has help with an example', () => {
	const verbs = ['reconfigure-device', 'online-memory', 'offline-memory', 'create-device', 'destroy-device'];
	for (const command of [...verbs, 'enable-device', 'disable-device', 'migrate-device-model', 'devices', 'regions']) {
		const help = { status: 0, stdout: expect.stringMatching(/Examples?:\s+daxkind /) };
		expect(daxkind(command, '--help')).toMatchObject(help);
	}
});

test('migrate-device-model writes, undoes and tries out in an image', () => {
	const root = temporaryDirectory();
	const directory = join(root, 'etc/modprobe.d');
	mkdirSync(directory, { recursive: true });
	expect(daxkind('migrate-device-model', '--root', root, '--dry-run').stdout).toMatch(
		/^\/etc\/modprobe\.d\/daxkind\.conf would be written\n/,
	);
	expect(readdirSync(directory)).toEqual([]);
	expect(daxkind('migrate-device-model', '--root', root)).toMatchObject({
		status: 0,
		stdout: expect.stringContaining('was written'),
	});
	expect(daxkind('migrate-device-model', '--root', root).stdout).toMatch(/^Nothing to do: /);
	expect(JSON.parse(daxkind('migrate-device-model', '--root', root, '--undo', '--json').stdout)).toMatchObject({
		changed: true,
	});
	expect(readdirSync(directory)).toEqual([]);
	const { status, stderr } = daxkind('migrate-device-model', '--root', join(root, 'nowhere'));
	expect([status, stderr]).toEqual([1, expect.stringMatching(/^daxkind migrate-device-model: ENOENT/)]);
});
