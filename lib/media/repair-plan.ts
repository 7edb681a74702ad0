// Says what is to be repaired, and with what. It is read, checked and put into words before anything is written.
import { constants } from 'node:fs';
import { join, relative } from 'node:path';
import { type ByteRange, widened } from '../byte-ranges.ts';
import { deviceOf } from '../device/index.ts';
import { type DaxkindRefusal, refusal } from '../errors.ts';
import { formatBytesExactly } from '../format.ts';
import type { CheckedJobOptions } from '../jobs.ts';
import { native } from '../native.ts';
import { machine } from '../tree.ts';
import { blockSizeAt } from './bad-blocks.ts';
import type { BadBlockList } from './device-list.ts';
import type { RepairedPart, RepairMethod, RepairProgress } from './repair-report.ts';
import type { BadBlocks, BadPart } from './report.ts';

/** What the caller wants, checked. */
export interface RepairRequest extends CheckedJobOptions<RepairProgress> {
	method: RepairMethod;
	from: string | undefined;
	zeros: boolean;
	dryRun: boolean;
}

/** What happened to a part, or what is to happen. `isDone` follows from it. */
export type RepairOutcome = Omit<RepairedPart, 'isDone'>;

/** One thing that is repaired as a whole: a file, or a device. */
export interface RepairItem {
	path: string;
	/** Its path without symbolic links, for the system calls. */
	real: string;
	isDevice: boolean;
	device: BadBlockList;
	/** The block size of the file system, or for a device, the page size. In bytes. */
	unit: number;
	parts: (ByteRange & { deviceOffset: number; unwritten: boolean })[];
	/** The size of the file. 0 for a device. */
	size: number;
	backup: string | undefined;
}

const where = ({ offset, length }: ByteRange) => `${formatBytesExactly(length)} at ${offset}`;

/** How many bytes of a part are data. */
const dataIn = ({ size, isDevice }: RepairItem, { offset, length, unwritten }: RepairItem['parts'][number]) =>
	unwritten ? 0 : isDevice ? length : Math.max(0, Math.min(offset + length, size) - offset);

/** The error for a device-DAX device, whose bad blocks nothing can clear through it. */
export function refuseDaxDevice({ path, device }: BadBlocks): DaxkindRefusal {
	const namespace = device && deviceOf(device.major, device.minor)?.namespace;
	const clearing =
		namespace === undefined ? '' : `if the firmware can clear them: ndctl clear-errors ${namespace}; if not, `;
	return refusal(
		'ERR_DAXKIND_CANNOT_CLEAR',
		path,
		`${path} is a device-DAX device, which refuses write (EINVAL), so these bad blocks cannot be cleared through it: ${device?.ranges.map(where).join(', ')}`,
		`${clearing}use the device without these parts: the options offset and size of DeviceKind`,
	);
}

/** The path of a file in the backup of a tree. */
function backupOf(from: string | undefined, top: string, file: string): string | undefined {
	if (from === undefined) return undefined;
	return file === top ? from : join(from, relative(top, file));
}

export function itemsOf(found: BadBlocks, { from }: RepairRequest): { items: RepairItem[]; skipped: RepairOutcome[] } {
	const { device, path } = found;
	if (device === undefined) return { items: [], skipped: [] };
	const { PAGE_SIZE: page } = native.constants;
	if (found.type === 'block device') {
		const parts = widened(device.ranges, page).map((range) => ({
			...range,
			deviceOffset: range.offset,
			unwritten: false,
		}));
		const item = { path, real: path, isDevice: true, device, unit: page, parts, size: 0, backup: from };
		return { items: parts.length === 0 ? [] : [item], skipped: [] };
	}
	const skipped: RepairOutcome[] = [];
	const items = new Map<string, RepairItem>();
	for (const part of found.parts) {
		if (part.type === 'directory') {
			skipped.push(
				skippedPart(
					part,
					'it belongs to a directory, and only the tools of the file system can repair that',
					fsck(device),
				),
			);
			continue;
		}
		const real = machine.resolve(part.path);
		if (real === undefined) {
			skipped.push(
				skippedPart(part, 'its name is not UTF-8, or it is gone', 'give it a name in UTF-8, and run it again'),
			);
			continue;
		}
		const item = items.get(real) ?? {
			path: part.path,
			real,
			isDevice: false,
			device,
			unit: blockSizeAt(real),
			parts: [],
			size: part.size,
			backup: backupOf(from, path, part.path),
		};
		item.parts.push(part);
		items.set(real, item);
	}
	for (const unowned of found.unowned ?? []) {
		skipped.push({
			...unknownOwner,
			...unowned,
			path: device.path,
			deviceOffset: unowned.offset,
			remedy: `if nobody needs its content, write zeros through the device: daxkind repair ${device.path} --zeros; afterwards unmount the file system and check its metadata: ${fsck(device)}`,
		});
	}
	return { items: [...items.values()], skipped };
}

