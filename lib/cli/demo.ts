// `daxkind demo`: arguments and exit status; what it does is in lib/demo.
import { constants } from 'node:os';
import { type Command, InvalidArgumentError } from 'commander';
import { complain } from './output.ts';
import { flagMessage, isUsageError, usageStatus } from './usage.ts';

function parseCount(text: string): number {
	if (!/^\d+$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
	return Number(text);
}

function parseRequests(text: string): number {
	const count = parseCount(text);
	if (count < 1) throw new InvalidArgumentError('It must be at least 1.');
	return count;
}

function parsePort(text: string): number {
	const port = parseCount(text);
	if (port > 65_535) throw new InvalidArgumentError('It must be at most 65535.');
	return port;
}

function parseSize(text: string): number {
	const match = /^(\d+)([KMGT]?)$/i.exec(text);
	if (!match) throw new InvalidArgumentError('It must be bytes, or a number with K, M, G or T: 512M.');
	return Number(match[1]) * 1024 ** ' KMGT'.indexOf(match[2]?.toUpperCase() || ' ');
}

/** Adds the `demo` subcommand. */
export function addDemoCommand(program: Command): void {
	program
		.command('demo')
		.description('run an HTTP service that keeps its values in a pmem kind, load it, and verify every byte')
		.option('--serve', 'stay up instead, for you to try')
		.option('--port <number>', 'port on 127.0.0.1 (default: any free one)', parsePort)
		.option('--dir <directory>', 'where to keep the values (default: the first DAX mount, else tmpfs)')
		.option('--max-size <size>', 'capacity of the kind, at least 16M (default: what the file system has)', parseSize)
		.option('--requests <count>', 'requests of the load', parseRequests, 20_000)
		.action(async (options) => {
			// Only here is the native addon needed; the other commands do without it.
			const { runDemo } = await import('../demo/index.ts');
			// As SIGPIPE would: nobody reads what it finds out, or how to reach it.
			process.stdout.on('error', () => process.exit(128 + constants.signals.SIGPIPE));
			try {
				process.exitCode = await runDemo(options);
			} catch (error) {
				// With a code it is about the machine or the arguments, and its message says all.
				if (!(error instanceof Error && 'code' in error)) throw error;
				complain('daxkind demo', flagMessage(error));
				process.exitCode = isUsageError(error) ? usageStatus : 1;
			}
		});
}
