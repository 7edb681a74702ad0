// The pmem kind: memory in a nameless file of a directory, on DAX if the directory is.
import { requireBoolean, requireInteger, requireOneOf, requireOptions, requirePath } from '../arguments.ts';
import { explain, inspect } from '../dax/index.ts';
import { daxkindError, invalidArgValue, type SystemError, systemError, withFix } from '../errors.ts';
import { checkJobOptions } from '../jobs.ts';
import { fileGranularity, type PmemGranularity, refusedMapSync, whyNoFile } from '../mapping/index.ts';
import type { KindHold, KindRequest } from '../native/kinds.ts';
import { native } from '../native.ts';
import { nameKind } from './attaching.ts';
import type { KindProgressOptions } from './jobs.ts';
import { Kind } from './kind.ts';
import { makeKind, makeKindAsync, type Recipe } from './making.ts';
import { type CheckedNotices, checkNotices, type KindNoticeOptions, noticeOptions } from './notices.ts';
import { debugOf, maxSizeOf, nameOf } from './options.ts';
import { stackOf } from './stacks.ts';

/** The default of `decayMs`, which is memkind's dirty_decay_ms, and the most it can be: a day. */
const defaultDecayMs = 10_000;
const mostDecayMs = 86_400_000;

export interface PmemKindOptions extends KindNoticeOptions {
	/** What to call the kind in metrics and logs: `kind.name` in every thread. Default: its `path`. */
	name?: string;
	/**
	 * How many bytes the kind can hold: at least 16 MiB, rounded up to 2 MiB. The file takes storage as blocks are
	 * allocated, never more than this. Default 0: what the file system, or the quota of the directory, has.
	 */
	maxSize?: number;
	/**
	 * What happens to freed memory. 'default' keeps its storage for reuse and gives it back after `decayMs`.
	 * 'conservative' gives each free 2 MiB back at once, which costs time and keeps the file small. It does not give
	 * back what thread caches hold: at most 1/20 of the kind and 77 MiB in one, twice that in all. A background thread
	 * does the work, by fallocate. `free` and `stats` of a conservative kind wait for it, 15 ms at most. Default
	 * 'default'.
	 */
	policy?: 'default' | 'conservative';
	/**
	 * How many milliseconds freed memory keeps its storage for reuse with the default policy, 1 to 86,400,000 (a day).
	 * The free blocks in a thread's cache go back by then, too, if that thread runs its event loop. Default 10,000,
	 * memkind's `dirty_decay_ms`. It must not be given with the conservative policy.
	 */
	decayMs?: number;
	/**
	 * Throw ERR_DAXKIND_NOT_DAX unless the memory is known to be on DAX. The message says the first broken link and
	 * what fixes it. The error's `explanation` has all links, see {@link explain}. Default false.
	 */
	requireDax?: boolean;
	/**
	 * Map with MAP_SHARED_VALIDATE|MAP_SYNC; fails with ENOTSUP where there is no DAX. Volatile memory does not need
	 * MAP_SYNC, and with it the first touch of a page waits for the file system's journal. Default false.
	 */
	mapSync?: boolean;
	/**
	 * Reserve the storage of all of `maxSize` now and fault its pages in, so that no later allocation waits for either.
	 * The storage stays until `purge` or `close`, whatever the policy is. `create` blocks for as long as that takes,
	 * which is seconds for much memory. `createAsync` does it on another thread. Default false.
	 */
	prefault?: boolean;
	/**
	 * Look for mistakes with the memory. Each block has an ArrayBuffer of its own, which `free` detaches: a use after
	 * that finds length 0. `free` checks red zones around blocks. Freed memory is filled with a pattern and kept out of
	 * use for a while. Leak reports say where blocks were allocated. It costs some microseconds for each block.
	 * Default: true if the environment variable DAXKIND_DEBUG is set to something else than 0, read when the kind is
	 * created.
	 */
	debug?: boolean;
}

const names = ['name', 'maxSize', 'policy', 'decayMs', 'requireDax', 'mapSync', 'prefault', 'debug', ...noticeOptions];
const asyncNames = [...names, 'signal', 'onProgress'];

const policies = ['default', 'conservative'] as const;

interface Checked {
	path: string;
	mapSync: boolean;
	request: KindRequest;
	requireDax: boolean;
	name: string | undefined;
	notices: CheckedNotices;
}

function checkOptions(directory: string | URL, options: unknown, known: string[]): Checked {
	const path = requirePath('directory', directory);
	const given = requireOptions<PmemKindOptions>('options', options as PmemKindOptions, known);
	const { policy = 'default', requireDax = false, mapSync = false, prefault = false } = given;
	const maxSize = maxSizeOf(given);
	const isConservative = requireOneOf('options.policy', policy, policies) === 'conservative';
	const { decayMs } = given;
	if (decayMs !== undefined) requireInteger('options.decayMs', decayMs, 1, mostDecayMs);
	if (decayMs !== undefined && isConservative) {
		throw invalidArgValue('options.decayMs', "absent unless options.policy is 'default'", decayMs);
	}
	requireBoolean('options.requireDax', requireDax);
	requireBoolean('options.mapSync', mapSync);
	requireBoolean('options.prefault', prefault);
	const debug = debugOf(given);
	return {
		path,
		mapSync,
		request: [path, maxSize, isConservative, decayMs ?? defaultDecayMs, mapSync, prefault, debug],
		requireDax,
		name: nameOf(given),
		notices: checkNotices(given),
	};
}

