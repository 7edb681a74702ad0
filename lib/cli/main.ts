#!/usr/bin/env node
// The `daxkind` command: one file per subcommand, added here.
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { addDemoCommand } from './demo.ts';
import { addVmCommand } from './vm.ts';

const USAGE_ERROR = 2;

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

try {
	await program.parseAsync();
} catch (error) {
	if (!(error instanceof CommanderError)) throw error;
	// commander has said what is wrong; help and version are no errors.
	process.exitCode = error.exitCode === 0 ? 0 : USAGE_ERROR;
}
