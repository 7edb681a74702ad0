// `daxkind badblocks`: which bytes of a file, a tree or a device are bad.
import type { Command } from 'commander';
import { lengthOf } from '../byte-ranges.ts';
import { formatBytes, formatCount, formatCounted, quoted } from '../format.ts';
import type { BadBlocks, BadBlocksProgress } from '../media/index.ts';
import { interruptible } from './interrupt.ts';
import { aligned, complain, complainOf, errorJson, jsonOption, paint, sentence, toJson } from './output.ts';
import { progress } from './progress.ts';
import { formatTable } from './table.ts';
import { troubleStatus } from './usage.ts';

export const size = (bytes: number) => (bytes < 1024 ? `${bytes} bytes` : formatBytes(bytes));

/** Whether something under the path is bad. */
const hasBadBlocks = ({ type, device, parts }: BadBlocks): boolean =>
	type === 'file' || type === 'directory' ? parts.length > 0 : (device?.ranges.length ?? 0) > 0;

/** The first line of the output, which is the answer. */
function badBlocksLine(found: BadBlocks): string {
	const { path, type, device, parts, doubts, failures } = found;
	const isFiles = type === 'file' || type === 'directory';
	if (!hasBadBlocks(found)) {
		const isSure = doubts.length === 0 && failures.length === 0;
		const first = `${path} has no bad blocks${isSure ? '' : ' that can be seen'}`;
		return paint(isSure ? 'green' : 'yellow', sentence(first));
	}
	const files = new Set(parts.map((part) => part.path)).size;
	const inFiles = files === 0 ? '' : `; ${size(lengthOf(parts))} of ${formatCounted(files, 'file')} cannot be read`;
	const what = isFiles
		? type === 'file'
			? `${size(lengthOf(parts))} of ${path} cannot be read`
			: `${size(lengthOf(parts))} of ${formatCounted(files, 'file')} below ${path} cannot be read`
		: `${path} has bad blocks: ${size(lengthOf(device?.ranges ?? []))} in ${formatCounted(device?.ranges.length ?? 0, 'range')}${inFiles}`;
	return paint('red', sentence(what));
}

/** What a person can do about the bad blocks. */
function fixFor({ path, type, parts, unowned }: BadBlocks): string {
	if (type === 'DAX device')
		return 'use it without these parts (options offset and size of DeviceKind); see docs/media.md';
	if (type === 'block device') return `daxkind repair ${quoted(path)} (it first says what it would do)`;
	if (parts.length === 0 && (unowned?.length ?? 0) > 0) {
		return `no file is affected; daxkind repair ${quoted(path)} says what can be done`;
	}
	return `daxkind repair ${quoted(path)} --from BACKUP (it first says what it would do)`;
}

/** The whole result, for a person. */
export function formatBadBlocks(found: BadBlocks): string {
	const { path, device, parts, unowned } = found;
	const lines = [`${badBlocksLine(found)}\n`];
	if (hasBadBlocks(found)) lines.push(aligned([['Fix:', fixFor(found)]], 0));
	if (parts.length > 0) {
		const rows = parts.map((part) => [
			`${part.offset}`,
			`${part.length}`,
			`${part.deviceOffset}`,
			[part.unwritten ? 'never written' : '', part.shared ? 'shared' : '', part.type === 'directory' ? 'directory' : '']
				.filter((word) => word !== '')
				.join(', '),
			part.path,
		]);
		lines.push(`\n${formatTable(['OFFSET', 'LENGTH', `ON ${device?.path ?? path}`, '', 'FILE'], rows)}`);
	}
	if (unowned !== undefined && unowned.length > 0) {
		const rows = unowned.map(({ offset, length }) => [`${offset}`, `${length}`]);
		lines.push(
			`\nIn no file that was found (free space, or metadata of the file system):\n${formatTable([`ON ${device?.path ?? path}`, 'LENGTH'], rows)}`,
		);
	}
	if (device !== undefined && device.ranges.length > 0 && unowned === undefined && parts.length === 0) {
		const rows = device.ranges.map(({ offset, length }) => [`${offset}`, `${length}`]);
		lines.push(`\nAll bad blocks of ${device.path}:\n${formatTable(['OFFSET', 'LENGTH'], rows)}`);
	}
	return lines.join('') + evidenceLines(found);
}

/** What was read, and what could not be read. */
export function evidenceLines({ sources, doubts, failures }: BadBlocks): string {
	const evidence: [string, string][] = [
		...sources.map((source): [string, string] => ['Read:', source]),
		...doubts.map((doubt): [string, string] => ['Not sure:', doubt]),
		...failures.map(({ message }): [string, string] => ['Not looked at:', message]),
	];
	return evidence.length === 0 ? '' : `\n${aligned(evidence, 0)}`;
}

export const badBlocksJson = (found: BadBlocks) => ({ ...found, failures: found.failures.map(errorJson) });

/** Adds the `badblocks` subcommand. */
export function addBadBlocksCommand(program: Command): void {
	program
		.command('badblocks')
		.description(
			'Lists the bad blocks that the kernel knows under a file, a directory or a device, and which bytes of which files cannot be read any more. For a mount and a block device it also says which bad blocks are in no file. It reads no data, changes nothing, and never leaves the file system. It needs root only for volumes of the device mapper and for device-DAX devices.',
		)
		.argument('<path>', 'a file, a directory, a block device or a device-DAX device')
		.option(...jsonOption)
		.addHelpText(
			'after',
			`
The kernel lists the bad blocks that it has met. A block that nobody has read
for long may be bad, and not be in the list.

Exit status: 0 if there are no bad blocks, 1 if there are some, 2 for wrong
  usage and if it cannot be found out, 130 after Ctrl-C.

Examples:
  daxkind badblocks /mnt/pmem
  daxkind badblocks --json pmem0 | jq -r '.parts[].path'`,
		)
		.action(async (path: string, { json = false }: { json?: boolean }) => {
			const { badBlocksAsync } = await import('../media/index.ts');
			const line = await progress(true);
			await interruptible(async (signal) => {
				try {
					const onProgress = ({ files, directories, found }: BadBlocksProgress) =>
						line.show(`${path}: ${formatCount(files + directories)} looked at, ${formatCount(found)} on bad blocks`);
					const found = await badBlocksAsync(path, { signal, onProgress });
					line.clear();
					process.stdout.write(json ? toJson(badBlocksJson(found)) : formatBadBlocks(found));
					const isUnsure = found.failures.length > 0 || found.doubts.length > 0;
					process.exitCode = hasBadBlocks(found) ? 1 : isUnsure ? troubleStatus : 0;
				} catch (error) {
					line.clear();
					process.exitCode = troubleStatus;
					if (signal.aborted) complain('daxkind badblocks', `interrupted in ${path}`);
					else complainOf('daxkind badblocks', error);
				}
			});
		});
}
