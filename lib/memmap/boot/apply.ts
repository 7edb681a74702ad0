// Puts a memmap= argument on the kernel's command line of each boot, where a file that belongs to daxkind can do that,
// and takes it away again.
import { requireBoolean, requireOptions } from '../../arguments.ts';
import { refusal } from '../../errors.ts';
import { treeOf } from '../../tree.ts';
import { contradicts, isMemmapWord, missingFrom, requireArgument } from './argument.ts';
import { editCommands, type Machine, removeCommands, runningWords, updateCommands } from './commands.ts';
import { type Configured, type ConfiguredArgument, configuredIn } from './configured.ts';
import { type BootSetup, setupOf } from './detect.ts';
import { dropInPath, putDropIn, removeDropIn } from './drop-in.ts';
import { bootFacts } from './facts.ts';
import { fitsGrubEntry } from './quoting.ts';
import { requireMemory } from './require-memory.ts';

export interface ApplyMemmapOptions {
	/** A directory where the image of another machine is mounted. Default: the root of this machine. */
	root?: string;
	/** Change nothing, and say what would be changed. Default false. */
	dryRun?: boolean;
}

/** What a call did to the boot configuration of a machine. */
export interface BootChange {
	/** Whether a file was written, replaced or removed, or in a dry run, would be. */
	changed: boolean;
	dryRun: boolean;
	/**
	 * The path of daxkind's file. Undefined where the machine has no place for one, or there is nothing to write or to
	 * undo.
	 */
	path: string | undefined;
	/** What is in that file now, or in a dry run, would be. Undefined if there is no such file. */
	text: string | undefined;
	/** The arguments that were in that file before and no longer are, or in a dry run, no longer would be. */
	removed: string[];
	/**
	 * The parts of the argument that are configured nowhere, and that this call does not write. `next` begins with the
	 * command that adds them.
	 */
	missing: string[];
	/** Where others have configured arguments of this sort. These stay as they are. */
	elsewhere: ConfiguredArgument[];
	/** Files that this user may not read. They may have more such arguments. */
	unread: string[];
	/** How the machine is booted. */
	boot: BootSetup;
	/** What to do next, in order: commands, or a reboot. Empty if nothing remains to be done. */
	next: string[];
}

function machineOf(options: ApplyMemmapOptions | undefined): Machine & { dryRun: boolean; configured: Configured } {
	const given = requireOptions<ApplyMemmapOptions>('options', options, ['root', 'dryRun']);
	const { root, dryRun = false } = given;
	requireBoolean('options.dryRun', dryRun);
	const tree = treeOf(root);
	const facts = bootFacts(tree);
	const setup = setupOf(facts);
	return { tree, facts, setup, dryRun, configured: configuredIn(tree, facts, setup) };
}

/** Refuses an argument that the boot loader would not pass on, or that contradicts what others configured. */
function requireApplicable(
	{ setup: { configuration, loader, reason } }: Machine,
	{ elsewhere, resetBy }: Configured,
	words: readonly string[],
	missing: readonly string[],
): void {
	const argument = words.join(' ');
	if (configuration === undefined) {
		const remedy = `add this to the kernel's command line in the configuration of your boot loader: ${argument}`;
		throw refusal(
			'ERR_DAXKIND_NO_BOOT_LOADER',
			'/boot',
			`daxkind does not know how to configure the boot here: ${reason}`,
			remedy,
		);
	}
	if (loader === 'grub' && !configuration.startsWith('grub-') && !fitsGrubEntry(words)) {
		const what = `GRUB reads the $ in an entry of loader/entries as a variable, so the kernel would not get ${argument}`;
		throw refusal('ERR_DAXKIND_LOST_ARGUMENT', '/boot/loader/entries', what, 'use memmap=SIZE!START');
	}
	const other = elsewhere.find((found) => contradicts(words, found.words));
	if (other !== undefined) {
		const what = `${other.path} has ${other.words.join(' ')}, which overlaps ${argument}`;
		throw refusal('ERR_DAXKIND_MEMMAP_OVERLAP', other.path, what, 'remove it there first, or plan with it');
	}
	if (resetBy !== undefined && missing.length > 0) {
		const what = `${resetBy} is read after ${dropInPath} and replaces GRUB_CMDLINE_LINUX, so the argument would be lost`;
		const remedy = `keep the old value in ${resetBy}: GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX …"`;
		throw refusal('ERR_DAXKIND_LOST_ARGUMENT', resetBy, what, remedy);
	}
}

