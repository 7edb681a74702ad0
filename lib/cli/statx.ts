// `daxkind statx`: what the kernel says about one file.
import { constants as fs } from 'node:fs';
import type { Command } from 'commander';
import { formatBytesExactly } from '../format.ts';
import { attributesText } from '../mask-words.ts';
import type { Constants } from '../native/constants.ts';
import type { StatxResult } from '../native/syscalls.ts';
import { aligned, answer, jsonOption, paint, questionStatus, sentence, toJson } from './output.ts';

const nanosecondsPerSecond = 1_000_000_000n;

/** A time to the nanosecond: `2026-01-31T09:00:00.123456789Z`. */
function timeText(ns: bigint): string {
	const below = ((ns % nanosecondsPerSecond) + nanosecondsPerSecond) % nanosecondsPerSecond;
	const seconds = Number((ns - below) / nanosecondsPerSecond);
	return `${new Date(seconds * 1000).toISOString().slice(0, -'.000Z'.length)}.${`${below}`.padStart(9, '0')}Z`;
}

const typeLetters: ReadonlyMap<number, string> = new Map([
	[fs.S_IFREG, '-'],
	[fs.S_IFDIR, 'd'],
	[fs.S_IFBLK, 'b'],
	[fs.S_IFCHR, 'c'],
	[fs.S_IFIFO, 'p'],
	[fs.S_IFSOCK, 's'],
]);

/** Type and permissions, as a number and in the letters of ls. */
function modeText(mode: number): string {
	const letters = [...'rwxrwxrwx'].map((letter, n) => ((mode >> (8 - n)) & 1 ? letter : '-')).join('');
	return `0${mode.toString(8)} (${typeLetters.get(mode & fs.S_IFMT) ?? '?'}${letters})`;
}

/** The whole status, for a person. */
export function formatStatus(status: StatxResult, constants: Constants): string {
	const { deviceMajor, deviceMinor, representsMajor, representsMinor, mountId } = status;
	const { directIoMemoryAlignment: memory, directIoOffsetAlignment: offsets } = status;
	const isNode = [fs.S_IFBLK, fs.S_IFCHR].includes(status.mode & fs.S_IFMT);
	const rows: (readonly [name: string, value: string | undefined])[] = [
		['size', `${formatBytesExactly(status.size)}, ${status.blocks} blocks of 512 bytes`],
		['block size', formatBytesExactly(status.blockSize)],
		['mode', modeText(status.mode)],
		['owner', `user ${status.uid}, group ${status.gid}`],
		['inode', `${status.inode}`],
		['hard links', `${status.links}`],
		['on device', `${deviceMajor}:${deviceMinor}${mountId === 0 ? '' : `, mount ${mountId}`}`],
		['represents device', isNode ? `${representsMajor}:${representsMinor}` : undefined],
		['accessed', timeText(status.accessTimeNs)],
		['modified', timeText(status.modifyTimeNs)],
		['changed', timeText(status.changeTimeNs)],
		['created', status.birthTimeNs === 0n ? undefined : timeText(status.birthTimeNs)],
		['direct I/O', memory === 0 ? undefined : `memory aligned to ${memory} bytes, offsets to ${offsets} bytes`],
		['attributes', attributesText(status.attributes, constants)],
		['known attributes', attributesText(status.attributesMask, constants)],
		['fields given', `0x${status.mask.toString(16)}`],
	];
	return aligned(rows.filter((row): row is readonly [string, string] => row[1] !== undefined));
}

function stateLine(path: string, { dax, mode, refusal }: StatxResult): string {
	if (dax) return paint('green', sentence(`${path} is in the DAX state`));
	if (dax === undefined) {
		const why = refusal === undefined ? 'the kernel does not say' : `statx is refused (${refusal})`;
		return paint('yellow', sentence(`It is not known whether ${path} is in the DAX state: ${why}`));
	}
	const isDirectory = (mode & fs.S_IFMT) === fs.S_IFDIR;
	const hint = isDirectory ? '. No directory is ever in it; daxkind explain says whether a new file would be' : '';
	return paint('red', sentence(`${path} is not in the DAX state${hint}`));
}

/** Adds the `statx` subcommand. */
export function addStatxCommand(program: Command): void {
	program
		.command('statx')
		.description(
			'Shows whether a file is in the DAX state now (STATX_ATTR_DAX), and then everything else that statx says about it. Symbolic links are followed.',
		)
		.argument('<path>', 'a file or directory')
		.option(...jsonOption)
		.addHelpText(
			'after',
			`${questionStatus}

Example: daxkind statx /mnt/pmem/table`,
		)
		.action(async (path: string, { json }: { json?: boolean }) => {
			const [{ statx }, { native }] = await Promise.all([import('../dax/index.ts'), import('../native.ts')]);
			answer('statx', () => {
				const status = statx(path);
				const text = () => `${stateLine(path, status)}\n\n${formatStatus(status, native.constants)}`;
				process.stdout.write(json ? toJson(status) : text());
				return status.dax;
			});
		});
}
