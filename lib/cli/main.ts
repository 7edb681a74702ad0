#!/usr/bin/env node
// The `daxkind` command: one file per subcommand, added here.
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { shown } from '../format.ts';
import { addBadBlocksCommand } from './badblocks.ts';
import { addChattrCommand } from './chattr.ts';
import { addDeviceOperations } from './device-operations.ts';
import { addDeviceCommands } from './devices.ts';
import { addExplainCommand } from './explain.ts';
import { addInspectCommand } from './inspect.ts';
import { addLsattrCommand } from './lsattr.ts';
import { addMemmapCommand } from './memmap.ts';
import { addMountsCommand } from './mounts.ts';
import { complain, linesOf } from './output.ts';
import { addRepairCommand } from './repair.ts';
import { addStatxCommand } from './statx.ts';
import { usageStatus } from './usage.ts';
import { addVmCommand } from './vm.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
	version: string;
};

/** commander's errors quote what they are about; behind that they may have a line of their own. */
function outputError(text: string, write: (text: string) => void): void {
	const [message = '', hint = ''] = text.trimEnd().split(/(\n\(Did you mean [^\n]*\?\))$/);
	write(`${shown(message)}${hint}\n`);
}

const program = new Command('daxkind')
	.description("Persistent memory as a Node service's volatile memory, and the tools that say why DAX is off")
	.version(version)
	.enablePositionalOptions()
	.exitOverride()
	.configureOutput({ outputError });
addExplainCommand(program);
addInspectCommand(program);
addMountsCommand(program);
addStatxCommand(program);
addLsattrCommand(program);
addChattrCommand(program);
addBadBlocksCommand(program);
addRepairCommand(program);
addDeviceCommands(program);
addDeviceOperations(program);
addMemmapCommand(program);
addVmCommand(program);

// A reader that goes away (`| head -1`) is no error; a command that has more to do than print listens for itself.
for (const stream of [process.stdout, process.stderr]) {
	stream.on('error', (error: NodeJS.ErrnoException) => {
		if (error.code === 'EPIPE') return;
		process.exitCode = 1;
		if (stream === process.stdout) complain('daxkind', error.message);
	});
}

try {
	await program.parseAsync();
} catch (error) {
	if (error instanceof CommanderError) {
		// commander has said what is wrong; help and version are no errors.
		process.exitCode = error.exitCode === 0 ? 0 : usageStatus;
	} else {
		// With a code of ours the message says all; anything else is a fault of ours.
		const { code = '', message, stack } = error as NodeJS.ErrnoException;
		complain('daxkind', ...linesOf(code.startsWith('ERR_DAXKIND_') ? message : `${stack}`));
		process.exitCode ??= 1;
	}
}
