// The device model, and the migration from the class to the bus, on trees laid out as kernels and distributions have
// them.
import { chmodSync, existsSync, lstatSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { deviceModel, migrateDeviceModel } from 'daxkind/device';
import { describe, expect, test } from 'vitest';
import { execFileSync } from '../helpers/children.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { busDevice, classDevice, type Entries, makeTree } from '../helpers/tree.ts';

const modprobe = '/etc/modprobe.d';
const ours = `${modprobe}/daxkind.conf`;
const daxctls = '/usr/share/daxctl/daxctl.conf';

/**
 * The facts of the file that daxctl installs. A test below compares them with daxctl's file where that is installed.
 */
const daxctlPolicy = 'blacklist dax_pmem_compat\nalias nd:t7* dax_pmem';

const machine = (...parts: Entries[]) =>
	makeTree(temporaryDirectory(), Object.assign({ [`${modprobe}/other.conf`]: 'blacklist pcspkr' }, ...parts));

const oldKernel: Entries = {
	'/lib/modules/5.10.0/modules.dep': 'kernel/drivers/dax/pmem/dax_pmem_compat.ko: kernel/drivers/dax/device_dax.ko',
};

describe('deviceModel', () => {
	test.each([
		['there is nothing', {}, 'none', 'not-needed', /no device DAX/],
		['devices are on the bus, and no kernel has the old module', busDevice(), 'bus', 'not-needed', /on the bus/],
		[
			'devices are on the bus, but the old module could take them',
			{ ...busDevice(), ...oldKernel },
			'bus',
			'wanted',
			/5\.10\.0/,
		],
		[
			'devices are on the bus, and the policy is there',
			{ ...busDevice(), [ours]: daxctlPolicy },
			'bus',
			'done',
			/daxkind\.conf/,
		],
		['devices are in the class', { ...classDevice(), ...oldKernel }, 'class', 'wanted', /dax0\.0 can only be mapped/],
		[
			'devices are in the class, and the policy is there',
			{ ...classDevice(), [`${modprobe}/daxctl.conf`]: daxctlPolicy },
			'class',
			'pending',
			/daxctl\.conf/,
		],
	] as [string, Entries, string, string, RegExp][])('%s', (_, entries, model, migration, reason) => {
		const found = deviceModel({ root: machine(entries) });
		expect(found).toMatchObject({ model, migration, reason: expect.stringMatching(reason) });
		expect(found.remedy === undefined).toBe(migration === 'not-needed' || migration === 'done');
	});

	test('a kernel without the bus cannot be helped by a policy', () => {
		const entries = Object.fromEntries(Object.entries(classDevice()).filter(([path]) => !path.startsWith('/sys/bus')));
		const found = deviceModel({ root: machine(entries) });
		expect(found).toMatchObject({ model: 'class', migration: 'wanted', remedy: expect.stringContaining('5.1') });
		expect(found.reason).toContain('no /sys/bus/dax');
	});

	test.each<[string, Entries, string, string, RegExp]>([
		[
			'no bus and no device',
			{ '/sys/class/dax/.keep': '' },
			'class',
			'wanted',
			/no \/sys\/bus\/dax, because it is older than 5\.1/,
		],
		[
			'the old module, loaded, without a device',
			{ '/sys/bus/dax/drivers/kmem/bind': '', '/sys/module/dax_pmem_compat/refcnt': '0' },
			'bus',
			'wanted',
			/dax_pmem_compat is loaded/,
		],
		[
			'the same with the policy',
			{ '/sys/bus/dax/drivers/kmem/bind': '', '/sys/module/dax_pmem_compat/refcnt': '0', [ours]: daxctlPolicy },
			'bus',
			'pending',
			/is loaded/,
		],
	])('a kernel with %s', (_, entries, model, migration, reason) => {
		const found = deviceModel({ root: machine(entries) });
		expect(found).toMatchObject({
			model,
			migration,
			reason: expect.stringMatching(reason),
			remedy: expect.any(String),
		});
	});

	test('a link of the class that leads nowhere is no device', () => {
		const { evidence } = deviceModel({
			root: machine(busDevice(), { '/sys/class/dax/dax7.0': '-> /sys/devices/gone' }),
		});
		expect(evidence.map(({ value }) => value)).toEqual(expect.arrayContaining(['there, 1 device', 'there, 0 devices']));
	});

	test('says what was read, and where', () => {
		const { evidence } = deviceModel({ root: machine(classDevice(), oldKernel) });
		expect(evidence).toEqual([
			{ value: 'there, 0 devices', source: '/sys/bus/dax' },
			{ value: 'there, 1 device', source: '/sys/class/dax' },
			{ value: 'loaded', source: '/sys/module/dax_pmem_compat' },
			{ value: 'in 5.10.0', source: 'modules.dep, dax_pmem_compat' },
			{ value: 'none', source: expect.stringContaining('blacklist dax_pmem_compat') },
		]);
	});

	test.each([
		['commented out', '#blacklist dax_pmem_compat\nalias nd:t7* dax_pmem', undefined],
		['half of it', 'blacklist dax_pmem_compat', undefined],
		['with other words for the same', 'alias  nd:t7*   dax-pmem\n\tblacklist dax-pmem-compat', ours],
		['on continued lines', 'blacklist \\\ndax_pmem_compat\nalias nd:t7* dax_pmem', ours],
	])('a policy is known by what it does: %s', (_, text, policy) => {
		expect(deviceModel({ root: machine({ [ours]: text }) }).policy).toBe(policy);
	});

	test('a file hides one of the same name in a later directory', () => {
		const both = { [ours]: '# off', '/usr/lib/modprobe.d/daxkind.conf': daxctlPolicy };
		expect(deviceModel({ root: machine(both) }).policy).toBeUndefined();
	});
});

describe('migrateDeviceModel', () => {
	test('writes what daxctl installs, once, and undoes it', () => {
		const root = machine(classDevice(), oldKernel);
		const first = migrateDeviceModel({ root });
		expect(first).toMatchObject({ changed: true, path: ours, model: { migration: 'pending' }, next: ['reboot'] });
		const lines = readFileSync(join(root, ours), 'utf8').split('\n');
		expect(lines.filter((line) => line !== '' && !line.startsWith('#')).join('\n')).toBe(daxctlPolicy);
		expect(lstatSync(join(root, ours)).mode & 0o777).toBe(0o644);
		expect(migrateDeviceModel({ root })).toMatchObject({ changed: false, path: ours });
		expect(migrateDeviceModel({ root, undo: true })).toMatchObject({ changed: true, path: ours });
		expect(existsSync(join(root, ours))).toBe(false);
		expect(migrateDeviceModel({ root, undo: true })).toMatchObject({ changed: false, path: undefined });
	});

	test('a dry run says the same and changes nothing', () => {
		const root = machine(classDevice());
		expect(migrateDeviceModel({ root, dryRun: true })).toMatchObject({ changed: true, dryRun: true, path: ours });
		expect(readdirSync(join(root, modprobe))).toEqual(['other.conf']);
		migrateDeviceModel({ root });
		expect(migrateDeviceModel({ root, dryRun: true, undo: true })).toMatchObject({ changed: true });
		expect(existsSync(join(root, ours))).toBe(true);
	});

	test.each([
		['a file', daxctlPolicy],
		['a link to its own file', '-> /usr/share/daxctl/daxctl.conf'],
	])('what daxctl installed, as %s, is the policy, and not ours to undo', (_, entry) => {
		const root = machine({ '/usr/share/daxctl/daxctl.conf': daxctlPolicy, [`${modprobe}/daxctl.conf`]: entry });
		expect(migrateDeviceModel({ root })).toMatchObject({ changed: false, path: `${modprobe}/daxctl.conf` });
		expect(existsSync(join(root, ours))).toBe(false);
		expect(() => migrateDeviceModel({ root, undo: true })).toThrow(
			expect.objectContaining({
				code: 'ERR_DAXKIND_FOREIGN_FILE',
				path: `${modprobe}/daxctl.conf`,
				remedy: expect.stringContaining('rm'),
			}),
		);
		expect(existsSync(join(root, `${modprobe}/daxctl.conf`))).toBe(true);
	});

	test('a link of that name that leads nowhere is somebody’s, too', () => {
		const root = machine({ [ours]: '=> /nowhere' });
		for (const dryRun of [true, false]) {
			expect(() => migrateDeviceModel({ root, dryRun })).toThrow(
				expect.objectContaining({ code: 'ERR_DAXKIND_FOREIGN_FILE', path: ours }),
			);
		}
	});

	test('everybody may read the policy, whatever the umask', () => {
		const root = machine(classDevice());
		const before = process.umask(0o077);
		try {
			migrateDeviceModel({ root });
		} finally {
			process.umask(before);
		}
		expect(lstatSync(join(root, ours)).mode & 0o777).toBe(0o644);
	});

	test('of a kernel without the bus a reboot is not enough', () => {
		const entries = Object.fromEntries(Object.entries(classDevice()).filter(([path]) => !path.startsWith('/sys/bus')));
		expect(migrateDeviceModel({ root: machine(entries) }).next).toEqual([expect.stringContaining('5.1 or later')]);
	});

	test('an unset variable is no root', () => {
		expect(() => migrateDeviceModel({ root: '' })).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }));
	});

	test('a file of that name that is something else is neither overwritten nor removed', () => {
		const root = machine({ [ours]: 'options daxkind yes=1' });
		const foreign = expect.objectContaining({ code: 'ERR_DAXKIND_FOREIGN_FILE', path: ours });
		expect(() => migrateDeviceModel({ root })).toThrow(foreign);
		expect(() => migrateDeviceModel({ root, undo: true })).toThrow(foreign);
		expect(readFileSync(join(root, ours), 'utf8')).toBe('options daxkind yes=1\n');
	});

	test('a policy of ours that somebody has changed is left alone', () => {
		const root = machine();
		migrateDeviceModel({ root });
		const changed = `${readFileSync(join(root, ours), 'utf8')}blacklist kmem\n`;
		writeFileSync(join(root, ours), changed);
		expect(migrateDeviceModel({ root })).toMatchObject({ changed: false });
		expect(() => migrateDeviceModel({ root, undo: true })).toThrow(
			expect.objectContaining({ code: 'ERR_DAXKIND_FOREIGN_FILE' }),
		);
		expect(readFileSync(join(root, ours), 'utf8')).toBe(changed);
	});

	test('without modprobe there is nothing to configure', () => {
		const root = machine();
		rmSync(join(root, modprobe), { recursive: true });
		expect(() => migrateDeviceModel({ root })).toThrow(
			expect.objectContaining({ code: 'ERR_DAXKIND_NO_MODPROBE', path: modprobe }),
		);
	});

	test.skipIf(process.getuid!() !== 0)(
		'what cannot be written is the system’s error, and nothing is left behind',
		() => {
			const root = machine();
			chmodSync(root, 0o755);
			const program = `import { migrateDeviceModel } from 'daxkind/device';
			process.setuid(65534);
			try { migrateDeviceModel({ root: ${JSON.stringify(root)} }); } catch ({ code, syscall }) { console.log(code, syscall); }`;
			const said = execFileSync(process.execPath, ['--input-type=module', '-e', program]);
			expect(`${said}`).toBe('EACCES open\n');
			expect(readdirSync(join(root, modprobe))).toEqual(['other.conf']);
		},
	);

	/** One archive in the format of an initramfs, with empty files. */
	function cpio(names: string[]): Buffer {
		const entries = [...names, 'TRAILER!!!'].map((name) => {
			const fields = [1, 0o100644, 0, 0, 1, 0, 0, 0, 0, 0, 0, name.length + 1, 0];
			const head = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}${name}\0`;
			return Buffer.from(head.padEnd(Math.ceil(head.length / 4) * 4, '\0'), 'latin1');
		});
		return Buffer.concat(entries);
	}

	const withModule = cpio(['init', 'usr/lib/modules/5.10.0/kernel/drivers/dax/pmem/dax_pmem_compat.ko.xz']);
	const without = cpio(['init', 'usr/lib/modules/5.10.0/kernel/drivers/dax/pmem/dax_pmem.ko']);

	test.each([
		['not compressed', withModule, true],
		['by gzip', gzipSync(withModule), true],
		['behind an archive that is not', Buffer.concat([cpio(['early']), Buffer.alloc(512), gzipSync(withModule)]), true],
		['without the module', gzipSync(without), false],
		['that is none', Buffer.from('something else'), undefined],
	])('an initramfs %s', (_, image, hasModule) => {
		const root = machine({ '/boot/initrd.img-5.10.0': image, '/etc/initramfs-tools/initramfs.conf': '' });
		const { initramfs, next } = migrateDeviceModel({ root });
		expect(initramfs).toMatchObject(hasModule === false ? [] : [{ path: '/boot/initrd.img-5.10.0', hasModule }]);
		expect(next).toEqual(hasModule === false ? [] : [`chroot ${root} update-initramfs -u -k all`]);
	});

	/** An archive with one file. */
	function cpioFile(name: string, text: string): Buffer {
		const archive = cpio([name]);
		archive.write(text.length.toString(16).padStart(8, '0'), 54, 'latin1');
		const end = Math.ceil((110 + name.length + 1) / 4) * 4;
		const content = Buffer.from(text.padEnd(Math.ceil(text.length / 4) * 4, '\0'));
		return Buffer.concat([archive.subarray(0, end), content, archive.subarray(end)]);
	}

	const withPolicy = Buffer.concat([cpioFile('etc/modprobe.d/daxkind.conf', daxctlPolicy), withModule]);
	const initramfs = { '/etc/initramfs-tools/initramfs.conf': '' };

	test('an initramfs with the module and the policy is as it is to be; after undo it is not', () => {
		const root = machine({ ...initramfs, '/boot/initrd.img-5.10.0': gzipSync(withPolicy) });
		expect(migrateDeviceModel({ root })).toMatchObject({ changed: true, initramfs: [], next: [] });
		expect(migrateDeviceModel({ root, undo: true })).toMatchObject({
			changed: true,
			initramfs: [{ path: '/boot/initrd.img-5.10.0', hasModule: true, hasPolicy: true }],
			next: [`chroot ${root} update-initramfs -u -k all`],
		});
	});

	test('images are looked for where the Boot Loader Specification has them, too', () => {
		const path = `/boot/${'a1'.repeat(16)}/5.10.0/initrd`;
		const root = machine({ ...initramfs, [path]: withModule });
		expect(migrateDeviceModel({ root }).initramfs).toMatchObject([{ path, hasModule: true }]);
	});

	test.skipIf(!existsSync(daxctls))('daxctl’s own file is recognised, and says the same as ours', () => {
		const root = machine({
			'/usr/share/daxctl/daxctl.conf': readFileSync(daxctls),
			[`${modprobe}/daxctl.conf`]: `-> ${daxctls}`,
		});
		expect(deviceModel({ root })).toMatchObject({ policy: `${modprobe}/daxctl.conf`, migration: 'done' });
		const lines = readFileSync(daxctls, 'utf8')
			.split('\n')
			.filter((line) => line !== '' && !line.startsWith('#'));
		expect(lines.sort()).toEqual(daxctlPolicy.split('\n').sort());
	});
});
