// Repairs what is on bad blocks. It writes whole pages anew, or where the medium cannot be cleared, it keeps the bad
// file away.
import { basename, dirname, join } from 'node:path';
import { requireBoolean, requireOneOf, requireOptions, requirePath } from '../arguments.ts';
import { type ByteRange, intersection, lengthOf } from '../byte-ranges.ts';
import { invalidArgValue, type SystemError } from '../errors.ts';
import { quoted } from '../format.ts';
import { checkJobOptions, finish, throwIfAborted } from '../jobs.ts';
import type { NativeJob } from '../native/job.ts';
import type { RepairedPages } from '../native/media.ts';
import { native } from '../native.ts';
import { badBlocksAsync } from './bad-blocks.ts';
import { rangeBytes } from './ranges.ts';
import { judgedPart, outcomeOf, placedPages, quarantineFailures } from './repair-outcome.ts';
import {
	checkBackups,
	itemsOf,
	plannedPart,
	type RepairItem,
	type RepairOutcome,
	type RepairRequest,
	refuseDaxDevice,
	requireContent,
} from './repair-plan.ts';
import type { MediaRepair, RepairedPart, RepairMethod, RepairOptions, RepairProgress } from './repair-report.ts';

const methods: readonly RepairMethod[] = ['rewrite', 'reallocate', 'quarantine'];

/**
 * How long an aborted repair waits for a call that the kernel does not end: fallocate, while somebody has a page of the
 * file pinned.
 */
const patienceMs = 1000;

function check(options: RepairOptions | undefined): RepairRequest {
	const given = checkJobOptions(options, ['method', 'from', 'zeros', 'dryRun', 'signal', 'onProgress']);
	const { method = 'rewrite', from, zeros = false, dryRun = false } = requireOptions<RepairOptions>('options', options);
	return {
		...given,
		method: requireOneOf('options.method', method, methods),
		from: from === undefined ? undefined : requirePath('options.from', from),
		zeros: requireBoolean('options.zeros', zeros),
		dryRun: requireBoolean('options.dryRun', dryRun),
	};
}

/**
 * Waits for a job. After an abort it waits only for a limited time, because the kernel may keep the thread of the job
 * for as long as it likes.
 */
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

const progressOf =
	(path: string) =>
	([, done, total]: Float64Array): RepairProgress => ({ path, done: done!, total: total! });

async function rewrite(item: RepairItem, options: RepairRequest): Promise<RepairOutcome[]> {
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

/** A name for the bad file, in the same directory. It sorts with the file's own name and has the time in it. */
const keptName = (real: string): string =>
	join(dirname(real), `${basename(real)}.quarantine-${new Date().toISOString().replace(/[-:]|\.\d+/g, '')}`);

async function quarantine(
	item: RepairItem,
	options: RepairRequest,
): Promise<{ parts: RepairOutcome[]; keptAs: string | undefined }> {
	const keptAs = keptName(item.real);
	const base = item.parts.map((part) => ({ ...plannedPart(item, part, options), finding: '' }));
	const start = () => native.quarantineFileAsync(item.real, keptAs, item.unit, options.zeros, item.backup);
	try {
		const pages = await patiently(finish(start, options, { progressOf: progressOf(item.path) }), options.signal);
		const lostIn = (part: ByteRange) =>
			lengthOf(pages.flatMap((page) => (page.lost === 0 ? [] : (intersection(page, part) ?? []))));
		const parts = base.map((part) => ({
			...part,
			outcome: 'quarantined' as const,
			lost: lostIn(part),
			finding: `the file is now a copy without bad blocks; the bad file is kept as ${keptAs}`,
			remedy: `never delete, truncate or punch ${quoted(keptAs)}, because it keeps its blocks from other files. Restart the programs that have the file open, because they use the bad one`,
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

/**
 * Repairs what is on bad blocks: under a file, in a tree, or of a block device.
 *
 * A bad page cannot be read as a whole, and no part of it can be rescued through a file. By default (`rewrite`) the
 * whole page is written anew, from a backup or as zeros. That clears the bad block where the medium can be cleared, and
 * mappings of the file are good again at once. A page that can be read is never written. On a block device only the
 * sectors that cannot be read are lost, and the other sectors of the page are kept. If the medium does not take the
 * write, nothing is punched, truncated or deleted, and the outcome is `uncleared`.
 *
 * `reallocate` moves the data to other blocks after that. It waits while anybody has a page of the file pinned, by
 * direct I/O or a pipe. `quarantine` is for media that cannot be cleared: a copy takes the file's name, and the bad
 * file is kept under another name. It needs room for the copy, and nobody may write to the file meanwhile. A process
 * that has the file open keeps using the bad one.
 *
 * The work is done on threads of its own, so the event loop goes on. An abort is answered within about a second even if
 * the kernel does not end a call. Afterwards the call looks again: a part is `repaired` if it reads as it was written
 * and its block is off the list.
 *
 * @param path A file, a directory, or a block device.
 * @throws Error ERR_DAXKIND_NO_CONTENT: there is neither `from` nor `zeros`, or the backup is no good;
 * ERR_DAXKIND_CANNOT_CLEAR: a device-DAX device. SystemError of `open`, `statx` or `fdatasync`; the signal's reason.
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
		const planned = items.flatMap((item) => item.parts.map((part) => plannedPart(item, part, checked)));
		const parts = [...planned, ...skipped].map(judgedPart);
		return { ...base, parts, lost: lostOf(parts), quarantined: [], remains: found, isRepaired: parts.length === 0 };
	}
	requireContent(items, checked);
	const outcomes: RepairOutcome[] = [];
	const quarantined: MediaRepair['quarantined'] = [];
	for (const item of items) {
		throwIfAborted(signal);
		if (method === 'quarantine') {
			const done = await quarantine(item, checked);
			outcomes.push(...done.parts);
			if (done.keptAs !== undefined) quarantined.push({ path: item.path, keptAs: done.keptAs });
		} else {
			outcomes.push(...(await rewrite(item, checked)));
		}
	}
	const parts = [...outcomes, ...skipped].map(judgedPart);
	const remains = items.length === 0 ? found : await look();
	return { ...base, parts, lost: lostOf(parts), quarantined, remains, isRepaired: parts.every(({ isDone }) => isDone) };
}

const lostOf = (parts: readonly RepairedPart[]) => parts.reduce((sum, { lost }) => sum + lost, 0);
