#!/usr/bin/env node
// The `daxkind` command: finds out which subcommand is meant, and turns its errors into messages and exit statuses.
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { groups } from './commands.ts';
import { complain, complaint, linesOf } from './output.ts';
import { usageStatus } from './usage.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
	version: string;
};

/**
 * Puts commander's message about wrong usage into the form of all our errors. A line with a guess may follow the
 * message. commander's mention of the option is cut where our own parser names it already.
 */
function usageComplaint(who: string, text: string): string {
	const [message = '', ...guesses] = text.trimEnd().split(/\n(?=\(Did you mean [^\n]*\?\)$)/);
	const words = message.replace(/^error: /, '').replace(/^option '.*' argument '.*' is invalid\. (?=--)/s, '');
	return complaint(who, words, ...guesses, `(${who} --help says more)`);
}

/** Makes a command, and those below it, begin its messages about wrong usage with its own name. */
function nameErrors(command: Command, who: string): void {
	command.configureOutput({ outputError: (text, write) => write(usageComplaint(who, text)) });
	for (const below of command.commands) nameErrors(below, `${who} ${below.name()}`);
}

/** Adds the requested subcommand. Of the others it adds only their text in the main help. */
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
  daxkind mounts --all         # where DAX is on, and why not elsewhere
  daxkind vm -- npm test       # on emulated pmem with real DAX, in a VM

daxkind COMMAND --help has the options, the exit statuses and examples of each.
docs/cli.md of the package describes the JSON documents.`;

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

// A reader that goes away (`| head -1`) is no error. A command that has to do more than print listens for it itself.
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
		// commander has printed what is wrong. Help and version are no errors.
		process.exitCode = error.exitCode === 0 ? 0 : usageStatus;
	} else {
		// With one of our codes, the message is enough. Any other error is a bug of ours, so its stack is printed.
		const { code = '', message, stack } = error as NodeJS.ErrnoException;
		complain('daxkind', ...linesOf(code.startsWith('ERR_DAXKIND_') ? message : `${stack}`));
		process.exitCode ??= 1;
	}
}
