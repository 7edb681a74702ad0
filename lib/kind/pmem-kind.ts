// The pmem kind: memory in a nameless file of a directory, on DAX if the directory is.
import {
	requireBoolean,
	requireInteger,
	requireKnownOptions,
	requireOptions,
	requirePath,
	requireSize,
} from '../arguments.ts';
import { explain, inspect } from '../dax/index.ts';
import { daxkindError, invalidArgType, invalidArgValue, type SystemError, systemError, withFix } from '../errors.ts';
import { checkJobOptions } from '../jobs.ts';
import { granularityOf, type PmemGranularity, whyNoFile } from '../mapping/index.ts';
import { type KindHold, type KindRequest, native } from '../native.ts';
import { nameKind } from './attaching.ts';
import { isDebugging } from './debug.ts';
import type { KindProgressOptions } from './jobs.ts';
import { Kind } from './kind.ts';
import { makeKind, makeKindAsync, type Recipe } from './making.ts';
import { type CheckedNotices, checkNotices, type KindNoticeOptions, noticeOptions } from './notices.ts';
import { stackOf } from './stacks.ts';

const { chunkSize } = native.kindLayout;

/** The smallest `maxSize` of a pmem kind in bytes: 16 MiB, memkind's MEMKIND_PMEM_MIN_SIZE. */
export const minPmemSize = 16 * 1024 * 1024;

/** How long freed memory keeps its storage: memkind's dirty_decay_ms; and a day. */
const defaultDecayMs = 10_000;
const mostDecayMs = 86_400_000;

export interface PmemKindOptions extends KindNoticeOptions {
	/**
	 * What the kind can hold, in bytes: at least 16 MiB, rounded up to 2 MiB. The file takes storage as blocks are
	 * allocated, never more than this. Default 0: what the file system, or the quota of the directory, has.
	 */
	maxSize?: number;
	/**
	 * What becomes of freed memory. 'default' keeps its storage for reuse and gives it back after `decayMs`;
	 * 'conservative' gives each free 2 MiB back at once, but for what thread caches hold (at most 1/20 of the kind and
	 * 77 MiB in one, twice that in all), which costs time and keeps the file small. A thread in the background does it, by fallocate; `free` and
	 * `stats` of a conservative kind wait for that, 15 ms at most.
	 */
	policy?: 'default' | 'conservative';
	/**
	 * How many milliseconds freed memory keeps its storage for reuse with the default policy, 1 to 86,400,000 (a day). What a
	 * thread's cache holds goes back by then, too, if that thread runs its event loop. Default 10,000, memkind's
	 * `dirty_decay_ms`. With the conservative policy it must not be given.
	 */
	decayMs?: number;
	/**
	 * Throw ERR_DAXKIND_NOT_DAX if the memory would not be on DAX, or it is not known whether it would; the message says the first broken link and what fixes it, and
	 * the error's `explanation` all of them, see {@link explain}. Default false.
	 */
	requireDax?: boolean;
	/**
	 * Map with MAP_SHARED_VALIDATE|MAP_SYNC; fails with ENOTSUP where there is no DAX. Volatile memory needs no MAP_SYNC,
	 * which makes the first touch of a page wait for the file system's journal. Default false.
	 */
	mapSync?: boolean;
	/**
	 * Reserve the storage of all of `maxSize` now and fault its pages in, so that no later allocation waits for either. It
	 * is kept until `purge` or `close`, whatever the policy. Takes long for much memory. Default false.
	 */
	prefault?: boolean;
	/**
	 * Look for mistakes with the memory: each block has an ArrayBuffer of its own, which `free` detaches, so that a use
	 * after it finds length 0; red zones around blocks are checked by `free`; freed memory is filled with a pattern and
	 * kept out of use for a while; leak reports say where blocks were allocated. Slow. Default: whether the environment
	 * variable DAXKIND_DEBUG is set to something else than 0.
	 */
	debug?: boolean;
}

const names = ['maxSize', 'policy', 'decayMs', 'requireDax', 'mapSync', 'prefault', 'debug', ...noticeOptions];
const asyncNames = [...names, 'signal', 'onProgress'];

