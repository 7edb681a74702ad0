// Repairing what is on bad blocks: by writing whole pages anew, or where the medium cannot be cleared, by keeping the bad file away.
import { constants, realpathSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { requireBoolean, requireKnownOptions, requireOptions, requirePath } from '../arguments.ts';
import { attempt } from '../attempt.ts';
import { type ByteRange, lengthOf, overlap, widened } from '../byte-ranges.ts';
import { deviceOf } from '../device/index.ts';
import { invalidArgValue, type DaxkindRefusal, refusal, type SystemError, systemError } from '../errors.ts';
import { formatBytesExactly, quoted } from '../format.ts';
import { type CheckedJobOptions, checkJobOptions, finish, throwIfAborted, type WatchableOptions } from '../jobs.ts';
import { type NativeJob, native, type RepairedPages } from '../native.ts';
import { badBlocksAsync, blockSizeAt } from './bad-blocks.ts';
import { type BadBlockList, readDeviceList } from './device-list.ts';
import { rangeBytes } from './ranges.ts';
import type { BadBlocks, BadPart } from './report.ts';

/**
 * `rewrite`: each bad page is written anew as a whole, which clears the bad block where the medium can be cleared. `reallocate`: then its
 * data are moved to other blocks, too. `quarantine`: what can be read is copied to a new file that takes the name; the bad file is kept
 * beside it, so that nobody gets its blocks.
 */
export type RepairMethod = 'rewrite' | 'reallocate' | 'quarantine';

/** How far a repair is. */
export interface RepairProgress {
	/** What is being repaired. */
	path: string;
	/** Bytes of it. */
	done: number;
	total: number;
}

export interface RepairOptions extends WatchableOptions<RepairProgress> {
	/** Default `rewrite`. */
	method?: RepairMethod;
	/**
	 * A backup: what was in a bad page comes from the same offset of this file. For a directory: a directory with the files under the same
	 * names. Default: none.
	 */
	from?: string | URL;
	/** Where there is no backup, write zeros: what was in the bad pages is lost. Default false: then the call refuses. */
	zeros?: boolean;
	/** Only say what would be done. Default false. */
	dryRun?: boolean;
}

/** What became of a part of a file, or of a device. In bytes. */
export interface RepairedPart extends ByteRange {
	path: string;
	/** Where it was on its device. */
	deviceOffset: number;
	/**
	 * `repaired`: it can be read, and the block is off the list; `moved`: it can be read, and is on other blocks now; `quarantined`; `healthy`:
	 * it could be read after all, and was left alone; `uncleared`: the medium does not take the write; `failed`; `skipped`: nothing that
	 * this call can repair; `planned`: in a dry run.
	 */
	outcome: 'repaired' | 'moved' | 'quarantined' | 'healthy' | 'uncleared' | 'failed' | 'skipped' | 'planned';
	/** Where its content comes from; `nothing`: nobody had written there, and it stays zeros. */
	content: 'backup' | 'zeros' | 'nothing' | undefined;
	/** Bytes that were data and are zeros now, or in a dry run would be. */
	lost: number;
	/** A clause for a person. */
	finding: string;
	/** What helps, where something is left to do. */
	remedy: string | undefined;
	/** Of `failed` and `uncleared`: the system call's error. */
	error: SystemError | undefined;
}

/** What a repair came to. */
export interface MediaRepair {
	path: string;
	method: RepairMethod;
	dryRun: boolean;
	/** Each bad part that was found, in order. */
	parts: RepairedPart[];
	/** Bytes of data that are lost for good: zeros stand in their place. */
	lost: number;
	/** Files that are kept away under another name. */
	quarantined: { path: string; keptAs: string }[];
	/** What is still bad under the path, after it; in a dry run, and where nothing was bad, as it was found. */
	remains: BadBlocks;
	/** Whether nothing is left to do. */
	isRepaired: boolean;
}

const methods: readonly RepairMethod[] = ['rewrite', 'reallocate', 'quarantine'];

/** How long an abort waits for a call that the kernel does not let go of: fallocate, while somebody has a page of the file pinned. */
const patienceMs = 1000;

interface Checked extends CheckedJobOptions<RepairProgress> {
	method: RepairMethod;
	from: string | undefined;
	zeros: boolean;
	dryRun: boolean;
}

function check(options: RepairOptions | undefined): Checked {
	const given = checkJobOptions(options);
	const known = ['method', 'from', 'zeros', 'dryRun', 'signal', 'onProgress'];
	requireKnownOptions('options', options ?? {}, known);
	const { method = 'rewrite', from, zeros = false, dryRun = false } = requireOptions<RepairOptions>('options', options);
	if (!methods.includes(method)) {
		throw invalidArgValue('options.method', methods.map((name) => `'${name}'`).join(', '), method);
	}
	return {
		...given,
		method,
		from: from === undefined ? undefined : requirePath('options.from', from),
		zeros: requireBoolean('options.zeros', zeros),
		dryRun: requireBoolean('options.dryRun', dryRun),
	};
}

/** Waits for a job; after an abort only so long, because the kernel may keep its thread for as long as it likes. */
async function patiently<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
	if (signal === undefined) return work;
	let timer: NodeJS.Timeout | undefined;
	let listener = () => {};
	const end = new Promise<never>((_, reject) => {
		listener = () => {
			timer = setTimeout(() => reject(signal.reason), patienceMs);
		};
		signal.addEventListener('abort', listener);
	});
	try {
		return await Promise.race([work, end]);
	} finally {
		clearTimeout(timer);
		signal.removeEventListener('abort', listener);
	}
}

