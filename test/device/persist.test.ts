// How a mode is set again at each boot: files of udev and systemd in an image. test/guest-device tests that they do
// what they say.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { requireDevice } from '#lib/device/find.js';
import { forget, persist, requirePersistable, ruleOf, unitOf } from '#lib/device/persist.js';
import { treeAt } from '#lib/tree.js';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { hmemDevice, makeTree } from '../helpers/tree.ts';

const id = '0x100000000';
const how = { mode: 'system-ram', online: true, movable: true } as const;
const directories = ['/etc/udev/rules.d', '/etc/systemd/system'];

function machine() {
	const root = makeTree(temporaryDirectory(), hmemDevice());
	for (const directory of directories) mkdirSync(`${root}${directory}`, { recursive: true });
	const tree = treeAt(root);
	return {
		root,
		tree,
		device: requireDevice(tree, 'dax0.0'),
		files: () => directories.flatMap((directory) => readdirSync(`${root}${directory}`)),
	};
}

test('writes a rule and a unit once, and removes both', () => {
	const { root, tree, device, files } = machine();
	expect(persist(tree, device, how)).toBe(true);
	expect(persist(tree, device, how)).toBe(false);
	expect(files()).toHaveLength(2);
	expect(readFileSync(`${root}${unitOf(id)}`, 'utf8')).toMatch(/^RequiresMountsFor=\/.*\/node .*main\.js$/m);
	expect(persist(tree, device, { ...how, movable: false })).toBe(true);
	expect(readFileSync(`${root}${unitOf(id)}`, 'utf8')).toContain('--no-movable');
	expect(forget(tree, device)).toBe(true);
	expect(forget(tree, device)).toBe(false);
	expect(files()).toEqual([]);
});

describe('what could not be done is said before anything is changed', () => {
	test.each(directories)('without %s', (directory) => {
		const { root, tree, device } = machine();
		rmSync(`${root}${directory}`, { recursive: true });
		expect(() => requirePersistable(tree, device, true)).toThrow(
			expect.objectContaining({ code: 'ERR_DAXKIND_NO_SYSTEMD', path: directory, remedy: expect.any(String) }),
		);
		expect(() => requirePersistable(tree, device, false)).not.toThrow();
	});

	test.each([ruleOf(id), unitOf(id)])('with a %s of somebody else’s', (path) => {
		const { root, tree, device } = machine();
		writeFileSync(`${root}${path}`, 'mine\n');
		for (const isToStay of [true, false]) {
			expect(() => requirePersistable(tree, device, isToStay)).toThrow(
				expect.objectContaining({ code: 'ERR_DAXKIND_FOREIGN_FILE', path }),
			);
		}
		expect(readFileSync(`${root}${path}`, 'utf8')).toBe('mine\n');
	});
});

test('if the second file cannot be written, the first is gone', () => {
	const { root, tree, device } = machine();
	rmSync(`${root}/etc/udev/rules.d`, { recursive: true });
	expect(() => persist(tree, device, how)).toThrow(expect.objectContaining({ code: 'ENOENT' }));
	expect(readdirSync(`${root}/etc/systemd/system`)).toEqual([]);
});