/** Adds the reason to an error of native code. */
function explained(error: SystemError, { path, mapSync }: Checked): Error {
	const { code, errno, syscall } = error;
	if (code === 'ENOTDIR') {
		const why = whyNoFile(path);
		return why === undefined ? error : systemError(errno, syscall, path, `not a directory, because ${why}`);
	}
	if (syscall === 'fstatfs' && ['ENOSPC', 'EPERM', 'ENOSYS'].includes(code)) {
		return systemError(errno, syscall, path, 'the file system does not say how large it is; give maxSize');
	}
	return mapSync && code === 'ENOTSUP' && syscall === 'mmap' ? refusedMapSync(error, path) : error;
}

/**
 * The error of `requireDax`: the message says the first broken link and what fixes it, and the property `explanation`
 * has the whole chain.
 */
function notDax({ path, dax }: PmemKind): Error {
	const explanation = explain(path);
	// A flag has changed in between, so nothing is wrong now.
	const { reason = 'its state has just changed; try again', remedy } = explanation;
	const what = dax === undefined ? `It is not known whether '${path}' is on DAX` : `'${path}' is not on DAX`;
	return Object.assign(daxkindError('ERR_DAXKIND_NOT_DAX', withFix(`${what}: ${reason}`, remedy)), { explanation });
}

/**
 * Whether a kind's file is on DAX. Where the kernel does not say so, and MAP_SYNC does not prove it, this is what its
 * directory, mount and device tell.
 */
function isOnDax({ dax, path, deviceMajor, deviceMinor }: KindHold): boolean | undefined {
	if (dax !== undefined) return dax;
	try {
		const { mount, ...report } = inspect(path);
		// The path may lead to another file system by now.
		const isThere = mount?.deviceMajor === deviceMajor && mount.deviceMinor === deviceMinor;
		return isThere ? report.dax : undefined;
	} catch {
		return undefined;
	}
}

/**
 * Volatile memory from a directory on persistent-memory hardware; memkind's pmem kind.
 *
 * The memory is a file without a name. Nothing else can open it. Its storage is free again when the kind is closed or
 * the process ends, however it ends. Storage is reserved before a block is handed out (fallocate), so a full file
 * system is an OutOfMemoryError and never a crash.
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
	 * Whether the memory is on DAX: loads and stores go to the medium, not to the page cache (STATX_ATTR_DAX of the
	 * kind's file). Some kernels do not report that (before 5.8, or in a sandbox that refuses statx). Then it is true
	 * if the file accepts MAP_SYNC, or if the mount and its device put all files on DAX; false if they put no file on
	 * DAX; undefined if that is not known. If it is not true, `explain(kind.path)` says why.
	 */
	readonly dax: boolean | undefined;
	/** How the file is mapped: 'shared' (MAP_SHARED) or 'sync' (MAP_SHARED_VALIDATE|MAP_SYNC). */
	readonly mapping: 'shared' | 'sync';
	/** What makes a store persistent; see {@link PmemGranularity}. */
	readonly granularity: PmemGranularity;

	static {
		nameKind('pmem', PmemKind, (hold) => new PmemKind(hold));
	}

	private constructor(hold: KindHold) {
		super(hold, 'PmemKind.create(directory)');
		this.dax = isOnDax(hold);
		this.mapping = hold.sync ? 'sync' : 'shared';
		const { sync, path, deviceMajor, deviceMinor } = hold;
		this.granularity = fileGranularity({ sync, isDeclined: !sync, path, deviceMajor, deviceMinor }).granularity;
	}

	/**
	 * Creates a kind in a directory: open(O_TMPFILE), ftruncate, mmap. Any file system will do. On one that is mounted
	 * with DAX the kind is persistent memory. Without `prefault` the call blocks no longer than making an empty file
	 * takes.
	 *
	 * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, also for an unknown option; RangeError
	 *   ERR_OUT_OF_RANGE.
	 * @throws A system error with code, syscall and path: ENOENT, ENOTDIR, EACCES, EROFS (open); EMFILE; ENOSPC
	 *   (fallocate, with `prefault`); ENOMEM (mmap); EFBIG (ftruncate); ENOTSUP (mmap, with `mapSync`).
	 * @throws Error ERR_DAXKIND_NOT_DAX with `requireDax`.
	 */
	static create(directory: string | URL, options: PmemKindOptions = {}): PmemKind {
		const stack = stackOf(PmemKind.create);
		return makeKind(PmemKind.#recipe(checkOptions(directory, options, names)), stack);
	}

	/**
	 * As `create`, but on another thread: with `prefault` it can take seconds. The promise keeps the event loop alive.
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
	 * @throws As `create`; ENOMEM (malloc); EAGAIN (pthread_create) if no thread can be started; the signal's reason.
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
		const { request, requireDax, name, notices } = checked;
		return {
			create: () => native.kindCreate(...request),
			createAsync: () => native.kindCreateAsync(...request),
			kindOf: (hold) => new PmemKind(hold),
			name,
			notices,
			explained: (error) => explained(error, checked),
			check: (kind) => {
				if (requireDax && !kind.dax) throw notDax(kind);
			},
		};
	}
}
