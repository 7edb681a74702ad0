// Maps a file: checks everything that would fail later or fault, opens, allocates, maps, and finds out the granularity.
import { constants as bufferConstants } from 'node:buffer';
import { constants } from 'node:fs';
import {
	requireBoolean,
	requireCallback,
	requireInteger,
	requireOneOf,
	requireOptions,
	requirePath,
} from '../arguments.ts';
import { daxkindError, invalidArgType, invalidArgValue, outOfRange, type SystemError, systemError } from '../errors.ts';
import { keepGuardArmed } from '../guard.ts';
import type { StatxResult } from '../native/syscalls.ts';
import { native } from '../native.ts';
import { checkMapped, refuseBadBlocks } from './bad-blocks.ts';
import {
	fileGranularity,
	granularities,
	type PmemGranularity,
	privateGranularity,
	requireGranularity,
} from './granularity.ts';
import type { MappingMediaError } from './losses.ts';
import { refusedMapSync } from './map-sync.ts';
import { whyNoFile } from './no-file.ts';
import { makeMapping, type PmemMapping } from './pmem-mapping.ts';

/** Options of {@link mapFile}. */
export interface MapFileOptions {
	/** Where in the file the mapping starts, in bytes: a multiple of the page size. Default 0. */
	offset?: number;
	/**
	 * How many bytes to map: a multiple of the page size, or exactly up to the file's end. Default: from `offset` to
	 * the end.
	 */
	length?: number;
	/**
	 * Whether the mapping may be stored in. If not, the file is opened for reading, and `persist` and its like throw.
	 * Nothing can keep a script from storing into a Buffer, so such a store stays private to the mapping. Default true.
	 */
	writable?: boolean;
	/**
	 * 'shared': stores reach the file. 'private': they stay in this mapping (MAP_PRIVATE, copy-on-write), and its
	 * granularity is 'byte', because there is nothing to make persistent. Default 'shared'.
	 */
	sharing?: 'shared' | 'private';
	/**
	 * The coarsest granularity that is accepted. If the mapping would have a coarser one, there is no mapping but an
	 * error that says why: ERR_DAXKIND_GRANULARITY. libpmem2 has it as the required store granularity. Default 'page',
	 * which accepts all.
	 */
	granularity?: PmemGranularity;
	/**
	 * Whether the mapping is made with MAP_SYNC, so that flushing the processor's caches is enough to persist. True
	 * demands it (ENOTSUP of `mmap` if the file is not on DAX), and false declines it. By default the mapping has
	 * MAP_SYNC where that is possible, as in libpmem2.
	 */
	sync?: boolean;
	/**
	 * Whether the file's holes in the range get blocks first (fallocate). A full file system is then an error here
	 * (ENOSPC) rather than a lost page at a later store. After such an error the blocks that the file got are given
	 * back. Where the file system has no fallocate, the holes stay. The call blocks meanwhile; see {@link mapFile}.
	 * Default: as `writable`.
	 */
	allocate?: boolean;
	/**
	 * Called in a later turn of the event loop when a part of the mapping is lost: a bad block of the medium, or a file
	 * that somebody has truncated. The part reads as zeros from then on. Without a listener, and without a subscriber
	 * of the channel `daxkind:media-error` (node:diagnostics_channel), there is a process warning.
	 */
	onMediaError?: (error: MappingMediaError) => void;
	/**
	 * What to do if the range is on bad blocks that the kernel knows of. 'report' maps it, and tells `onMediaError` of
	 * them as of other losses. 'refuse' throws ERR_DAXKIND_BAD_BLOCKS. Default 'report'.
	 */
	errors?: 'report' | 'refuse';
}

const optionNames: readonly (keyof MapFileOptions)[] = [
	'offset',
	'length',
	'writable',
	'sharing',
	'granularity',
	'sync',
	'allocate',
	'onMediaError',
	'errors',
];

interface Request {
	fd: number;
	path: string | undefined;
	writable: boolean;
	sharing: 'shared' | 'private';
	coarsest: PmemGranularity | undefined;
	sync: boolean | undefined;
	allocate: boolean;
	offset: number;
	length: number | undefined;
	onMediaError: MapFileOptions['onMediaError'] | undefined;
	refusesErrors: boolean;
}

