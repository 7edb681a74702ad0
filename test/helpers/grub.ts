// GRUB itself, without a boot loader: its grub-mkconfig on the configuration of an image, and its parser of scripts.
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { expect, type TestContext } from 'vitest';
import { isCI } from '../../scripts/packages.mjs';
import { execFileSync, spawnSync } from './children.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const mkconfig = '/usr/sbin/grub-mkconfig';

/** The options for a mount namespace. An ordinary user gets it in a user namespace. */
const unshare = process.getuid!() === 0 ? ['-m'] : ['-rm'];

function findProblem(): string | undefined {
	if (!existsSync(mkconfig)) return 'no grub-mkconfig: apt-get install grub-common';
	if (spawnSync('grub-emu', ['--version']).status !== 0) return 'no grub-emu: apt-get install grub-emu';
	if (spawnSync('unshare', [...unshare, 'true']).status !== 0) return 'no mount namespaces: run as root';
	return undefined;
}

const problem = findProblem();

/**
 * Skips a test where GRUB's tools are missing, and says so. In CI the test fails, because scripts/packages.mjs installs
 * them there.
 */
export function requireGrub(context: TestContext): void {
	context.skip(process.arch !== 'x64', 'memmap= is for x86');
	if (problem !== undefined && !isCI) context.skip(problem);
	expect(problem).toBeUndefined();
}

/** The text of the grub-mkconfig that Debian installed on this machine. */
export const mkconfigText = (): Buffer => readFileSync(mkconfig);

/**
 * grub-mkconfig asks grub-probe for the devices of the file systems. An image has no devices, so this script answers.
 */
const probe = `#!/bin/sh
case "$*" in
*--target=device*) echo /dev/sda1 ;;
*--target=fs_uuid*) echo 3f6b0d4e-6e0b-4c63-a6ee-1d9c1a5a0b1d ;;
*--target=fs*) echo ext2 ;;
esac
`;

/** The scripts of grub-mkconfig that are run: they write the beginning and the entries of Linux. */
const scripts = ['00_header', '10_linux'];

/**
 * Runs grub-mkconfig with an image's /etc/default and /boot in the place of this machine's, and with our grub-probe.
 * grub-mkconfig checks its output with grub-script-check.
 *
 * @returns The /boot/grub/grub.cfg that it makes.
 */
export function runMkconfig(root: string): string {
	const directory = temporaryDirectory();
	const own = join(directory, 'grub.d');
	mkdirSync(own);
	for (const name of scripts) {
		writeFileSync(join(own, name), readFileSync(join('/etc/grub.d', name)));
		chmodSync(join(own, name), 0o755);
	}
	writeFileSync(join(directory, 'probe'), probe, { mode: 0o755 });
	const script = `
		mount --bind "$1/etc/default" /etc/default
		mount --bind "$1/boot" /boot
		mount --bind "$2/grub.d" /etc/grub.d
		mount --bind "$2/probe" /usr/sbin/grub-probe
		/usr/sbin/grub-mkconfig -o /boot/grub/grub.cfg`;
	execFileSync('unshare', [...unshare, 'sh', '-ec', script, 'sh', root, directory], { stdio: 'pipe' });
	return readFileSync(join(root, 'boot/grub/grub.cfg'), 'utf8');
}

/** The commands of a configuration that load a kernel. */
export const linuxLines = (config: string): string[] => config.split('\n').filter((line) => /^\s*linux\s/.test(line));

/** The arguments of each of these commands after GRUB has parsed them. GRUB prints them itself. */
export function asGrubParses(lines: readonly string[]): string[][] {
	const directory = temporaryDirectory();
	const config = `terminal_output console
function show {
  echo "command:"
  for argument in "$@"; do
    echo "argument:$argument"
  done
}
${lines.map((line) => line.replace(/^\s*linux\s/, 'show ')).join('\n')}
exit
`;
	writeFileSync(join(directory, 'grub.cfg'), config);
	const output = execFileSync('grub-emu', ['-d', directory, '-r', 'host'], {
		encoding: 'utf8',
		stdio: ['ignore', 'pipe', 'pipe'],
		env: { ...process.env, TERM: 'dumb' },
	});
	// GRUB colours its output and ends lines as a terminal wants it.
	const said = stripVTControlCharacters(output).replaceAll('\r', '').split('\n');
	const commands: string[][] = [];
	for (const line of said) {
		if (line.trim() === 'command:') commands.push([]);
		const [, argument] = /^argument:(.*)/.exec(line) ?? [];
		if (argument !== undefined) commands.at(-1)?.push(argument);
	}
	return commands;
}
