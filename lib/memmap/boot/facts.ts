// Reads the files that say how a machine starts its kernel: programs, configurations and entries of boot loaders.
import { basename } from 'node:path';
import type { Tree } from '../../tree.ts';

/** A value, and where it was read. */
export interface BootEvidence {
	value: string;
	source: string;
}

/** What was found, before anything is concluded from it. */
export interface BootFacts {
	firmware: 'uefi' | 'bios' | undefined;
	/**
	 * What the boot loader called itself when it started this machine: `systemd-boot 252`, `GRUB 2.12`. The firmware
	 * keeps it.
	 */
	loaderInfo: string | undefined;
	/** The name of the program that makes GRUB's configuration. */
	mkconfig: string | undefined;
	/** Whether that program reads /etc/default/grub.d. */
	readsDropIns: boolean;
	/** Whether the machine has update-grub, Debian's short name for that program. */
	hasUpdateGrub: boolean;
	hasGrubDefault: boolean;
	/** The configuration that GRUB reads. Undefined where there is none, or this user may not see it. */
	grubConfig: string | undefined;
	/** Whether GRUB reads entries of the Boot Loader Specification. */
	isGrubWithEntries: boolean;
	hasGrubby: boolean;
	/** The program of systemd-boot that the firmware would start. */
	systemdBoot: string | undefined;
	/** The files of the entries. Empty where this user may not see them. */
	entries: string[];
	/** Whether kernel-install made the entries, or is configured to. */
	usesKernelInstall: boolean;
	evidence: BootEvidence[];
}

/** The directories in which distributions keep programs for administrators. */
const programDirectories = ['/usr/sbin', '/usr/bin', '/sbin', '/bin', '/usr/local/sbin'];

const programPath = (tree: Tree, name: string): string | undefined =>
	programDirectories.map((directory) => `${directory}/${name}`).find((path) => tree.resolve(path) !== undefined);

/**
 * Where the file system that the firmware reads is mounted, and what takes its place (the Boot Loader Specification).
 */
const bootPartitions = ['/efi', '/boot', '/boot/efi'];

/** The variable is of systemd's boot loader interface. GRUB has it since 2.12. */
const loaderInfoPath = '/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f';
/**
 * The length of the attributes of a variable, which are in front of its content
 * (Documentation/filesystems/efivarfs.rst).
 */
const attributeBytes = 4;

function loaderInfoOf(tree: Tree): string | undefined {
	const text = tree.bytes(loaderInfoPath).value?.subarray(attributeBytes).toString('utf16le');
	return text?.replaceAll('\0', '').trim() || undefined;
}

/** The value that a file for shells sets a variable to last. */
function shellVariable(text: string | undefined, name: string): string | undefined {
	return [...(text ?? '').matchAll(new RegExp(`^[ \\t]*${name}=["']?([^"'\\s#]*)`, 'gm'))].at(-1)?.[1];
}

/**
 * The path of GRUB's configuration. Fedora and RHEL have links in /etc that say where it is. The link for UEFI once led
 * to the partition of the firmware. Now a file is there that must stay as it is.
 */
function grubConfigOf(tree: Tree, firmware: BootFacts['firmware']): string | undefined {
	const links = firmware === 'uefi' ? ['/etc/grub2-efi.cfg', '/etc/grub2.cfg'] : ['/etc/grub2.cfg'];
	const linked = links.map((path) => tree.resolve(path)).find((path) => path !== undefined);
	return linked ?? ['/boot/grub2/grub.cfg', '/boot/grub/grub.cfg'].find((path) => tree.resolve(path) !== undefined);
}

function firmwareOf(tree: Tree): BootFacts['firmware'] {
	if (tree.isDirectory('/sys/firmware/efi')) return 'uefi';
	// An image has no /sys, and a container has an empty directory there. Neither says anything.
	return tree.list('/sys/firmware').length > 0 ? 'bios' : undefined;
}