interface Checked {
	path: string;
	mapSync: boolean;
	request: KindRequest;
	requireDax: boolean;
	notices: CheckedNotices;
}

function checkOptions(directory: string | URL, options: unknown, known: string[]): Checked {
	const path = requirePath('directory', directory);
	const given = requireOptions<PmemKindOptions>('options', options as PmemKindOptions);
	requireKnownOptions('options', given, known);
	const { maxSize = 0, policy = 'default', requireDax = false, mapSync = false, prefault = false } = given;
	const { debug = isDebugging() } = given;
	if (maxSize !== 0) requireSize('options.maxSize', maxSize, minPmemSize);
	if (typeof policy !== 'string') throw invalidArgType('options.policy', 'of type string', policy);
	if (policy !== 'default' && policy !== 'conservative') {
		throw invalidArgValue('options.policy', "'default' or 'conservative'", policy);
	}
	const isConservative = policy === 'conservative';
	const { decayMs } = given;
	if (decayMs !== undefined) requireInteger('options.decayMs', decayMs, 1, mostDecayMs);
	if (decayMs !== undefined && isConservative) {
		throw invalidArgValue('options.decayMs', 'given with the default policy alone', decayMs);
	}
	requireBoolean('options.requireDax', requireDax);
	requireBoolean('options.mapSync', mapSync);
	requireBoolean('options.prefault', prefault);
	requireBoolean('options.debug', debug);
	return {
		path,
		mapSync,
		request: [
			path,
			Math.ceil(maxSize / chunkSize) * chunkSize,
			isConservative,
			decayMs ?? defaultDecayMs,
			mapSync,
			prefault,
			debug,
		],
		requireDax,
		notices: checkNotices(given),
	};
}

/** Gives a refused MAP_SYNC its reason: the kernel says no more than ENOTSUP. */
function explained(error: unknown, { path, mapSync }: Checked): unknown {
	// A signal's reason, and what onProgress throws, can be anything.
	if (!(error instanceof Error)) return error;
	const { code, errno, syscall } = error as SystemError;
	if (code === 'ENOTDIR') {
		const why = whyNoFile(path);
		return why === undefined ? error : systemError(errno, syscall, path, `not a directory, because ${why}`);
	}
	if (syscall === 'fstatfs' && ['ENOSPC', 'EPERM', 'ENOSYS'].includes(code)) {
		return systemError(errno, syscall, path, 'the file system does not say how large it is; give maxSize');
	}
	if (!mapSync || code !== 'ENOTSUP' || syscall !== 'mmap') return error;
	const { mapSyncRefusal = 'the kernel does not say why' } = explain(path);
	return systemError(errno, syscall, path, `not on a DAX mapping that has MAP_SYNC: ${mapSyncRefusal}`);
}

/** The error of `requireDax`: the first broken link and what fixes it, and all of the chain for a program. */
function notDax({ path, dax }: PmemKind): Error {
	const explanation = explain(path);
	// A flag that changed in between: then nothing is wrong now.
	const { reason = 'its state has just changed; try again', remedy } = explanation;
	const what = dax === undefined ? `It is not known whether '${path}' is on DAX` : `'${path}' is not on DAX`;
	return Object.assign(daxkindError('ERR_DAXKIND_NOT_DAX', withFix(`${what}: ${reason}`, remedy)), { explanation });
}

/** Whether a kind's file is on DAX: where the kernel does not say it and MAP_SYNC does not prove it, as its directory is by the rest. */
function isOnDax({ dax, path, deviceMajor, deviceMinor }: KindHold): boolean | undefined {
	if (dax !== undefined) return dax;
	try {
		const { mount, ...report } = inspect(path);
		// The path may lead elsewhere by now.
		const isThere = mount?.deviceMajor === deviceMajor && mount.deviceMinor === deviceMinor;
		return isThere ? report.dax : undefined;
	} catch {
		return undefined;
	}
}