/**
 * Puts an argument on the kernel's command line of each boot. Where GRUB reads /etc/default/grub.d, it writes daxkind's
 * own file there, whole or not at all, and replaces an older one of daxkind's. Elsewhere it writes nothing, and `next`
 * has the command that does it. What others configured stays as it is, and a part of the argument that they have is not
 * written a second time. It runs nothing and never reboots: `next` says what remains to be done. It blocks the thread
 * while it reads some small files.
 *
 * @param argument `memmap=SIZE!START` or `memmap=SIZE$START`, several of them with blanks between, and `nokaslr` if
 * wanted.
 * @throws TypeError ERR_INVALID_ARG_TYPE; ERR_INVALID_ARG_VALUE for another argument, and for ranges that overlap or do
 * not begin and end at multiples of 2 MiB. Error ERR_DAXKIND_NOT_MEMORY for a range that the machine's firmware does
 * not call usable, if it has /sys/firmware/memmap; ERR_DAXKIND_NO_BOOT_LOADER if no boot configuration is known;
 * ERR_DAXKIND_MEMMAP_OVERLAP if it overlaps what others configured; ERR_DAXKIND_LOST_ARGUMENT if the kernel would not
 * get it; ERR_DAXKIND_FOREIGN_FILE if daxkind's file is not as it was written. All of these have `path` and `remedy`. A
 * system error (EACCES, EROFS of access, with `remedy`; ENOSPC) of access, mkdir, open, write, link or rename. After an
 * error nothing is written.
 * @example
 * const { path, text, next } = applyMemmap('memmap=4G!4G', { dryRun: true });
 */
export function applyMemmap(argument: string, options?: ApplyMemmapOptions): BootChange {
	const words = requireArgument(argument);
	const { dryRun, configured, ...machine } = machineOf(options);
	const { tree, setup } = machine;
	const missing = missingFrom(words, configured.words);
	requireMemory(tree, words.join(' '));
	requireApplicable(machine, configured, words, missing);
	const hasDropIns = setup.configuration === 'grub-drop-in';
	const nothing = { changed: false, text: undefined, removed: [] };
	const { changed, text, removed } = hasDropIns ? putDropIn(tree, missing, dryRun) : nothing;
	const others = configured.elsewhere.flatMap((found) => found.words);
	const edits = missing.length === 0 ? [] : editCommands(machine, missing, others);
	const running = runningWords(tree);
	const hasAll = running !== undefined && missingFrom(words, running).length === 0;
	const isDone = hasAll && !changed && edits.length === 0;
	const reboot = running === undefined || hasAll ? [] : ['reboot'];
	return {
		changed,
		dryRun,
		path: changed || text !== undefined ? dropInPath : undefined,
		text,
		removed,
		missing: hasDropIns ? [] : missing,
		elsewhere: configured.elsewhere,
		unread: configured.unread,
		boot: setup,
		next: isDone ? [] : [...edits, ...updateCommands(machine), ...reboot],
	};
}

/**
 * Removes the file that {@link applyMemmap} wrote, and the directory if it was made for that file. Then everything is
 * as before. Without such a file it removes nothing. If others configured such arguments, `next` says how to remove
 * those. If only the running kernel has some, `next` says how the next boot is without them. It runs nothing and never
 * reboots. It blocks the thread while it reads some small files.
 *
 * @throws Error ERR_DAXKIND_FOREIGN_FILE if the file is not as it was written, with `path` and `remedy`. A system error
 * (EACCES, EROFS of access, with `remedy`) of access or unlink.
 * @example
 * const { changed, next } = undoMemmap();
 */
export function undoMemmap(options?: ApplyMemmapOptions): BootChange {
	const { dryRun, configured, ...machine } = machineOf(options);
	const { tree, setup } = machine;
	const { changed, removed } = removeDropIn(tree, dryRun);
	const running = (runningWords(tree) ?? []).filter(isMemmapWord);
	// An argument that no file has can still be there at the next boot, because the boot loader may not have been told
	// yet.
	const isUndone = changed || (configured.elsewhere.length === 0 && running.length > 0);
	const todo = isUndone ? updateCommands(machine) : removeCommands(machine, configured.elsewhere);
	const tooMuch = missingFrom(running, isUndone ? configured.words : []);
	return {
		changed,
		dryRun,
		path: changed ? dropInPath : undefined,
		text: undefined,
		removed,
		missing: [],
		elsewhere: configured.elsewhere,
		unread: configured.unread,
		boot: setup,
		next: [...todo, ...(todo.length === 0 || tooMuch.length === 0 ? [] : ['reboot'])],
	};
}
