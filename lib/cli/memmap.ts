// `daxkind memmap`: the machine's memory as a picture. Its subcommands have files of their own.
import type { Command } from 'commander';
import { addMemmapApply, addMemmapUndo } from './memmap-boot.ts';
import { addMemmapPlan } from './memmap-plan.ts';
import { asked, fromOption, sourceWords, type TableFlags, tableOf } from './memmap-table.ts';
import { addMemmapVerify } from './memmap-verify.ts';
import { formatPicture } from './memory-picture.ts';
import { jsonOption, paint, toJson, width } from './output.ts';

/** Adds the `memmap` subcommand and those below it. */
export function addMemmapCommand(program: Command): void {
	const memmap = program
		.command('memmap')
		.description(
			'Shows the memory of this machine: what is free, and what the firmware, devices and the kernel’s command line take. The kernel option memmap=SIZE!START makes persistent memory of a part of it, on machines that have none. `plan` finds a part that is safe to take, and `apply` makes each boot take it. x86 only. Changes nothing and needs no root.',
		)
		.option(...fromOption)
		.option(...jsonOption)
		.addHelpText('after', '\nExit status: 0, or 2 where there is no table.\n\nExample: daxkind memmap')
		.action(async (flags: TableFlags) => {
			await asked('memmap', async () => {
				const table = await tableOf(flags);
				const text = `${paint('bold', `Memory, by ${sourceWords(table)}`)}\n\n${formatPicture(table, [], width())}`;
				process.stdout.write(flags.json ? toJson(table) : text);
				return true;
			});
		});
	addMemmapPlan(memmap);
	addMemmapApply(memmap);
	addMemmapUndo(memmap);
	addMemmapVerify(memmap);
}