/** The unit that a mapping of this file must begin and end at, in bytes, and its name. */
function unitOf(fd: number, { blockSize }: StatxResult): { unit: number; name: string } {
	const { PAGE_SIZE, HUGETLBFS_MAGIC } = native.constants;
	const page = { unit: PAGE_SIZE, name: 'the page size' };
	// Only hugetlbfs maps nothing smaller than its blocks. Other file systems may have large blocks, too.
	if (blockSize <= PAGE_SIZE) return page;
	try {
		const { type } = native.statfs(`/proc/self/fd/${fd}`);
		return type === HUGETLBFS_MAGIC ? { unit: blockSize, name: "hugetlbfs's page size" } : page;
	} catch {
		// Without /proc, mmap refuses what is wrong.
		return page;
	}
}

/** How many bytes to map, checked against the file's size: a load beyond its end would raise SIGBUS. */
function checkedLength({ fd, offset, length }: Request, status: StatxResult): number {
	const { size } = status;
	const { unit, name } = unitOf(fd, status);
	if (offset % unit !== 0) throw outOfRange('options.offset', `a multiple of ${name}, ${unit}`, offset);
	if (offset >= size) throw outOfRange('options.offset', `less than the file's size, ${size} bytes`, offset);
	const rest = size - offset;
	const bytes = length ?? rest;
	if (bytes > rest) {
		throw outOfRange(
			'options.length',
			`<= ${rest}, because the file has ${size} bytes and the offset is ${offset}`,
			bytes,
		);
	}
	if (bytes !== rest && bytes % unit !== 0) {
		const expected = `a multiple of ${name}, ${unit}, or ${rest}, which reaches the file's end exactly`;
		throw outOfRange('options.length', expected, bytes);
	}
	return bytes;
}

function allocate({ fd, path }: Request, offset: number, bytes: number): void {
	try {
		native.allocateOrNothing(fd, offset, bytes, path);
	} catch (error) {
		// EBADF says that the descriptor is read-only. The error of mmap says so better.
		const { code } = error as SystemError;
		if (code !== 'ENOTSUP' && code !== 'EBADF') throw error;
	}
}

/** Whether stores into the mapping are to reach the file. */
const isShared = ({ writable, sharing }: Pick<Request, 'writable' | 'sharing'>) => writable && sharing === 'shared';

function mapRange(request: Request, bytes: number, sync: boolean) {
	const { fd, offset, path } = request;
	const { MAX_LENGTH } = bufferConstants;
	return { ...native.mapDescriptor(fd, offset, bytes, isShared(request), sync, MAX_LENGTH, path), sync };
}

/** Maps with MAP_SYNC if that is demanded or, by default, if it is possible. */
function map(request: Request, bytes: number) {
	if (request.sync === false || !isShared(request)) return mapRange(request, bytes, false);
	try {
		return mapRange(request, bytes, true);
	} catch (error) {
		const { code, syscall, path } = error as SystemError;
		// Kernels before 4.15 do not know MAP_SHARED_VALIDATE.
		if (syscall !== 'mmap' || (code !== 'ENOTSUP' && code !== 'EINVAL')) throw error;
		if (request.sync === undefined) return mapRange(request, bytes, false);
		throw refusedMapSync(error as SystemError, path ?? `/proc/self/fd/${request.fd}`);
	}
}

function open(path: string, writable: boolean): number {
	try {
		return native.openFile(path, writable);
	} catch (error) {
		const { code, errno, syscall } = error as SystemError;
		// This is a device without a driver, such as a device-DAX node whose memory is system RAM.
		const why = code === 'ENXIO' ? whyNoFile(path) : undefined;
		throw why === undefined ? error : systemError(errno, syscall, path, why);
	}
}

function mapDescriptor(request: Request): PmemMapping {
	const status = native.statxDescriptor(request.fd);
	if ((status.mode & constants.S_IFMT) !== constants.S_IFREG) {
		const { path } = request;
		const why = whyNoFile(path ?? `/proc/self/fd/${request.fd}`);
		const what = `${path ?? 'this'} is not one${why === undefined ? '' : `: ${why}`}`;
		throw daxkindError('ERR_DAXKIND_FILE_TYPE', `Only a regular file can be mapped; ${what}`);
	}
	const bytes = checkedLength(request, status);
	if (request.allocate) allocate(request, request.offset, bytes);
	const mapped = map(request, bytes);
	keepGuardArmed();
	const { writable, sharing, path, onMediaError } = request;
	const { deviceMajor, deviceMinor } = status;
	const granularity = isShared(request)
		? fileGranularity({ sync: mapped.sync, isDeclined: request.sync === false, path, deviceMajor, deviceMinor })
		: privateGranularity('the mapping is private, so no store reaches the file');
	checkMapped(mapped, () => {
		const name = path ?? 'the file';
		if (request.refusesErrors) refuseBadBlocks(name, request.offset, mapped, path && `daxkind repair ${path}`);
		requireGranularity(granularity, request.coarsest, name);
	});
	return makeMapping({ ...mapped, source: 'file', length: bytes, granularity, sharing, writable, path, onMediaError });
}

