// What stands in the way of moving a device, on trees of machines that we do not have. test/guest-device makes the rest
// for real.

import { rmSync, statSync } from 'node:fs';
import type { DaxDevice } from 'daxkind/device';
import { describe, expect, test } from 'vitest';
import { requireDevice } from '#lib/device/find.js';
import { modelObstacle, toSystemRam, useOf } from '#lib/device/obstacles.js';
import { deviceNumbers } from '#lib/sysfs.js';
import { treeAt } from '#lib/tree.js';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { busDevice, classDevice, type Entries, makeTree, memoryBlocks } from '../helpers/tree.ts';

function machine(...parts: Entries[]) {
	const tree = treeAt(makeTree(temporaryDirectory(), Object.assign({}, ...parts)));
	return { tree, of: (name: string): DaxDevice => requireDevice(tree, name) };
}

const blocks = memoryBlocks({ 32: { state: 'online', zones: 'Normal' } });
const movable = { online: true, movable: true, force: false };

test('a device of the class has no driver that could be changed', () => {
	const { of } = machine(classDevice());
	expect(modelObstacle(of('dax0.0'))).toMatchObject({
		code: 'ERR_DAXKIND_CLASS_DEVICE',
		path: 'dax0.0',
		remedy: expect.stringContaining('migrate-device-model'),
	});
	expect(modelObstacle(machine(busDevice()).of('dax1.0'))).toBeUndefined();
});

describe('to system RAM', () => {
	test.each<[string, string, Entries[], RegExp]>([
		['without a target node', 'ERR_DAXKIND_NO_TARGET_NODE', [busDevice('dax1.0', { node: '-1' }), blocks], /firmware/],
		['without memory hotplug', 'ERR_DAXKIND_NO_HOTPLUG', [busDevice()], /CONFIG_MEMORY_HOTPLUG/],
		[
			'with blocks that are larger than the device',
			'ERR_DAXKIND_DEVICE_TOO_SMALL',
			[busDevice(), { '/sys/devices/system/memory/block_size_bytes': '80000000' }],
			/larger/,
		],
		[
			'where the kernel brings memory online by itself',
			'ERR_DAXKIND_AUTO_ONLINE',
			[busDevice(), blocks, { '/sys/devices/system/memory/auto_online_blocks': 'online' }],
			/force/,
		],
	])('%s: %s', (_, code, parts, remedy) => {
		const { tree, of } = machine(...parts);
		expect(toSystemRam(tree, of('dax1.0'), movable)).toMatchObject({
			code,
			path: 'dax1.0',
			remedy: expect.stringMatching(remedy),
		});
	});

	test.each(['offline', 'online_movable'])('nothing, where the kernel’s policy is %s', (policy) => {
		const { tree, of } = machine(busDevice(), blocks, { '/sys/devices/system/memory/auto_online_blocks': policy });
		expect(toSystemRam(tree, of('dax1.0'), movable)).toBeUndefined();
	});
});

describe('who uses a device', () => {
	const maps = (path: string) =>
		`7f5600000000-7f5640000000 rw-s 00000000 00:06 417 ${path}\n7ffd1c5e0000-7ffd1c601000 rw-p 00000000 00:00 0 [stack]`;

	test('the processes that map it, also by a node that was removed', () => {
		const { tree, of } = machine(busDevice(), {
			'/proc/77/maps': maps('                 /dev/dax1.0'),
			'/proc/77/comm': 'server',
			'/proc/78/maps': maps('                 /dev/dax1.0 (deleted)'),
			'/proc/78/comm': 'client',
			'/proc/79/maps': maps('                 /dev/dax1.01'),
		});
		const used = useOf(tree, of('dax1.0'));
		expect(used).toMatchObject({ code: 'ERR_DAXKIND_DEVICE_IN_USE', remedy: expect.stringContaining('kill 77 78') });
		expect(used!.message).toContain('server (process 77), client (process 78)');
	});

	test('a process is found by the inode that it maps, whatever the name of the node', () => {
		const { tree, of } = machine(busDevice());
		const { ino, dev } = statSync(`${tree.root}/dev/dax1.0`);
		const { major, minor } = deviceNumbers(dev);
		const hex = (number: number) => number.toString(16).padStart(2, '0');
		const line = (inode: number) => `7f56-7f57 rw-s 00000000 ${hex(major)}:${hex(minor)} ${inode}     /dev/pmem`;
		makeTree(tree.root, { '/proc/80/maps': line(ino), '/proc/81/maps': line(ino + 1), '/proc/80/comm': 'renamed' });
		expect(useOf(tree, of('dax1.0'))!.message).toMatch(/mapped by renamed \(process 80\), and SIGBUS would kill it/);
	});

	test('a file system on it', () => {
		const { tree, of } = machine(busDevice(), {
			'/proc/self/mountinfo': '61 28 0:44 / /mnt/with\\040blank rw,relatime - famfs /dev/dax1.0 rw',
		});
		expect(useOf(tree, of('dax1.0'))).toMatchObject({
			code: 'ERR_DAXKIND_DEVICE_IN_USE',
			remedy: "umount '/mnt/with blank'",
		});
	});

	test.each([
		['is not there', 'ENOENT', 'open'],
		['is empty, as in a chroot', 'ENODATA', 'read'],
	])('nobody knows, if the table of mounts %s', (_, code, syscall) => {
		const { tree, of } = machine(busDevice(), { '/proc/self/mountinfo': '' });
		if (code === 'ENOENT') rmSync(tree.place('/proc/self/mountinfo'));
		expect(() => useOf(tree, of('dax1.0'))).toThrow(
			expect.objectContaining({ code, syscall, path: '/proc/self/mountinfo' }),
		);
	});

	test('a device that nobody uses has no obstacle', () => {
		const { tree, of } = machine(busDevice(), { '/proc/77/maps': maps('                 /dev/dax0.0') });
		expect(useOf(tree, of('dax1.0'))).toBeUndefined();
	});
});
