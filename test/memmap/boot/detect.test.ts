// How a machine is booted, judged by its files, on images laid out as distributions have them.

import { rmSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { detectBoot } from '#lib/memmap/boot/index.js';
import {
	debian,
	fedora,
	handwritten,
	loaderInfo,
	machine,
	systemdBoot,
	withoutDropIns,
} from '../../helpers/machines.ts';
import type { Entries } from '../../helpers/tree.ts';

const detect = (...parts: Entries[]) => detectBoot({ root: machine(...parts) });

/** A machine without some of its files. */
const without = (entries: Entries, ...paths: string[]): Entries =>
	Object.fromEntries(Object.entries(entries).filter(([path]) => !paths.includes(path)));

describe('where the kernel’s arguments are configured', () => {
	test.each<[string, Entries, string | undefined, string | undefined]>([
		['GRUB that reads drop-ins', debian, 'grub', 'grub-drop-in'],
		['GRUB that reads /etc/default/grub only', withoutDropIns, 'grub', 'grub-default'],
		['GRUB with entries, and grubby', fedora, 'grub', 'grubby'],
		['the same, without grubby', without(fedora, '/usr/sbin/grubby'), 'grub', 'kernel-install'],
		['systemd-boot with kernel-install', systemdBoot, 'systemd-boot', 'kernel-install'],
		['systemd-boot with entries that a person wrote', handwritten, 'systemd-boot', 'entries'],
		['nothing', {}, undefined, undefined],
		['the tools of GRUB, and no configuration', { '/usr/sbin/grub-mkconfig': 'x' }, undefined, undefined],
		['a grub.cfg that nothing makes', { '/boot/grub/grub.cfg': 'linux /vmlinuz' }, 'grub', undefined],
		['entries that only root may see', { '/boot/EFI/systemd/systemd-bootx64.efi': '' }, 'systemd-boot', undefined],
	])('%s', (_, entries, loader, configuration) => {
		const found = detect(entries);
		expect(found).toMatchObject({ loader, configuration });
		expect(found.reason).toMatch(/\w{4}/);
	});

	test.each<[string, Entries, string]>([
		[
			'variable says false',
			{ '/etc/default/grub': 'GRUB_ENABLE_BLSCFG=true\nGRUB_ENABLE_BLSCFG="false"' },
			'grub-default',
		],
		['variable is not set, and grub.cfg reads entries', { '/etc/default/grub': '#GRUB_ENABLE_BLSCFG=false' }, 'grubby'],
		[
			'variable is not set, and grub.cfg names the module only',
			{ '/etc/default/grub': '', '/boot/grub2/grub.cfg': 'insmod blscfg' },
			'grub-default',
		],
	])('GRUB reads no entries, or does, where the %s', (_, entries, configuration) => {
		expect(detect(fedora, entries)).toMatchObject({ loader: 'grub', configuration });
	});

	test('what is booted says so itself, whatever else is installed', () => {
		expect(detect(debian, systemdBoot)).toMatchObject({ loader: 'grub' });
		expect(detect(debian, systemdBoot, loaderInfo('systemd-boot 252.38-1'))).toMatchObject({
			loader: 'systemd-boot',
			configuration: 'kernel-install',
			evidence: expect.arrayContaining([
				{ value: 'systemd-boot 252.38-1', source: expect.stringContaining('LoaderInfo') },
			]),
		});
		expect(detect(handwritten, fedora, loaderInfo('GRUB 2.12'))).toMatchObject({ loader: 'grub' });
	});

	test('the name of the distribution counts for nothing', () => {
		expect(detect(withoutDropIns, { '/etc/os-release': 'ID=debian' })).toMatchObject({ configuration: 'grub-default' });
		expect(detect(debian, { '/etc/os-release': 'ID=fedora' })).toMatchObject({ configuration: 'grub-drop-in' });
	});
});

test.each<[string, Entries, string | undefined]>([
	['with /sys/firmware/efi', withoutDropIns, 'uefi'],
	['without it', debian, 'bios'],
	['of an image without /sys', handwritten, undefined],
])('the firmware %s', (_, entries, firmware) => {
	const parts = firmware === undefined ? without(entries, '/sys/firmware/efi/runtime') : entries;
	expect(detect(parts).firmware).toBe(firmware);
});

test('a container that hides /sys/firmware does not look like a BIOS', () => {
	const root = machine(handwritten);
	rmSync(`${root}/sys/firmware/efi`, { recursive: true });
	expect(detectBoot({ root }).firmware).toBeUndefined();
});

test('links of an image are followed in the image', () => {
	const entries = { ...debian, '/etc/default': '=> /conf', '/conf/grub': 'GRUB_ENABLE_BLSCFG=true' };
	const { reason } = detect(without(entries, '/etc/default/grub', '/etc/default/grub.d/init-select.cfg'));
	expect(reason).toBe('GRUB reads entries, but this user cannot see any');
});

test('it looks at this machine, and refuses what is no option', () => {
	expect(detectBoot()).toMatchObject({ evidence: expect.any(Array) });
	expect(() => detectBoot({ rot: '/' } as never)).toThrow(/root/);
	expect(() => detectBoot({ root: '' })).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }));
	expect(() => detectBoot({ root: '/nowhere' })).toThrow(expect.objectContaining({ code: 'ENOENT' }));
});