/** The options of a caller, checked, with their defaults. */
function checkOptions(options: MapFileOptions | undefined): Omit<Request, 'fd' | 'path'> {
	const given = requireOptions('options', options, optionNames);
	const { writable = true, sharing = 'shared', sync, granularity: coarsest } = given;
	const isSharedFile = writable && sharing === 'shared';
	const { allocate = isSharedFile, offset = 0, length, onMediaError, errors = 'report' } = given;
	requireBoolean('options.writable', writable);
	requireOneOf('options.sharing', sharing, ['shared', 'private']);
	if (coarsest !== undefined) requireOneOf('options.granularity', coarsest, granularities);
	if (sync !== undefined) requireBoolean('options.sync', sync);
	requireBoolean('options.allocate', allocate);
	requireInteger('options.offset', offset);
	if (length !== undefined) requireInteger('options.length', length, 1);
	requireCallback('options.onMediaError', onMediaError);
	const refusesErrors = requireOneOf('options.errors', errors, ['report', 'refuse']) === 'refuse';
	const unlessShared = `false or absent if ${writable ? "options.sharing is 'private'" : 'options.writable is false'}`;
	if (sync && !isSharedFile) throw invalidArgValue('options.sync', unlessShared, sync);
	if (allocate && !isSharedFile) throw invalidArgValue('options.allocate', unlessShared, true);
	return { writable, sharing, coarsest, sync, allocate, offset, length, onMediaError, refusesErrors };
}

/** Maps a file that is open. The path is only for what a person reads: another file can have it by now. */
export const mapOpenFile = (fd: number, path: string, options: MapFileOptions): PmemMapping =>
	mapDescriptor({ ...checkOptions(options), fd, path });

/**
 * Maps a file, or a part of one, into memory: its bytes as a Buffer over the mapping itself. Nothing is copied.
 *
 * Where a page of the file is lost (a bad block, or somebody truncates the file), an access reads zeros, and
 * `onMediaError` says so. A child process does not inherit the mapping.
 *
 * The call blocks this thread. With `allocate` that is as long as the file system takes to fill the holes. On DAX it
 * also waits while an O_DIRECT transfer or a device has a page of the file pinned (on XFS always, on ext4 if a hole is
 * being punched meanwhile).
 *
 * @param file A path, a file: URL, or the descriptor of an open file, which stays open and may be closed at once.
 * @param options What to map, and how.
 * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE for an unknown option; RangeError ERR_OUT_OF_RANGE for
 *   a range that is unaligned or too long (hugetlbfs maps whole huge pages only), and for an empty file; Error
 *   ERR_DAXKIND_FILE_TYPE if it is not a regular file; ERR_DAXKIND_GRANULARITY, with `granularity`;
 *   ERR_DAXKIND_BAD_BLOCKS, with `badBlocks` in bytes of the file, if `errors` is 'refuse'; SystemError of `open`,
 *   `statx`, `fallocate` (ENOSPC) or `mmap` (ENOTSUP if `sync` is demanded and the file is not on DAX, EACCES if a
 *   descriptor is read-only).
 * @example
 * const mapping = mapFile('/mnt/pmem/log', { sync: true });
 * mapping.buffer.write('hello', 0);
 * mapping.persist(0, 5);
 * mapping.unmap();
 */
export function mapFile(file: string | URL | number, options?: MapFileOptions): PmemMapping {
	const request = checkOptions(options);
	if (typeof file === 'number') {
		return mapDescriptor({ ...request, fd: requireInteger('file', file, 0, 0x7fffffff), path: undefined });
	}
	if (typeof file !== 'string' && !(file instanceof URL)) {
		throw invalidArgType('file', 'of type string or number, or an instance of URL', file);
	}
	const path = requirePath('file', file);
	const fd = open(path, isShared(request));
	try {
		return mapDescriptor({ ...request, fd, path });
	} finally {
		native.closeDescriptor(fd);
	}
}
