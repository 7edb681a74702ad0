// The memory table that the memmap commands work on (this machine's, or that of a file or an image), and their exit
// statuses.
import { readFileSync, statSync } from 'node:fs';
import type { Command } from 'commander';
import { attempt } from '../attempt.ts';
import { invalidArgValue } from '../errors.ts';
import type { MemoryTable } from '../memmap/index.ts';
import { complainOf } from './output.ts';
import { troubleStatus } from './usage.ts';

export interface TableFlags {
	from?: string;
	json?: boolean;
}

export const fromOption = [
	'--from <file>',
	'file with a memory table, or a kernel’s log; - is standard input (default: this machine)',
] as const;

/**
 * The flags of a subcommand. The command above it has some of the same flags, and takes those that stand before the
 * subcommand.
 */
export const flagsWithAbove = <Flags extends TableFlags>(flags: Flags, command: Command): Flags => ({
	...command.parent?.opts<TableFlags>(),
	...flags,
});

const tablePaths = ['/sys/firmware/memmap', '/proc/iomem'];

/**
 * Refuses a root in which this machine's /sys or /proc is mounted, as it is for chroot. The image may be for another
 * machine.
 */
function requireOwnTable(root: string): void {
	const identity = (path: string) => attempt(() => statSync(path, { bigint: true })).value;
	for (const path of tablePaths) {
		const [here, there] = [identity(path), identity(`${root}${path}`)];
		if (here === undefined || here.dev !== there?.dev || here.ino !== there.ino) continue;
		const expected = `given with --from, or with the argument: ${root}${path} belongs to this machine, and the image may be for another`;
		throw invalidArgValue('root', expected, root);
	}
}

/** Reads this machine's table, or that of a file, of standard input, or of an image. */
export async function tableOf({ from, root }: TableFlags & { root?: string }): Promise<MemoryTable> {
	const { parseMemoryTable, readMemoryTable } = await import('../memmap/index.ts');
	if (from === '-') return parseMemoryTable(readFileSync(0, 'utf8'), 'standard input');
	if (from !== undefined) return readMemoryTable({ from });
	const table = readMemoryTable(root === undefined ? {} : { root });
	if (root !== undefined && root !== '/') requireOwnTable(root);
	return table;
}

const sources: Partial<Record<MemoryTable['source'], string>> = {
	sysfs: 'the firmware’s table in /sys/firmware/memmap',
	iomem: '/proc/iomem, after memmap= and mem= have changed it',
	'BIOS-e820': 'the firmware’s table in the kernel’s log',
	user: 'the kernel’s changed table in its log',
};

export const sourceWords = ({ source }: Pick<MemoryTable, 'source'>): string =>
	sources[source] ?? `the table ${source}`;

/**
 * Runs the body of a command that answers a question, and sets the exit status: 0 for yes, 1 for no. It is 2 if the
 * answer is not known (undefined), or if the body throws.
 */
export async function asked(command: string, body: () => Promise<boolean | undefined>): Promise<void> {
	try {
		const is = await body();
		process.exitCode = is === undefined ? troubleStatus : is ? 0 : 1;
	} catch (error) {
		process.exitCode = troubleStatus;
		complainOf(`daxkind ${command}`, error);
	}
}