/**
 * Volatile memory from a directory on persistent-memory hardware; memkind's pmem kind.
 *
 * The memory is a file without a name: nothing else can open it, and its storage is free again when the kind is closed
 * or the process ends, however it ends. Growth reserves storage first (fallocate), so that a full file system is an
 * OutOfMemoryError and never a crash.
 *
 * ```js
 * import { PmemKind } from 'daxkind';
 *
 * const kind = PmemKind.create('/dev/shm', { maxSize: 64 * 1024 * 1024 });
 * const block = kind.malloc(5);
 * block.write('hello');
 * console.log(block.toString(), kind.dax);
 * kind.free(block);
 * kind.close();
 * ```
 */
export class PmemKind extends Kind {
	declare readonly type: 'pmem';
	/**
	 * Whether the memory is on DAX: loads and stores go to the medium, not to the page cache (STATX_ATTR_DAX of the kind's file).
	 * Where the kernel does not report that (before 5.8, or in a sandbox that refuses statx): true if MAP_SYNC is accepted for it, or if
	 * the mount and its device put all files on DAX; false if they put none on it; undefined if that is not known. If it is not true,
	 * `explain(kind.path)` says why.
	 */
	readonly dax: boolean | undefined;
	/** How the file is mapped: 'shared' (MAP_SHARED) or 'sync' (MAP_SHARED_VALIDATE|MAP_SYNC). */
	readonly mapping: 'shared' | 'sync';
	/** What has to be flushed for a store to be persistent; see {@link PmemGranularity}. */
	readonly granularity: PmemGranularity;

	static {
		nameKind('pmem', PmemKind, (hold) => new PmemKind(hold));
	}

	private constructor(hold: KindHold) {
		super(hold, 'PmemKind.create(directory)');
		this.dax = isOnDax(hold);
		this.mapping = hold.sync ? 'sync' : 'shared';
		this.granularity = granularityOf(hold.sync, hold.deviceMajor, hold.deviceMinor);
	}

	/**
	 * Creates a kind in a directory: open(O_TMPFILE), ftruncate, mmap. Any file system will do; one that is mounted with
	 * DAX makes it persistent memory.
	 *
	 * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, also for an option that there is not; RangeError ERR_OUT_OF_RANGE.
	 * @throws A system error with code, syscall and path: ENOENT, ENOTDIR, EACCES, EROFS (open); EMFILE; ENOSPC
	 *   (fallocate, with `prefault`); ENOMEM (mmap); EFBIG (ftruncate); ENOTSUP (mmap, with `mapSync`).
	 * @throws Error ERR_DAXKIND_NOT_DAX with `requireDax`.
	 */
	static create(directory: string | URL, options: PmemKindOptions = {}): PmemKind {
		const stack = stackOf(PmemKind.create);
		return makeKind(PmemKind.#recipe(checkOptions(directory, options, names)), stack);
	}

	/**
	 * As `create`, by a thread of its own: with `prefault` it can take seconds. The promise keeps the event loop alive;
	 * `process.exit()` and the end of a worker do not wait for it, and nothing stays behind.
	 *
	 * ```js
	 * const kind = await PmemKind.createAsync('/dev/shm', {
	 *   maxSize: 64 * 1024 * 1024,
	 *   prefault: true,
	 *   signal: AbortSignal.timeout(10_000),
	 *   onProgress: ({ done, total }) => console.log(`${done} of ${total} bytes`),
	 * });
	 * kind.close();
	 * ```
	 *
	 * @throws As `create`; ENOMEM (malloc); EAGAIN (pthread_create) if there is no thread to be had; the signal's reason.
	 *   Nothing stays behind then.
	 */
	static async createAsync(
		directory: string | URL,
		options: PmemKindOptions & KindProgressOptions = {},
	): Promise<PmemKind> {
		const stack = stackOf(PmemKind.createAsync);
		const checked = checkOptions(directory, options, asyncNames);
		return makeKindAsync(PmemKind.#recipe(checked), stack, checkJobOptions(options));
	}

	static #recipe(checked: Checked): Recipe<PmemKind> {
		const { request, requireDax, notices } = checked;
		return {
			create: () => native.kindCreate(...request),
			createAsync: () => native.kindCreateAsync(...request),
			kindOf: (hold) => new PmemKind(hold),
			notices,
			explained: (error) => explained(error, checked),
			check: (kind) => {
				if (requireDax && !kind.dax) throw notDax(kind);
			},
		};
	}
}