const fsck = ({ path }: BadBlockList) => `fsck ${path}`;

const unknownOwner = {
	outcome: 'skipped' as const,
	content: undefined,
	lost: 0,
	error: undefined,
	finding: 'no file was found on it: it is free space, or metadata of the file system',
};

const skippedPart = (part: BadPart, finding: string, remedy: string): RepairOutcome => ({
	path: part.path,
	offset: part.offset,
	length: part.length,
	deviceOffset: part.deviceOffset,
	outcome: 'skipped',
	content: undefined,
	lost: 0,
	finding,
	remedy,
	error: undefined,
});

/**
 * Checks the backups before anything is written, because a backup that is too short, or is the file itself, helps
 * nobody.
 */
export function checkBackups(items: readonly RepairItem[]): void {
	for (const item of items) {
		if (item.backup === undefined) continue;
		const status = native.statx(item.backup);
		const own = native.statx(item.real);
		if (
			!item.isDevice &&
			status.inode === own.inode &&
			status.deviceMajor === own.deviceMajor &&
			status.deviceMinor === own.deviceMinor
		) {
			throw refusal('ERR_DAXKIND_NO_CONTENT', item.path, `the backup ${item.backup} is the bad file itself`);
		}
		// The status of a device gives no size.
		if ((status.mode & constants.S_IFMT) !== constants.S_IFREG) continue;
		const end = Math.max(...item.parts.map((part) => part.offset + dataIn(item, part)));
		if (status.size >= end) continue;
		throw refusal(
			'ERR_DAXKIND_NO_CONTENT',
			item.path,
			`the backup ${item.backup} has ${status.size} bytes, and the bad part ends at ${end}`,
			'give a backup of the whole file',
		);
	}
}

/** Refuses to write zeros that nobody asked for. */
export function requireContent(items: readonly RepairItem[], { from, zeros }: RepairRequest): void {
	if (from !== undefined || zeros) return;
	const losses = items.flatMap((item) =>
		item.parts.map((part) => ({ ...part, item, lost: dataIn(item, part) })).filter(({ lost }) => lost > 0),
	);
	const [first] = losses;
	if (first === undefined) return;
	const lost = losses.reduce((sum, part) => sum + part.lost, 0);
	const more =
		losses.length === 1
			? ''
			: `, and ${losses.length - 1} other ${losses.length === 2 ? 'part' : 'parts'}, ${formatBytesExactly(lost)} in all,`;
	throw refusal(
		'ERR_DAXKIND_NO_CONTENT',
		first.item.path,
		`${where(first)} of ${first.item.path}${more} cannot be read any more`,
		'give a backup (from), or allow zeros in its place (zeros: true)',
	);
}

export function plannedPart(
	item: RepairItem,
	part: RepairItem['parts'][number],
	{ zeros, method }: RepairRequest,
): RepairOutcome {
	const data = dataIn(item, part);
	const content = data === 0 ? 'nothing' : item.backup !== undefined ? 'backup' : zeros ? 'zeros' : undefined;
	const then: Record<RepairMethod, string> = {
		rewrite: '',
		reallocate: ', and moved to other blocks',
		quarantine: ', in a copy that takes the name of the file',
	};
	const source =
		content === 'backup'
			? `from ${item.backup}`
			: content === 'zeros'
				? 'with zeros'
				: content === 'nothing'
					? 'with zeros (nobody has written there yet)'
					: 'from a backup or with zeros (say which)';
	return {
		path: item.path,
		offset: part.offset,
		length: part.length,
		deviceOffset: part.deviceOffset,
		outcome: 'planned',
		content,
		lost: content === 'zeros' || content === undefined ? data : 0,
		finding: `it would be rewritten ${source}${then[method]}`,
		remedy: undefined,
		error: undefined,
	};
}
