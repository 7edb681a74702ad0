#!/usr/bin/env node
// The `daxkind` command: one file per subcommand, added here.
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { addDemoCommand } from './demo.ts';
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
addVmCommand(program);
addDemoCommand(program);

// A reader that goes away (`| head -1`) is no error; a command that has more to do than print listens for itself.
for (const stream of [process.stdout, process.stderr]) {
	stream.on('error', (error: NodeJS.ErrnoException) => {
		if (error.code !== 'EPIPE') throw error;
	});
}

try {
	await program.parseAsync();
} catch (error) {
	if (!(error instanceof CommanderError)) throw error;
	// commander has said what is wrong; help and version are no errors.
	process.exitCode = error.exitCode === 0 ? 0 : usageStatus;
}