/** One thing that is repaired as a whole: a file, or a device. */
interface Item {
	path: string;
	/** Its name without links, for the system calls. */
	real: string;
	isDevice: boolean;
	device: BadBlockList;
	/** The file system's block, or a page. */
	unit: number;
	parts: (ByteRange & { deviceOffset: number; unwritten: boolean })[];
	/** Of a file. */
	size: number;
	backup: string | undefined;
}

const where = ({ offset, length }: ByteRange) => `${formatBytesExactly(length)} at ${offset}`;

/** Bytes of a part that were data. */
const dataIn = ({ size, isDevice }: Item, { offset, length, unwritten }: Item['parts'][number]) =>
	unwritten ? 0 : isDevice ? length : Math.max(0, Math.min(offset + length, size) - offset);

/** What is left where nothing can clear the bad blocks of a device-DAX device. */
function refuseDaxDevice({ path, device }: BadBlocks): DaxkindRefusal {
	const namespace = device && deviceOf(device.major, device.minor)?.namespace;
	const clearing =
		namespace === undefined ? '' : `where the firmware can do it: ndctl clear-errors ${namespace}; elsewhere, `;
	return refusal(
		'ERR_DAXKIND_CANNOT_CLEAR',
		path,
		`${path} is a device-DAX device, which takes no write (EINVAL), so nothing clears its bad blocks through it: ${device?.ranges.map(where).join(', ')}`,
		`${clearing}use the device without these parts: the options offset and size of DeviceKind`,
	);
}

/** The place of a file in the backup of a tree. */
function backupOf(from: string | undefined, top: string, file: string): string | undefined {
	if (from === undefined) return undefined;
	return file === top ? from : join(from, relative(top, file));
}

