// `daxkind memmap verify`: whether emulated persistent memory is there after a boot, and can be used with DAX.
import type { Command } from 'commander';
import type { EmulatedDevice, MemmapVerification } from '../memmap/index.ts';
import { formatChain } from './chain.ts';
import { asked, flagsWithAbove, type TableFlags } from './memmap-table.ts';
import { aligned, commandLines, jsonOption, paint, sentence, toJson } from './output.ts';

const listed = new Intl.ListFormat('en');

/** The mount points or devices of the memory, where all is in order. */
const places = (devices: readonly EmulatedDevice[]): string =>
	listed.format(devices.flatMap(({ mountPoint, device }) => mountPoint ?? device ?? []));

/** The answer, in one line. */
function answerLine({ ok, argument, reason, devices }: MemmapVerification): string {
	if (ok) return paint('green', sentence(`${argument} is in force, with DAX on ${places(devices)}`));
	if (argument === undefined) return paint('red', sentence(`No emulated persistent memory: ${reason}`));
	if (ok === false) return paint('red', sentence(`Not ready: ${reason}`));
	return paint('yellow', sentence(`It is not known whether ${argument} is ready: ${reason}`));
}

/** What to do. A long command is not broken into lines, so that a person can copy it. */
function nextSteps({ remedy, devices }: MemmapVerification): string {
	if (remedy === undefined) return '';
	const ways = devices.map(({ format }) => format).find((lines) => lines.some(({ mkfs }) => remedy.startsWith(mkfs)));
	if (ways === undefined) return aligned([['Fix:', remedy]], 0);
	const warning = ways.some(({ mkfs }) => remedy === mkfs) ? '' : ', which destroys its contents';
	const titles = ways.map(({ fileSystem }, at) => `${at === 0 ? 'Fix' : 'Or'}, with ${fileSystem}${warning}:`);
	return ways.map(({ mkfs, mount }, at) => `${titles[at]}\n${commandLines([mkfs, mount])}`).join('');
}

function formatVerification(verification: MemmapVerification): string {
	const { checks, reason } = verification;
	return `${answerLine(verification)}\n${nextSteps(verification)}\n${formatChain(checks, reason)}`;
}

/** Adds the `verify` subcommand to `memmap`. */
export function addMemmapVerify(memmap: Command): void {
	memmap
		.command('verify')
		.summary('check after the reboot that the memory is there, with DAX')
		.description(
			`Checks everything that has to be in order after a boot with memmap=SIZE!START, from the kernel's command line through regions and disks to the mount and DAX. It prints each link with what it read, where it read that, and what fixes the link. The first broken link is the answer. Changes nothing. Only root sees addresses and what is on disks that are not mounted.`,
		)
		.argument('[argument...]', "the planned argument: 'memmap=4G!4G' (default: those of this boot and of the next one)")
		.option(...jsonOption)
		.addHelpText(
			'after',
			`
Marks: ✓ in order, ✗ broken, ! a limit or a danger, ? not known

Exit status: 0 if all is in order, up to DAX; 1 if something is not; 2 for wrong
  usage, and where the answer is not known.

Examples:
  daxkind memmap verify
  daxkind memmap verify 'memmap=4G!4G'`,
		)
		.action(async (words: string[], given: TableFlags, command: Command) => {
			const { json, from } = flagsWithAbove(given, command);
			if (from !== undefined) command.error('error: verify looks at this machine, so it takes no --from');
			await asked('memmap verify', async () => {
				const { verifyMemmap } = await import('../memmap/index.ts');
				const verification = verifyMemmap(words.length === 0 ? undefined : words.join(' '));
				process.stdout.write(json ? toJson(verification) : formatVerification(verification));
				return verification.ok;
			});
		});
}
