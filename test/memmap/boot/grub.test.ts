// The argument, through GRUB itself: Debian's grub-mkconfig makes a configuration of what daxkind wrote, and GRUB's
// parser reads that.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { applyMemmap, bootLines, undoMemmap } from '#lib/memmap/boot/index.js';
import { spawnSync } from '../../helpers/children.ts';
import { asGrubParses, linuxLines, mkconfigText, requireGrub, runMkconfig } from '../../helpers/grub.ts';
import { contents, debian, machine } from '../../helpers/machines.ts';

beforeEach(requireGrub);

const several = 'memmap=4G!4G memmap=1G!12G nokaslr';
const dollar = 'memmap=64M$0x100000000';
const kernelArguments = ['memmap=4G!4G', 'memmap=4G!4G,1G!12G', several, dollar, `memmap=64M$1G,1G!8G ${several}`];

/** A machine with a kernel, and with Debian's real grub-mkconfig. */
const debianMachine = () =>
	machine(debian, {
		'/usr/sbin/grub-mkconfig': mkconfigText(),
		'/boot/vmlinuz-6.1.0-1-amd64': Buffer.alloc(4096),
		'/boot/initrd.img-6.1.0-1-amd64': Buffer.alloc(16),
		'/etc/default/grub':
			'GRUB_DEFAULT=0\nGRUB_TERMINAL=console\nGRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX="console=ttyS0"',
	});

const ours = (words: readonly string[]) => words.filter((word) => /memmap|nokaslr/.test(word));

test.each(kernelArguments)('the kernel gets %s from each entry, and not after undo', (argument) => {
	const root = debianMachine();
	const before = { config: runMkconfig(root), files: contents(root) };
	expect(applyMemmap(argument, { root })).toMatchObject({ changed: true, boot: { configuration: 'grub-drop-in' } });
	applyMemmap(argument, { root });
	const lines = linuxLines(runMkconfig(root));
	// The menu's first entry, the same entry in the submenu, and the one for recovery.
	expect(lines).toHaveLength(3);
	for (const words of asGrubParses(lines)) {
		expect(ours(words)).toEqual(argument.split(' '));
		expect(words).toContain('console=ttyS0');
	}
	expect(undoMemmap({ root })).toMatchObject({ changed: true });
	expect(runMkconfig(root)).toBe(before.config);
	expect(contents(root)).toEqual(before.files);
});

test('what a person writes into /etc/default/grub by hand gives the same, and is recognised', () => {
	for (const argument of kernelArguments) {
		const root = debianMachine();
		const file = join(root, '/etc/default/grub');
		const line = bootLines(argument).grubDefault;
		spawnSync('sh', ['-c', 'printf "%s\\n" "$1" >> "$2"', 'sh', line, file]);
		expect(applyMemmap(argument, { root })).toMatchObject({
			changed: false,
			elsewhere: [{ path: '/etc/default/grub' }],
		});
		expect(readFileSync(file, 'utf8')).toContain(`\n${line}\n`);
		for (const words of asGrubParses(linuxLines(runMkconfig(root)))) expect(ours(words)).toEqual(argument.split(' '));
	}
});

test('a word for GRUB’s menu is read as the kernel is to get it', () => {
	const lines = kernelArguments.map((argument) => `linux /vmlinuz ro ${bootLines(argument).grubMenu}`);
	expect(asGrubParses(lines).map(ours)).toEqual(kernelArguments.map((argument) => argument.split(' ')));
});

test('without the escapes GRUB would lose a $ and what is behind it', () => {
	const [words] = asGrubParses([`linux /vmlinuz memmap=64M$1G quiet`]);
	expect(words).toEqual(['/vmlinuz', 'memmap=64MG', 'quiet']);
});