function itemsOf(found: BadBlocks, { from }: Checked): { items: Item[]; skipped: RepairedPart[] } {
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
	const skipped: RepairedPart[] = [];
	const items = new Map<string, Item>();
	for (const part of found.parts) {
		if (part.type === 'directory') {
			skipped.push(
				skippedPart(part, 'it is of a directory, which only the file system itself can repair', fsck(device)),
			);
			continue;
		}
		const real = attempt(() => realpathSync.native(part.path)).value;
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
			remedy: `if nobody needs what was there, write to it through the device: daxkind repair ${device.path} --zeros; what the file system keeps for itself needs a check afterwards, unmounted: ${fsck(device)}`,
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
	finding: 'no file was found on it: free space, or what the file system keeps for itself',
};

const skippedPart = (part: BadPart, finding: string, remedy: string): RepairedPart => ({
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

/** Checks the backups before anything is written: one that is too short, or is the file itself, helps nobody. */
function checkBackups(items: readonly Item[]): void {
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
		// A device has no size here.
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
function requireContent(items: readonly Item[], { from, zeros }: Checked): void {
	if (from !== undefined || zeros) return;
	const losses = items.flatMap((item) =>
		item.parts.map((part) => ({ ...part, item, lost: dataIn(item, part) })).filter(({ lost }) => lost > 0),
	);
	const [first] = losses;
	if (first === undefined) return;
	const lost = losses.reduce((sum, part) => sum + part.lost, 0);
	const more =
		losses.length === 1 ? '' : `, and in ${losses.length - 1} other parts, ${formatBytesExactly(lost)} in all,`;
	throw refusal(
		'ERR_DAXKIND_NO_CONTENT',
		first.item.path,
		`what was in ${where(first)} of ${first.item.path}${more} cannot be read any more`,
		'give a backup (from), or say that zeros are to take its place (zeros: true)',
	);
}

function plannedPart(item: Item, part: Item['parts'][number], { zeros, method }: Checked): RepairedPart {
	const data = dataIn(item, part);
	const content = data === 0 ? 'nothing' : item.backup !== undefined ? 'backup' : zeros ? 'zeros' : undefined;
	const words: Record<RepairMethod, string> = {
		rewrite: 'would be written anew',
		reallocate: 'would be written anew and moved to other blocks',
		quarantine: 'would be left out of a copy that takes the name of the file',
	};
	const source =
		content === 'backup'
			? `from ${item.backup}`
			: content === 'zeros'
				? 'as zeros'
				: content === 'nothing'
					? 'as zeros, which it is: nobody has written there yet'
					: 'once it is said with what';
	return {
		path: item.path,
		offset: part.offset,
		length: part.length,
		deviceOffset: part.deviceOffset,
		outcome: 'planned',
		content,
		lost: content === 'zeros' || content === undefined ? data : 0,
		finding: `it ${words[method]}, ${source}`,
		remedy: undefined,
		error: undefined,
	};
}

/** What remains where the medium does not clear. */
const cannotClear = (item: Item) =>
	item.isDevice
		? 'replace the nvdimm, or have its firmware clear the block: ndctl clear-errors'
		: `try it through the device, which is the only way before Linux 5.19: daxkind repair ${item.device.path}. If that does not help either, keep the file away from others, and replace the nvdimm: daxkind repair ${quoted(item.path)} --method quarantine`;

/** A list says it still, or not. */
function isListed(device: BadBlockList, part: ByteRange): boolean {
	const { ranges } = readDeviceList('block', device.major, device.minor);
	return ranges.some((range) => overlap(range, part) !== undefined);
}

function outcomeOf(item: Item, pages: RepairedPages, deviceOffset: number, { zeros }: Checked): RepairedPart {
	const { offset, length, outcome, lost, isMoved, errno, syscall } = pages;
	const error = errno === 0 ? undefined : systemError(errno, syscall, item.path);
	const content =
		outcome === 'unwritten'
			? 'nothing'
			: outcome !== 'rewritten'
				? undefined
				: lost > 0
					? 'zeros'
					: zeros && item.backup === undefined
						? 'zeros'
						: 'backup';
	const base = { path: item.path, offset, length, deviceOffset, content, lost, error } as const;
	if (outcome === 'uncleared') {
		return {
			...base,
			outcome: 'uncleared',
			finding: `the medium does not take the write (${error?.code}). Nothing was punched or deleted, because the next owner of these blocks would meet the error`,
			remedy: cannotClear(item),
		};
	}
	if (outcome === 'refused') {
		return {
			...base,
			outcome: 'failed',
			finding: 'it became bad after the look, and it was not said with what it is to be written',
			remedy: 'run it again',
		};
	}
	if (outcome !== 'healthy' && outcome !== 'rewritten' && outcome !== 'unwritten') {
		return outcome === 'beyond-end'
			? {
					...base,
					outcome: 'skipped',
					finding: 'it is behind the end of the file, where there are no data',
					remedy: undefined,
				}
			: { ...base, outcome: 'failed', finding: error?.message ?? 'it failed', remedy: undefined };
	}
	const listed = isListed(item.device, { offset: deviceOffset, length });
	if (outcome === 'healthy') {
		return {
			...base,
			outcome: 'healthy',
			finding: listed
				? 'it can be read, though its block is listed; it was left alone'
				: 'its block is not listed any more; it was left alone',
			remedy: undefined,
		};
	}
	if (listed || isMoved) {
		return {
			...base,
			outcome: 'moved',
			finding: listed
				? 'it can be read, and is on other blocks now; the old ones are still bad, in free space or in a file that shared them'
				: 'it can be read, and is on other blocks now; the old ones are off the list',
			remedy: undefined,
		};
	}
	return { ...base, outcome: 'repaired', finding: 'it can be read, and its block is off the list', remedy: undefined };
}

/** Splits what native code has merged, so that each part is of one place on the device. */
function placedPages(item: Item, pages: readonly RepairedPages[]): { pages: RepairedPages; deviceOffset: number }[] {
	return pages.flatMap((one) =>
		item.parts.flatMap((part) => {
			const both = overlap(one, part);
			if (both === undefined) return [];
			const lost = Math.round((one.lost * both.length) / one.length);
			return [{ pages: { ...one, ...both, lost }, deviceOffset: part.deviceOffset + both.offset - part.offset }];
		}),
	);
}

const progressOf =
	(path: string) =>
	([, done, total]: Float64Array): RepairProgress => ({ path, done: done!, total: total! });

async function rewrite(item: Item, options: Checked): Promise<RepairedPart[]> {
	const { zeros, method, signal } = options;
	const start = (): NativeJob<RepairedPages[]> =>
		native.repairPagesAsync(
			item.real,
			item.isDevice,
			rangeBytes(item.parts),
			item.unit,
			zeros,
			method === 'reallocate',
			item.backup,
		);
	const pages = await patiently(finish(start, options, { progressOf: progressOf(item.path) }), signal);
	return placedPages(item, pages).map((placed) => outcomeOf(item, placed.pages, placed.deviceOffset, options));
}

/** A name beside a file that sorts with it, and says when. */
const keptName = (real: string): string =>
	join(dirname(real), `${basename(real)}.quarantine-${new Date().toISOString().replace(/[-:]|\.\d+/g, '')}`);

const quarantineFailures: Readonly<Record<string, [finding: string, remedy: string]>> = {
	ESTALE: ['somebody has changed it during the copy', 'stop what writes to it, and run it again'],
	EREMOTEIO: [
		'what the file system gave for the copy has bad blocks in it, too',
		'copy the file to another device, and keep this one as it is',
	],
	EMLINK: [
		'it has other names, which would stay with the bad file',
		'remove the other names, and link them to the new file',
	],
	ENOSPC: ['there is no room for a copy', 'make room, or copy it to another device'],
};

async function quarantine(
	item: Item,
	options: Checked,
): Promise<{ parts: RepairedPart[]; keptAs: string | undefined }> {
	const keptAs = keptName(item.real);
	const base = item.parts.map((part) => ({ ...plannedPart(item, part, options), finding: '' }));
	const start = () => native.quarantineFileAsync(item.real, keptAs, item.unit, options.zeros, item.backup);
	try {
		const pages = await patiently(finish(start, options, { progressOf: progressOf(item.path) }), options.signal);
		const lostIn = (part: ByteRange) =>
			lengthOf(pages.flatMap((page) => (page.lost === 0 ? [] : (overlap(page, part) ?? []))));
		const parts = base.map((part) => ({
			...part,
			outcome: 'quarantined' as const,
			lost: lostIn(part),
			finding: `the file is a copy now, without bad blocks; the bad one is kept as ${keptAs}`,
			remedy: `never delete, truncate or punch ${quoted(keptAs)}: it keeps its blocks from others. What has the file open has the old one: restart it`,
		}));
		return { parts, keptAs };
	} catch (error) {
		const { code, syscall } = error as SystemError;
		if (syscall === undefined) throw error;
		const [finding, remedy] = quarantineFailures[code] ?? [(error as SystemError).message, undefined];
		const parts = base.map((part) => ({
			...part,
			outcome: 'failed' as const,
			content: undefined,
			lost: 0,
			finding: `it stays as it is: ${finding}`,
			remedy,
			error: error as SystemError,
		}));
		return { parts, keptAs: undefined };
	}
}

const isDone = ({ outcome, remedy }: RepairedPart) =>
	['repaired', 'moved', 'quarantined', 'healthy'].includes(outcome) || (outcome === 'skipped' && remedy === undefined);

/**
 * Repairs what is on bad blocks: under a file, in a tree, or of a block device.
 *
 * A bad page cannot be read as a whole, and no part of it can be rescued through a file. By default (`rewrite`) it is written anew as a
 * whole, from a backup or as zeros, which clears the bad block where the medium can be cleared; mappings of the file are good again at once.
 * A page that can be read is never written. On a block device only the sectors that cannot be read are lost: the others of the page are
 * kept. Where the medium does not take the write, nothing is punched, truncated or deleted, and the outcome is `uncleared`.
 *
 * `reallocate` moves the data to other blocks after that. It waits while anybody has a page of the file pinned, by direct I/O or a pipe,
 * on a thread of its own: an abort is answered within a second all the same. `quarantine` is for media that cannot be cleared: a copy takes
 * the file's name, and the file is kept under another; needs the room, and that nobody writes to the file meanwhile.
 *
 * Afterwards it looks again: a part is `repaired` if it reads as it was written and its block is off the list.
 *
 * @param path A file, a directory, or a block device.
 * @throws Error ERR_DAXKIND_NO_CONTENT: there is neither `from` nor `zeros`, or the backup is no good; ERR_DAXKIND_CANNOT_CLEAR: a
 * device-DAX device. SystemError of `open`, `statx` or `fdatasync`; the signal's reason.
 * @example
 * const { isRepaired, parts, lost } = await repairAsync('/mnt/pmem/table', { from: '/backup/table' });
 */
export async function repairAsync(path: string | URL, options?: RepairOptions): Promise<MediaRepair> {
	const checked = check(options);
	const { method, dryRun, signal } = checked;
	const look = () => badBlocksAsync(path, signal === undefined ? {} : { signal });
	const found = await look();
	if (found.type === 'DAX device' && (found.device?.ranges.length ?? 0) > 0) throw refuseDaxDevice(found);
	if (found.type === 'block device' && method !== 'rewrite') {
		throw invalidArgValue('options.method', "'rewrite' for a block device", method);
	}
	const { items, skipped } = itemsOf(found, checked);
	checkBackups(items);
	const base = { path: found.path, method, dryRun };
	if (dryRun) {
		const parts = [...items.flatMap((item) => item.parts.map((part) => plannedPart(item, part, checked))), ...skipped];
		return { ...base, parts, lost: lostOf(parts), quarantined: [], remains: found, isRepaired: parts.length === 0 };
	}
	requireContent(items, checked);
	const parts: RepairedPart[] = [];
	const quarantined: MediaRepair['quarantined'] = [];
	for (const item of items) {
		throwIfAborted(signal);
		if (method === 'quarantine') {
			const done = await quarantine(item, checked);
			parts.push(...done.parts);
			if (done.keptAs !== undefined) quarantined.push({ path: item.path, keptAs: done.keptAs });
		} else {
			parts.push(...(await rewrite(item, checked)));
		}
	}
	parts.push(...skipped);
	const remains = items.length === 0 ? found : await look();
	return { ...base, parts, lost: lostOf(parts), quarantined, remains, isRepaired: parts.every(isDone) };
}

const lostOf = (parts: readonly RepairedPart[]) => parts.reduce((sum, { lost }) => sum + lost, 0);
