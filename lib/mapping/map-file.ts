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
import { lengthOf } from '../byte-ranges.ts';
import {
	daxkindError,
	invalidArgType,
	invalidArgValue,
	outOfRange,
	refusal,
	type SystemError,
	systemError,
} from '../errors.ts';
import { keepGuardArmed } from '../guard.ts';
import type { LostPart } from '../native/losses.ts';
import type { StatxResult } from '../native/syscalls.ts';
import { native } from '../native.ts';
import { granularityOf } from './granularity.ts';
import { refusedMapSync } from './map-sync.ts';
import { whyNoFile } from './no-file.ts';
import { type MappingMediaError, makeMapping, type PmemMapping } from './pmem-mapping.ts';

/** Options of {@link mapFile}. */
export interface MapFileOptions {
	/** Where in the file the mapping starts, in bytes: a multiple of the page size. Default 0. */
	offset?: number;
	/**
	 * How many bytes to map: a multiple of the page size, or exactly up to the file's end. Default: from `offset` to
	 * the end.
	 */
	length?: number;
	/** Whether stores reach the file. If not, they stay private to the mapping (copy-on-write). Default true. */
	writable?: boolean;
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
	'sync',
	'allocate',
	'onMediaError',
	'errors',
];

interface Request {
	fd: number;
	path: string | undefined;
	writable: boolean;
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
	const { MAX_LENGTH } = bufferConstants;
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
	if (bytes > MAX_LENGTH) {
		const expected = `<= ${MAX_LENGTH}, the longest Buffer of Node ${process.versions.node}; map the file in parts, or use Node 22`;
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

function mapRange(request: Request, bytes: number, sync: boolean) {
	const { fd, offset, writable, path } = request;
	return { ...native.mapDescriptor(fd, offset, bytes, writable, sync, path), sync };
}

/** Maps with MAP_SYNC if that is demanded or, by default, if it is possible. */
function map(request: Request, bytes: number) {
	if (request.sync === false || !request.writable) return mapRange(request, bytes, false);
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

/** The error of `errors: 'refuse'`. */
function badBlocks({ path, offset }: Request, known: LostPart[]): Error {
	const badBlocks = known.map((part) => ({ offset: offset + part.offset, length: part.length }));
	const where = `${known.length === 1 ? '' : `in ${known.length} places, the first `}from byte ${badBlocks[0]!.offset} on`;
	const name = path ?? 'the file';
	const finding = `${lengthOf(known)} bytes of ${name} are on bad blocks of its device, ${where}`;
	const remedy = path === undefined ? undefined : `daxkind repair ${path}`;
	return Object.assign(refusal('ERR_DAXKIND_BAD_BLOCKS', name, finding, remedy), { badBlocks });
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
	if (request.refusesErrors && mapped.knownBad.length > 0) {
		native.releaseMapping(mapped.id);
		native.detachArrayBuffer(mapped.arrayBuffer);
		throw badBlocks(request, mapped.knownBad);
	}
	// As in libpmem2: a private mapping needs no flush.
	const granularity = request.writable ? granularityOf(mapped.sync, status.deviceMajor, status.deviceMinor) : 'byte';
	const { writable, path, onMediaError } = request;
	return makeMapping({ ...mapped, granularity, writable, path, onMediaError });
}

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
 *   a range that is unaligned or too long (hugetlbfs maps whole huge pages only), for an empty file, and for more than
 *   4 GiB on Node 20; Error ERR_DAXKIND_FILE_TYPE if it is not a regular file; ERR_DAXKIND_BAD_BLOCKS, with `badBlocks`
 *   in bytes of the file, if `errors` is 'refuse'; SystemError of `open`, `statx`, `fallocate` (ENOSPC) or `mmap`
 *   (ENOTSUP if `sync` is demanded and the file is not on DAX, EACCES if a descriptor is read-only).
 * @example
 * const mapping = mapFile('/mnt/pmem/log', { sync: true });
 * mapping.buffer.write('hello', 0);
 * mapping.persist(0, 5);
 * mapping.unmap();
 */
export function mapFile(file: string | URL | number, options?: MapFileOptions): PmemMapping {
	const given = requireOptions('options', options, optionNames);
	const { writable = true, sync, allocate = writable, offset = 0, length, onMediaError, errors = 'report' } = given;
	requireBoolean('options.writable', writable);
	if (sync !== undefined) requireBoolean('options.sync', sync);
	requireBoolean('options.allocate', allocate);
	requireInteger('options.offset', offset);
	if (length !== undefined) requireInteger('options.length', length, 1);
	requireCallback('options.onMediaError', onMediaError);
	const refusesErrors = requireOneOf('options.errors', errors, ['report', 'refuse']) === 'refuse';
	const shared = { writable, sync, allocate, offset, length, onMediaError, refusesErrors };
	if (sync && !writable) throw invalidArgValue('options.sync', 'false or absent if options.writable is false', sync);
	if (shared.allocate && !writable) {
		throw invalidArgValue('options.allocate', 'false or absent if options.writable is false', true);
	}
	if (typeof file === 'number') {
		return mapDescriptor({ ...shared, fd: requireInteger('file', file, 0, 0x7fffffff), path: undefined });
	}
	if (typeof file !== 'string' && !(file instanceof URL)) {
		throw invalidArgType('file', 'of type string or number, or an instance of URL', file);
	}
	const path = requirePath('file', file);
	const fd = open(path, writable);
	try {
		return mapDescriptor({ ...shared, fd, path });
	} finally {
		native.closeDescriptor(fd);
	}
}
