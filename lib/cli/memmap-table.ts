// The memory table that the memmap commands are about, and how they end: this machine's, that of a file or of an image.
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
	'a file with that table, or a kernel’s log; - is standard input (default: this machine)',
] as const;
export const jsonOption = ['--json', 'print one JSON document (docs/cli.md)'] as const;

/** The flags of a subcommand; the command above has some of the same, and takes what stands before its subcommand. */
export const flagsWithAbove = <Flags extends TableFlags>(flags: Flags, command: Command): Flags => ({
	...command.parent?.opts<TableFlags>(),
	...flags,
});

const tablePaths = ['/sys/firmware/memmap', '/proc/iomem'];

/** Refuses a root in which this machine's own /sys or /proc is mounted, as for chroot: the image may be of another machine. */
function requireOwnTable(root: string): void {
	const identity = (path: string) => attempt(() => statSync(path, { bigint: true })).value;
	for (const path of tablePaths) {
		const [here, there] = [identity(path), identity(`${root}${path}`)];
		if (here === undefined || here.dev !== there?.dev || here.ino !== there.ino) continue;
		const expected = `given with --from, or with the argument: ${root}${path} is of the machine that runs here, and the image may be of another`;
		throw invalidArgValue('root', expected, root);
	}
}

/** This machine's table, or that of a file, of standard input, or of an image. */
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
	iomem: '/proc/iomem, as memmap= and mem= have left it',
	'BIOS-e820': 'the firmware’s table in the kernel’s log',
	user: 'the kernel’s changed table in its log',
};

export const sourceWords = ({ source }: Pick<MemoryTable, 'source'>): string =>
	sources[source] ?? `the table of ${source}`;

/** Runs a question; what cannot be asked is trouble, and so is undefined, an answer that is not known. */
export async function asked(command: string, body: () => Promise<boolean | undefined>): Promise<void> {
	try {
		const is = await body();
		process.exitCode = is === undefined ? troubleStatus : is ? 0 : 1;
	} catch (error) {
		process.exitCode = troubleStatus;
		complainOf(`daxkind ${command}`, error);
	}
}
