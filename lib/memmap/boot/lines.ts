// Writes a kernel argument in the form that each place of a boot configuration wants.
import { quoted } from '../../format.ts';
import { requireArgument } from './argument.ts';
import { dropInPath, dropInText } from './drop-in.ts';
import { fitsGrubEntry, forGrub, grubbyCommand, grubDefaultLine } from './quoting.ts';

/** A kernel argument in the form that each place wants. */
export interface BootLines {
	/**
	 * As the kernel gets it, and /proc/cmdline shows it. This form is for boot loaders that pass a line on as it is, for
	 * the editor of systemd-boot's menu, for PXE, and for /etc/kernel/cmdline, from which kernel-install makes entries.
	 */
	kernel: string;
	/**
	 * As one word of a shell command: `qemu -append`, `kexec --append=`. It is safe from the history expansion of an
	 * interactive bash.
	 */
	shell: string;
	/** What to add to the line that begins with `linux` in grub.cfg or, for one boot, in the editor of GRUB's menu (key e). */
	grubMenu: string;
	/** A line for the end of /etc/default/grub. */
	grubDefault: string;
	/** A separate file, for machines where grub-mkconfig reads /etc/default/grub.d: Debian and its descendants. */
	grubDropIn: { path: string; text: string };
	/**
	 * A command for entries that GRUB reads, as Fedora and RHEL have them. Undefined if there is a `$`, which GRUB would
	 * lose there.
	 */
	grubby: string | undefined;
	/** What to add to the `options` line of an entry in /boot/loader/entries that systemd-boot reads. */
	loaderEntry: string;
	/** The same for an entry that GRUB reads. Undefined if there is a `$`, which GRUB would lose there. */
	grubLoaderEntry: string | undefined;
}

/**
 * Writes a kernel argument for each place where boot loaders look for it, quoted and escaped. It is pure.
 *
 * @param argument `memmap=SIZE!START` or `memmap=SIZE$START`, several of them with blanks between, and `nokaslr` if
 * wanted.
 * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE for anything else.
 * @example
 * const { grubDefault, grubby } = bootLines('memmap=4G!4G');
 */
export function bootLines(argument: string): BootLines {
	const words = requireArgument(argument);
	const kernel = words.join(' ');
	const isForGrubEntry = fitsGrubEntry(words);
	return {
		kernel,
		shell: quoted(kernel),
		grubMenu: forGrub(kernel),
		grubDefault: grubDefaultLine(words),
		grubDropIn: { path: dropInPath, text: dropInText(words) },
		grubby: isForGrubEntry ? grubbyCommand(words) : undefined,
		loaderEntry: kernel,
		grubLoaderEntry: isForGrubEntry ? kernel : undefined,
	};
}
