// Where daxkind cannot put the argument into a file of its own, it writes nothing. The commands that it gives do the
// work.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { applyMemmap, undoMemmap } from '#lib/memmap/boot/index.js';
import { spawnSync } from '../../helpers/children.ts';
import {
	contents,
	fedora,
	handwritten,
	machine,
	refused,
	systemdBoot,
	withoutDropIns,
} from '../../helpers/machines.ts';
import type { Entries } from '../../helpers/tree.ts';

const argument = 'memmap=4G!4G';
const line = `GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX ${argument}"`;

/** Makes a machine, expects that nothing is written to it, and returns the commands that remain to be run. */
const next = (entries: Entries, wanted = argument) => {
	const root = machine(entries);
	const before = contents(root);
	const { changed, path, text, missing, next: commands } = applyMemmap(wanted, { root });
	expect({ changed, path, text }).toEqual({ changed: false, path: undefined, text: undefined });
	expect(missing).toEqual(wanted.split(' '));
	expect(contents(root)).toEqual(before);
	return { root, commands };
};

/** Runs a command that works on files, and returns the file's text. */
const fileAfter = (command: string, path: string) => {
	expect(spawnSync('sh', ['-c', command], { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
	return readFileSync(path, 'utf8');
};

test('GRUB without drop-ins: a line for /etc/default/grub, and the configuration made anew', () => {
	const { root, commands } = next(withoutDropIns);
	const [append, update, ...rest] = commands;
	expect([update, ...rest]).toEqual([`chroot ${root} grub2-mkconfig -o /boot/grub2/grub.cfg`]);
	const text = fileAfter(append!, join(root, '/etc/default/grub'));
	expect(text).toBe(`${withoutDropIns['/etc/default/grub']}\n\n${line}\n`);
	expect(applyMemmap(argument, { root })).toMatchObject({
		missing: [],
		elsewhere: [{ path: '/etc/default/grub', words: [argument] }],
		next: [update],
	});
	expect(undoMemmap({ root })).toMatchObject({
		changed: false,
		next: [`take ${argument} out of ${root}/etc/default/grub`, update],
	});
});

test('a $ and a missing last newline survive the appended line', () => {
	const { root, commands } = next(
		{ ...withoutDropIns, '/etc/default/grub': Buffer.from('GRUB_TIMEOUT=1') },
		'memmap=64M$1G',
	);
	const text = fileAfter(commands[0]!, join(root, '/etc/default/grub'));
	expect(text).toBe('GRUB_TIMEOUT=1\nGRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX memmap=64M\\\\\\$1G"\n');
	expect(applyMemmap('memmap=64M$1G', { root }).next).toHaveLength(1);
});

test('where GRUB’s configuration is, is read from the links that RHEL has', () => {
	const config = '/boot/efi/EFI/redhat/grub.cfg';
	const entries = { [config]: '', '/etc/grub2-efi.cfg': `=> ..${config}` };
	expect(next({ ...withoutDropIns, ...entries }).commands[1]).toMatch(
		/ grub2-mkconfig -o \/boot\/efi\/EFI\/redhat\/grub\.cfg$/,
	);
});

test('grubby: one command, which keeps the ranges that others have', () => {
	const { root, commands } = next(fedora);
	expect(commands).toEqual([`chroot ${root} grubby --update-kernel=ALL --args='memmap=4G!4G'`]);
	const [path] = Object.keys(fedora).filter((name) => name.endsWith('.conf'));
	const entries = { ...fedora, [path!]: 'linux /vmlinuz\noptions root=UUID=1 memmap=1G!16G quiet' };
	expect(next(entries, 'memmap=4G!4G nokaslr').commands).toEqual([
		expect.stringMatching(/ grubby --update-kernel=ALL --args='memmap=1G!16G,4G!4G nokaslr'$/),
	]);
});

test('entries that have it are recognised, and how they lose it again', () => {
	const [path] = Object.keys(fedora).filter((name) => name.endsWith('.conf'));
	const root = machine(fedora, { [path!]: 'options memmap=4G!4G quiet', '/proc/cmdline': 'quiet' });
	expect(applyMemmap(argument, { root })).toMatchObject({
		changed: false,
		elsewhere: [{ path, words: [argument] }],
		next: ['reboot'],
	});
	expect(undoMemmap({ root }).next).toEqual([`chroot ${root} grubby --update-kernel=ALL --remove-args='memmap=4G!4G'`]);
});

test('an entry without the argument is listed as missing it', () => {
	const [path] = Object.keys(fedora).filter((name) => name.endsWith('.conf'));
	const entries = { [path!]: 'options memmap=4G!4G', '/boot/loader/entries/rescue.conf': 'options quiet' };
	expect(next({ ...fedora, ...entries }).commands).toEqual([expect.stringContaining("--args='memmap=4G!4G'")]);
});

test('kernel-install: its line, and the entries made anew', () => {
	const { root, commands } = next(systemdBoot, 'memmap=64M$1G memmap=4G!4G');
	const [append, ...rest] = commands;
	const make = `chroot ${root} kernel-install add 6.12.9-amd64 /boot/vmlinuz-6.12.9-amd64`;
	expect(rest).toEqual([make]);
	expect(fileAfter(append!, join(root, '/etc/kernel/cmdline'))).toBe(
		'root=UUID=1 ro quiet memmap=64M$1G memmap=4G!4G\n',
	);
	expect(applyMemmap(argument, { root })).toMatchObject({ changed: false, next: [make] });
});

/** The plugin that makes entries. Since systemd 251, kernel-install can be told to use it. */
const plugin = '/usr/lib/kernel/install.d/90-loaderentry.install';
const hasKernelInstall =
	existsSync(plugin) && spawnSync('grep', ['-q', 'KERNEL_INSTALL_PLUGINS', '/usr/bin/kernel-install']).status === 0;

test.skipIf(!hasKernelInstall)('kernel-install itself makes an entry of that line, unharmed', () => {
	const wanted = 'memmap=64M$1G memmap=4G!4G nokaslr';
	const { root, commands } = next(
		{ ...systemdBoot, '/etc/kernel/install.conf': 'layout=bls', '/boot/efi/x/image': '' },
		wanted,
	);
	fileAfter(commands[0]!, join(root, '/etc/kernel/cmdline'));
	const env = {
		PATH: process.env.PATH,
		...{ KERNEL_INSTALL_CONF_ROOT: join(root, '/etc/kernel'), BOOT_ROOT: join(root, '/boot/efi') },
		KERNEL_INSTALL_PLUGINS: plugin,
	};
	writeFileSync(join(root, '/etc/kernel/entry-token'), 'x\n');
	const args = ['add', '6.12.9-amd64', join(root, '/boot/vmlinuz-6.12.9-amd64')];
	expect(spawnSync('kernel-install', args, { env, encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
	const entry = readFileSync(join(root, '/boot/efi/loader/entries/x-6.12.9-amd64.conf'), 'utf8');
	expect(/^options\s+(.*)$/m.exec(entry)?.[1]).toBe(`root=UUID=1 ro quiet ${wanted}`);
	expect(applyMemmap(wanted, { root })).toMatchObject({ changed: false, boot: { configuration: 'kernel-install' } });
});

test('kernel-install without its line: that of the running kernel is the beginning', () => {
	const { '/etc/kernel/cmdline': _, ...entries } = systemdBoot;
	const line = 'BOOT_IMAGE=/linux root=UUID=1  ro initrd=\\initrd quiet';
	const { root, commands } = next({ ...entries, '/proc/cmdline': line, '/etc/kernel/install.conf': '' });
	expect(commands).toHaveLength(4);
	fileAfter(commands[0]!, join(root, '/etc/kernel/cmdline'));
	expect(fileAfter(commands[1]!, join(root, '/etc/kernel/cmdline')).trim().split(/\s+/)).toEqual([
		...['root=UUID=1', 'ro', 'quiet', argument],
	]);
	expect(next({ ...entries, '/etc/kernel/install.conf': '' }).commands[0]).toMatch(/^write the kernel's whole/);
});

test('entries that a person wrote: each gets it', () => {
	const { root, commands } = next(handwritten, 'memmap=4G!4G memmap=64M$1G');
	expect(commands).toHaveLength(1);
	const text = fileAfter(commands[0]!, join(root, '/boot/loader/entries/fallback.conf'));
	expect(text).toContain('\noptions root=UUID=1 rw memmap=4G!4G memmap=64M$1G\n');
	expect(applyMemmap(argument, { root }).next).toEqual([]);
});

test('a $ in an entry that GRUB reads is refused: it would be lost', () => {
	expect(() => applyMemmap('memmap=64M$1G', { root: machine(fedora) })).toThrow(
		refused('ERR_DAXKIND_LOST_ARGUMENT', '/boot/loader/entries'),
	);
});

test('where nothing is known of how it is booted, the error has what is to be given to the kernel', () => {
	expect(() => applyMemmap(argument, { root: machine({ '/etc/hostname': 'x' }) })).toThrow(
		expect.objectContaining({
			...{ code: 'ERR_DAXKIND_NO_BOOT_LOADER', path: '/boot' },
			remedy: expect.stringContaining(argument),
		}),
	);
});
