// Which boot loader starts a machine's kernel, and where the kernel's arguments are configured for it.
import { requireOptions } from '../../arguments.ts';
import { treeOf } from '../../tree.ts';
import { type BootEvidence, type BootFacts, bootFacts } from './facts.ts';

/** How a machine is booted. */
export interface BootSetup {
	loader: 'grub' | 'systemd-boot' | undefined;
	/**
	 * Where the kernel's arguments are configured. `grub-drop-in`: GRUB, in files in /etc/default/grub.d. `grub-default`:
	 * GRUB, in /etc/default/grub only. `grubby`: GRUB's entries of the Boot Loader Specification, by the command grubby.
	 * `kernel-install`: in /etc/kernel/cmdline, from which kernel-install makes entries. `entries`: entries that are
	 * edited by hand. Undefined if none of these is found.
	 */
	configuration: 'grub-drop-in' | 'grub-default' | 'grubby' | 'kernel-install' | 'entries' | undefined;
	/** Undefined for an image, which has no /sys, and in containers that do not show it. */
	firmware: 'uefi' | 'bios' | undefined;
	/** The reason, as a sentence without its full stop. */
	reason: string;
	/** What was read, and where. */
	evidence: BootEvidence[];
}

/** The loader as it named itself to the firmware, or else as its files show. */
function loaderOf({ loaderInfo, mkconfig, grubConfig, hasGrubDefault, systemdBoot, isGrubWithEntries }: BootFacts) {
	if (/^systemd-boot/i.test(loaderInfo ?? '')) return 'systemd-boot';
	if (/^grub/i.test(loaderInfo ?? '')) return 'grub';
	// Many images have only the tools, without either configuration, and are not started by GRUB.
	const hasGrub = (mkconfig !== undefined && hasGrubDefault) || grubConfig !== undefined || isGrubWithEntries;
	return hasGrub ? 'grub' : systemdBoot !== undefined ? 'systemd-boot' : undefined;
}

type Conclusion = Pick<BootSetup, 'configuration' | 'reason'>;

function entriesConfiguration({ usesKernelInstall, entries }: BootFacts, who: string): Conclusion {
	if (usesKernelInstall) {
		return { configuration: 'kernel-install', reason: `${who} reads entries that kernel-install makes` };
	}
	if (entries.length > 0) {
		return { configuration: 'entries', reason: `${who} reads entries that kernel-install does not make` };
	}
	return { configuration: undefined, reason: `${who} reads entries, but this user cannot see any` };
}

function grubConfiguration(facts: BootFacts): Conclusion {
	if (facts.isGrubWithEntries) {
		if (!facts.hasGrubby) return entriesConfiguration(facts, 'GRUB');
		return { configuration: 'grubby', reason: 'GRUB reads entries that grubby changes' };
	}
	const { mkconfig, readsDropIns } = facts;
	if (mkconfig === undefined) {
		return { configuration: undefined, reason: 'there is GRUB here, but no grub-mkconfig' };
	}
	return readsDropIns
		? { configuration: 'grub-drop-in', reason: `GRUB's ${mkconfig} reads files in /etc/default/grub.d` }
		: { configuration: 'grub-default', reason: `GRUB's ${mkconfig} reads /etc/default/grub and no other file` };
}

/** The setup that follows from the facts. */
export function setupOf(facts: BootFacts): BootSetup {
	const { firmware, evidence } = facts;
	const loader = loaderOf(facts);
	const conclusion =
		loader === 'grub'
			? grubConfiguration(facts)
			: loader === 'systemd-boot'
				? entriesConfiguration(facts, 'systemd-boot')
				: { configuration: undefined, reason: 'neither GRUB nor systemd-boot was found' };
	return { loader, ...conclusion, firmware, evidence };
}

/**
 * Says how a machine is booted, and where the arguments of its kernel are configured. It looks at programs and
 * configurations, never at the distribution's name. It needs no privileges, starts no process and changes nothing. It
 * blocks the thread while it reads some small files.
 *
 * @param options `root`: a directory where the image of another machine is mounted. Default: this machine.
 * @throws TypeError for wrong options; ENOENT if `root` does not exist.
 * @example
 * const { loader, configuration, firmware } = detectBoot();
 */
export function detectBoot(options?: { root?: string }): BootSetup {
	const given = requireOptions('options', options, ['root']);
	return setupOf(bootFacts(treeOf(given.root)));
}
