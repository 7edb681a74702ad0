// An image of another machine, mounted somewhere. Its links lead to where they would lead there, never into the machine
// that looks.
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { deviceModel, migrateDeviceModel } from 'daxkind/device';
import { expect, test } from 'vitest';
import { treeAt } from '#lib/tree.js';
import { execFileSync } from '../helpers/children.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { makeTree } from '../helpers/tree.ts';

const policy = 'blacklist dax_pmem_compat\nalias nd:t7* dax_pmem';

test('an absolute link to modprobe’s directory is the image’s own', () => {
	const outside = temporaryDirectory();
	mkdirSync(join(outside, 'modprobe.d'));
	const root = makeTree(temporaryDirectory(), {
		[`${outside}/modprobe.d/.keep`]: '',
		'/etc/modprobe.d': `=> ${outside}/modprobe.d`,
	});
	expect(migrateDeviceModel({ root })).toMatchObject({ changed: true });
	expect(readdirSync(join(outside, 'modprobe.d'))).toEqual([]);
	expect(readFileSync(`${root}${outside}/modprobe.d/daxkind.conf`, 'utf8')).toContain('blacklist');
	expect(migrateDeviceModel({ root, undo: true })).toMatchObject({ changed: true });
	expect(existsSync(`${root}${outside}/modprobe.d/daxkind.conf`)).toBe(false);
});

test('the link that daxctl makes is absolute, and leads to the image’s file', () => {
	const entries = {
		'/usr/share/daxctl/elsewhere.conf': policy,
		'/etc/modprobe.d/daxctl.conf': '=> /usr/share/daxctl/elsewhere.conf',
	};
	expect(migrateDeviceModel({ root: makeTree(temporaryDirectory(), entries) })).toMatchObject({
		changed: false,
		path: '/etc/modprobe.d/daxctl.conf',
	});
});

test.each([
	['..', '=> ../../../../../../../../outside/policy.conf'],
	['a link to a link', '=> /hop'],
])('%s stays in the image', (_, link) => {
	const root = makeTree(temporaryDirectory(), {
		'/outside/policy.conf': policy,
		'/hop': '=> ../outside/policy.conf',
		'/etc/modprobe.d/x.conf': link,
	});
	expect(deviceModel({ root }).policy).toBe('/etc/modprobe.d/x.conf');
});

test('links in a circle, FIFOs and devices are no files, and hold nobody up', () => {
	const root = makeTree(temporaryDirectory(), {
		'/etc/modprobe.d/a.conf': '=> b.conf',
		'/etc/modprobe.d/b.conf': '=> a.conf',
	});
	execFileSync('mkfifo', [join(root, 'etc/modprobe.d/c.conf')]);
	expect(deviceModel({ root })).toMatchObject({ policy: undefined });
	const tree = treeAt(root);
	expect(tree.read('/etc/modprobe.d/a.conf').error).toBe('ELOOP');
	expect(tree.read('/etc/modprobe.d/c.conf').error).toBe('EINVAL');
	expect(tree.resolve('/etc/modprobe.d/a.conf')).toBeUndefined();
});
