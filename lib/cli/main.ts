#!/usr/bin/env node
// The `daxkind` command: one file per subcommand, added here.
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { addChattrCommand } from './chattr.ts';
import { addDemoCommand } from './demo.ts';
import { addExplainCommand } from './explain.ts';
import { addInspectCommand } from './inspect.ts';
import { addLsattrCommand } from './lsattr.ts';
import { addMountsCommand } from './mounts.ts';
import { addStatxCommand } from './statx.ts';
import { usageStatus } from './usage.ts';
import { addVmCommand } from './vm.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
	version: string;
};

const program = new Command('daxkind')
	.description("Persistent memory as a Node service's volatile memory, and the tools that say why DAX is off")
	.version(version)
	.enablePositionalOptions()
	.exitOverride();
addExplainCommand(program);
addInspectCommand(program);
addMountsCommand(program);
addStatxCommand(program);
addLsattrCommand(program);
addChattrCommand(program);
addVmCommand(program);
addDemoCommand(program);

// A reader that goes away (`| head -1`) is no error; a command that has more to do than print listens for itself.
for (const stream of [process.stdout, process.stderr]) {
	stream.on('error', (error: NodeJS.ErrnoException) => {
		if (error.code === 'EPIPE') return;
		process.exitCode = 1;
		if (stream === process.stdout) process.stderr.write(`daxkind: ${error.message}\n`);
	});
}

try {
	await program.parseAsync();
} catch (error) {
	if (!(error instanceof CommanderError)) throw error;
	// commander has said what is wrong; help and version are no errors.
	process.exitCode = error.exitCode === 0 ? 0 : usageStatus;
}
