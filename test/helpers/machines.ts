// Images of machines that are booted in different ways, and what tests look at in them.
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { temporaryDirectory } from './temporary-directory.ts';
import { type Entries, makeTree } from './tree.ts';

/** The line by which Debian's grub-mkconfig reads drop-ins. */
const readsDropIns = 'for x in /etc/default/grub.d/*.cfg ; do';

const kernel = (version: string): Entries => ({
	[`/lib/modules/${version}/modules.dep`]: '',
	[`/boot/vmlinuz-${version}`]: '',
});

/** Debian and its derivatives: GRUB with drop-ins. */
export const debian: Entries = {
	...kernel('6.1.0-1-amd64'),
	'/usr/sbin/grub-mkconfig': readsDropIns,
	'/usr/sbin/update-grub': 'exec grub-mkconfig -o /boot/grub/grub.cfg',
	'/etc/default/grub': 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX=""',
	'/etc/default/grub.d/init-select.cfg': '# nothing',
	'/boot/grub/grub.cfg': 'linux /vmlinuz-6.1.0-1-amd64 root=/dev/sda1 ro quiet',
	'/sys/firmware/memmap/0/start': '0x0',
};

/** openSUSE, RHEL 7: GRUB without drop-ins. */
export const withoutDropIns: Entries = {
	...kernel('6.4.0'),
	'/usr/sbin/grub2-mkconfig': '. /etc/default/grub',
	'/etc/default/grub': 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"',
	'/boot/grub2/grub.cfg': 'linux /boot/vmlinuz-6.4.0 root=/dev/sda1 quiet',
	'/sys/firmware/efi/runtime': '0x0',
};

const token = '3f6b0d4e6e0b4c63a6ee1d9c1a5a0b1d';

/** Fedora and RHEL since 8: GRUB reads entries, which grubby changes. */
export const fedora: Entries = {
	...kernel('6.8.5-301.fc40.x86_64'),
	'/usr/sbin/grub2-mkconfig': '. /etc/default/grub',
	'/usr/sbin/grubby': '#!/bin/bash',
	'/usr/bin/kernel-install': '#!/bin/sh',
	'/etc/default/grub': 'GRUB_CMDLINE_LINUX="rhgb quiet"\nGRUB_ENABLE_BLSCFG=true',
	'/etc/grub2.cfg': '=> ../boot/grub2/grub.cfg',
	'/boot/grub2/grub.cfg': 'insmod blscfg\nblscfg',
	'/etc/kernel/cmdline': 'root=UUID=1 ro rhgb quiet',
	[`/boot/loader/entries/${token}-6.8.5-301.fc40.x86_64.conf`]:
		'title Fedora\nlinux /vmlinuz-6.8.5-301.fc40.x86_64\noptions root=UUID=1 ro rhgb quiet',
	'/sys/firmware/efi/runtime': '0x0',
};

/** systemd-boot, with entries that kernel-install makes. */
export const systemdBoot: Entries = {
	...kernel('6.12.9-amd64'),
	'/usr/bin/kernel-install': '#!/bin/sh',
	'/etc/kernel/cmdline': 'root=UUID=1 ro quiet',
	'/boot/efi/EFI/systemd/systemd-bootx64.efi': '',
	[`/boot/efi/loader/entries/${token}-6.12.9-amd64.conf`]: `options root=UUID=1 ro quiet\nlinux /${token}/6.12.9-amd64/linux`,
	'/sys/firmware/efi/runtime': '0x0',
};

/** systemd-boot, with entries that a person wrote. */
export const handwritten: Entries = {
	'/lib/modules/6.12.9-arch1-1/vmlinuz': '',
	'/usr/bin/kernel-install': '#!/bin/sh',
	'/boot/EFI/systemd/systemd-bootx64.efi': '',
	'/boot/loader/entries/arch.conf': 'title Arch Linux\nlinux /vmlinuz-linux\noptions root=UUID=1 rw',
	'/boot/loader/entries/fallback.conf': 'title Arch Linux\nlinux /vmlinuz-linux\noptions root=UUID=1 rw',
	'/sys/firmware/efi/runtime': '0x0',
};

/** The firmware's variable in which a boot loader says what it is. */
export const loaderInfo = (text: string): Entries => ({
	'/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f': Buffer.concat([
		Buffer.from([6, 0, 0, 0]),
		Buffer.from(`${text}\0`, 'utf16le'),
	]),
});

/**
 * Makes an image with these files and returns its root. A file of a later part replaces the same file of an earlier
 * one.
 */
export const machine = (...parts: Entries[]) => makeTree(temporaryDirectory(), Object.assign({}, ...parts));

/** Every file of an image, with its content and mode. */
export const contents = (root: string) =>
	readdirSync(root, { recursive: true, withFileTypes: true })
		.map((entry) => {
			const path = join(entry.parentPath, entry.name);
			return [path, lstatSync(path).mode, entry.isFile() ? readFileSync(path, 'latin1') : ''];
		})
		.sort();

/** What an error has that says what stands in the way, and how to fix it. */
export const refused = (code: string, path: string) =>
	expect.objectContaining({ code, path, remedy: expect.any(String), message: expect.stringContaining('Fix: ') });
