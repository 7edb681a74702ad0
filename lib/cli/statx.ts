// `daxkind statx`: what the kernel says of a file, in the lines of xfs_io's `statx -r`, so that the two can be compared.
import { constants } from 'node:fs';
import type { Command } from 'commander';
import { shown } from '../format.ts';
import type { Constants, StatxResult } from '../native.ts';
import { answer, paint, questionStatus, toJson } from './output.ts';

const nanosecondsPerSecond = 1_000_000_000n;

function timeLines(name: string, ns: bigint): string[] {
	const below = ((ns % nanosecondsPerSecond) + nanosecondsPerSecond) % nanosecondsPerSecond;
	return [`stat.${name}.tv_sec = ${(ns - below) / nanosecondsPerSecond}`, `stat.${name}.tv_nsec = ${below}`];
}

/** The lines of xfs_io 6.1. It does not ask for the alignments of direct I/O, so that bit is not in its mask. */
export function formatStatus(status: StatxResult, { STATX_DIOALIGN }: Pick<Constants, 'STATX_DIOALIGN'>): string {
	const lines = [
		`stat.mask = 0x${(status.mask & ~STATX_DIOALIGN).toString(16)}`,
		`stat.blksize = ${status.blockSize}`,
		`stat.attributes = 0x${status.attributes.toString(16)}`,
		`stat.nlink = ${status.links}`,
		`stat.uid = ${status.uid}`,
		`stat.gid = ${status.gid}`,
		`stat.mode: 0${status.mode.toString(8)}`,
		`stat.ino = ${status.inode}`,
		`stat.size = ${status.size}`,
		`stat.blocks = ${status.blocks}`,
		`stat.attributes_mask = 0x${status.attributesMask.toString(16)}`,
		...timeLines('atime', status.accessTimeNs),
		...timeLines('btime', status.birthTimeNs),
		...timeLines('ctime', status.changeTimeNs),
		...timeLines('mtime', status.modifyTimeNs),
		`stat.rdev_major = ${status.representsMajor}`,
		`stat.rdev_minor = ${status.representsMinor}`,
		`stat.dev_major = ${status.deviceMajor}`,
		`stat.dev_minor = ${status.deviceMinor}`,
	];
	return lines.map((line) => `${line}\n`).join('');
}

function stateLine(path: string, { dax, mode, refusal }: StatxResult): string {
	if (dax) return paint('green', `${path} is in the DAX state`);
	const who = refusal === undefined ? 'the kernel does not say' : `statx is refused (${refusal}), which would say`;
	if (dax === undefined) return paint('yellow', `${who} whether ${path} is in the DAX state`);
	const isDirectory = (mode & constants.S_IFMT) === constants.S_IFDIR;
	const hint = isDirectory ? ', as no directory is; daxkind explain says what a file made in it would be' : '';
	return paint('red', `${path} is not in the DAX state${hint}`);
}

/** Adds the `statx` subcommand. */
export function addStatxCommand(program: Command): void {
	program
		.command('statx')
		.summary('show the file status that the kernel reports, DAX state and all')
		.description(
			"Shows whether a file is in the DAX state now (STATX_ATTR_DAX, 0x200000 of the attributes), and then the lines of `xfs_io -r -c 'statx -r'`. Symbolic links are followed.",
		)
		.argument('<path>', 'a file or directory')
		.option('--json', 'print one JSON document (docs/cli.md)')
		.addHelpText(
			'after',
			`${questionStatus}

Example: daxkind statx /mnt/pmem/table`,
		)
		.action(async (path: string, { json }: { json?: boolean }) => {
			const [{ statx }, { native }] = await Promise.all([import('../dax/index.ts'), import('../native.ts')]);
			answer('statx', () => {
				const status = statx(path);
				const readable = () => `${stateLine(shown(path), status)}\n${formatStatus(status, native.constants)}`;
				process.stdout.write(json ? toJson(status) : readable());
				return status.dax;
			});
		});
}