/**
 * Whether kernel-install made the entries. It names them TOKEN-VERSION, with a + and numbers if tries are counted.
 * People who write entries themselves do not use such names.
 */
function isMadeByKernelInstall(tree: Tree, entries: readonly string[]): boolean {
	const versions = tree.list('/lib/modules');
	const names = entries.map((path) => basename(path, '.conf').replace(/\+\d+(?:-\d+)?$/, ''));
	return names.some((name) => versions.some((version) => name.endsWith(`-${version}`)));
}

/** Finds the facts of a machine. It reads a few small files, needs no privileges and changes nothing. */
export function bootFacts(tree: Tree): BootFacts {
	const firmware = firmwareOf(tree);
	const loaderInfo = loaderInfoOf(tree);
	const mkconfig = ['grub-mkconfig', 'grub2-mkconfig'].find((name) => programPath(tree, name) !== undefined);
	const mkconfigPath = mkconfig && programPath(tree, mkconfig);
	const grubDefault = tree.read('/etc/default/grub').value;
	const grubConfig = grubConfigOf(tree, firmware);
	const grubConfigText = grubConfig && tree.read(grubConfig).value;
	const enabled = shellVariable(grubDefault, 'GRUB_ENABLE_BLSCFG');
	const hasCommand = /^\s*blscfg\b/m.test(grubConfigText ?? '');
	const entries = bootPartitions
		.map((partition) => `${partition}/loader/entries`)
		.flatMap((directory) => tree.list(directory).map((name) => `${directory}/${name}`))
		.filter((path) => path.endsWith('.conf'));
	const systemdBoot = bootPartitions
		.map((partition) => `${partition}/EFI/systemd`)
		.flatMap((directory) => tree.list(directory).map((name) => `${directory}/${name}`))
		.find((path) => /\/systemd-boot\w+\.efi$/i.test(path));
	const hasKernelInstall = programPath(tree, 'kernel-install') !== undefined;
	const isConfigured = entries.length === 0 && tree.stat('/etc/kernel/cmdline') !== undefined;
	const facts = {
		firmware,
		loaderInfo,
		mkconfig,
		readsDropIns: mkconfigPath !== undefined && (tree.read(mkconfigPath).value ?? '').includes('default/grub.d'),
		hasUpdateGrub: programPath(tree, 'update-grub') !== undefined,
		hasGrubDefault: tree.stat('/etc/default/grub') !== undefined,
		grubConfig,
		isGrubWithEntries: enabled === 'true' || (enabled === undefined && hasCommand),
		hasGrubby: programPath(tree, 'grubby') !== undefined,
		systemdBoot,
		entries,
		usesKernelInstall: hasKernelInstall && (isConfigured || isMadeByKernelInstall(tree, entries)),
	};
	const has = (isThere: boolean) => (isThere ? 'there' : 'not there');
	const evidence = [
		{ value: has(tree.isDirectory('/sys/firmware/efi')), source: '/sys/firmware/efi' },
		{ value: loaderInfo ?? 'not there', source: 'LoaderInfo, a variable of the firmware' },
		{ value: mkconfigPath ?? 'not there', source: 'grub-mkconfig, grub2-mkconfig' },
		{ value: facts.readsDropIns ? 'read' : 'not read', source: '/etc/default/grub.d, in the text of that program' },
		{ value: grubConfig ?? 'not there, or hidden from this user', source: 'grub.cfg' },
		{ value: enabled ?? 'not set', source: 'GRUB_ENABLE_BLSCFG in /etc/default/grub' },
		{ value: has(facts.hasGrubby), source: 'grubby' },
		{ value: systemdBoot ?? 'not there, or hidden from this user', source: 'systemd-boot, in EFI/systemd' },
		{ value: `${entries.length}`, source: 'entries in loader/entries that this user sees' },
		{ value: facts.usesKernelInstall ? 'used' : 'not used', source: 'kernel-install, by the names of the entries' },
	];
	return { ...facts, evidence };
}
