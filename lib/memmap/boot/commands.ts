// The commands that remain to be run, as an administrator would type them. They are for this machine, or for an image,
// from outside.
import { basename } from 'node:path';
import { quoted } from '../../format.ts';
import type { Tree } from '../../tree.ts';
import type { ConfiguredArgument } from './configured.ts';
import type { BootSetup } from './detect.ts';
import type { BootFacts } from './facts.ts';
import { grubbyCommand, grubDefaultLine } from './quoting.ts';

/** What the commands are about. */
export interface Machine {
	tree: Tree;
	facts: BootFacts;
	setup: BootSetup;
}

/** A command that runs on the machine, or in the image. */
const on = (tree: Tree, command: string) => (tree.root === '' ? command : `chroot ${quoted(tree.root)} ${command}`);
/** A file of the machine, for a command that runs here. */
const at = (tree: Tree, path: string) => quoted(`${tree.root}${path}`);

const kernelCmdline = '/etc/kernel/cmdline';
/** Where kernel-install looks, in its order. */
const cmdlineSources = ['/usr/lib/kernel/cmdline', '/proc/cmdline'];

/** Appends words to each line that a pattern selects. sed takes nothing in the words for its own syntax. */
const append = (selected: string, words: readonly string[], files: string) =>
	`sed -i ${quoted(`${selected} s/$/ ${words.join(' ')}/`)} ${files}`;

function cmdlineCommands({ tree }: Machine, words: readonly string[]): string[] {
	const file = at(tree, kernelCmdline);
	const add = append('$', words, file);
	if (tree.stat(kernelCmdline) !== undefined) return [add];
	// Without the file, kernel-install takes the line that the running kernel was booted with, without what the boot
	// loader added.
	const source = cmdlineSources.find((path) => tree.stat(path) !== undefined);
	if (source === undefined) return [`write the kernel's whole command line, ${words.join(' ')} included, to ${file}`];
	const copy = `tr -s ' ' '\\n' < ${at(tree, source)} | grep -v -e '^BOOT_IMAGE=' -e '^initrd=' | tr '\\n' ' ' > ${file}`;
	return [copy, add];
}

function entryDirectories(entries: readonly string[]): string[] {
	return [...new Set(entries.map((path) => path.slice(0, -basename(path).length)))];
}

/**
 * The commands that put words where the machine keeps its kernel's arguments, where no file that belongs to daxkind can
 * do that.
 */
export function editCommands(machine: Machine, words: readonly string[], others: readonly string[]): string[] {
	const { tree, facts, setup } = machine;
	switch (setup.configuration) {
		case 'grub-default':
			// The file may end without a newline.
			return [`printf '\\n%s\\n' ${quoted(grubDefaultLine(words))} >> ${at(tree, '/etc/default/grub')}`];
		case 'grubby':
			return [on(tree, grubbyCommand([...others, ...words]))];
		case 'kernel-install':
			return cmdlineCommands(machine, words);
		case 'entries':
			return [
				append(
					'/^options/',
					words,
					entryDirectories(facts.entries)
						.map((path) => `${at(tree, path)}*.conf`)
						.join(' '),
				),
			];
		default:
			return [];
	}
}

/** Where the kernel of a version is. */
function imageOf(tree: Tree, version: string): string | undefined {
	return [`/lib/modules/${version}/vmlinuz`, `/boot/vmlinuz-${version}`].find((path) => tree.stat(path) !== undefined);
}

/** The commands that make the boot loader see a configuration that was changed. */
export function updateCommands({ tree, facts, setup }: Machine): string[] {
	const { mkconfig = '', grubConfig, hasUpdateGrub } = facts;
	if (setup.configuration === 'grub-drop-in' && hasUpdateGrub) return [on(tree, 'update-grub')];
	if (setup.configuration === 'grub-drop-in' || setup.configuration === 'grub-default') {
		// A user who may not see it needs its path all the same. The path follows from the name of the program.
		const config = grubConfig ?? `/boot/${mkconfig.replace('-mkconfig', '')}/grub.cfg`;
		return [on(tree, `${mkconfig} -o ${quoted(config)}`)];
	}
	if (setup.configuration !== 'kernel-install') return [];
	return tree.list('/lib/modules').flatMap((version) => {
		const image = imageOf(tree, version);
		return image === undefined ? [] : [on(tree, `kernel-install add ${quoted(version)} ${quoted(image)}`)];
	});
}

/** The commands that remove the words of others again. */
export function removeCommands(machine: Machine, elsewhere: readonly ConfiguredArgument[]): string[] {
	const { tree, setup } = machine;
	if (elsewhere.length === 0) return [];
	if (setup.configuration === 'grubby') {
		const words = [...new Set(elsewhere.flatMap(({ words }) => words))].join(' ');
		return [on(tree, `grubby --update-kernel=ALL --remove-args=${quoted(words)}`)];
	}
	const edits = elsewhere.map(({ path, words }) => `take ${words.join(' ')} out of ${at(tree, path)}`);
	return [...edits, ...updateCommands(machine)];
}

/** The words that the running kernel was booted with. Undefined for an image, because it does not run. */
export const runningWords = (tree: Tree): string[] | undefined => tree.read('/proc/cmdline').value?.split(/\s+/);
