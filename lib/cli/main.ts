#!/usr/bin/env node
// The `daxkind` command: finds out which subcommand is asked for, and how its errors end.
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { groups } from './commands.ts';
import { complain, complaint, linesOf } from './output.ts';
import { usageStatus } from './usage.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
	version: string;
};

/**
 * What commander says is wrong, in the form of all our errors. It quotes what it is about, and may have a line of its own behind that.
 * A parser of ours that names the option itself needs no second mention of it.
 */
function usageComplaint(who: string, text: string): string {
	const [message = '', ...guesses] = text.trimEnd().split(/\n(?=\(Did you mean [^\n]*\?\)$)/);
	const words = message.replace(/^error: /, '').replace(/^option '.*' argument '.*' is invalid\. (?=--)/s, '');
	return complaint(who, words, ...guesses, `(${who} --help says more)`);
}

/** Has a command, and those below it, say its own name where it is used wrongly. */
function nameErrors(command: Command, who: string): void {
	command.configureOutput({ outputError: (text, write) => write(usageComplaint(who, text)) });
	for (const below of command.commands) nameErrors(below, `${who} ${below.name()}`);
}

/** Adds the subcommand that is asked for; of the others only what the main help says of them. */
async function addCommands(program: Command, asked: string | undefined): Promise<void> {
	for (const { heading, files } of groups) {
		program.commandsGroup(heading);
		for (const { summaries, load } of files) {
			if (asked !== undefined && Object.hasOwn(summaries, asked)) (await load())(program);
			for (const [name, summary] of Object.entries(summaries)) {
				const command = program.commands.find((added) => added.name() === name) ?? program.command(name);
				command.summary(summary);
			}
		}
	}
	program.commandsGroup('More:');
	program
		.command('version')
		.summary('print the version')
		.action(() => console.log(version));
}

const help = `
Examples:
  daxkind explain /mnt/pmem    # is it on DAX, and if not, what to do
  daxkind mounts --all         # where it is, and why not elsewhere
  daxkind vm -- npm test       # on emulated pmem with real DAX, in a VM

daxkind COMMAND --help has the options, the exit statuses and examples of each.
docs/cli.md of the package has the JSON documents, for programs.`;

const program = new Command('daxkind')
	.description("Persistent memory as a Node service's volatile memory, and the tools that say why DAX is off")
	.usage('COMMAND [options]')
	.version(version, '-V, --version', 'print the version')
	.helpOption('-h, --help', 'print this, or the help of a command')
	.configureHelp({ subcommandTerm: (command) => command.name() })
	.addHelpText('after', help)
	.enablePositionalOptions()
	.exitOverride();

const given = process.argv.slice(2);
const words = given.filter((word) => !word.startsWith('-'));
await addCommands(program, words[0] === 'help' ? words[1] : words[0]);
program.helpCommand('help [command]', 'print the help of a command');
nameErrors(program, 'daxkind');

// A reader that goes away (`| head -1`) is no error; a command that has more to do than print listens for itself.
for (const stream of [process.stdout, process.stderr]) {
	stream.on('error', (error: NodeJS.ErrnoException) => {
		if (error.code === 'EPIPE') return;
		process.exitCode = 1;
		if (stream === process.stdout) complain('daxkind', error.message);
	});
}

try {
	await program.parseAsync(given, { from: 'user' });
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
