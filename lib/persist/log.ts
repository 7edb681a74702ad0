// A log that survives: a file or a device-DAX device with records that are only ever appended. This file opens and
// closes it; journal.ts is the log itself.
import { randomBytes } from 'node:crypto';
import { closeSync, constants, fstatSync, fsyncSync, ftruncateSync, openSync, realpathSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import {
	requireCallback,
	requireInteger,
	requireOneOf,
	requireOptions,
	requirePath,
	requireSize,
} from '../arguments.ts';
import { overlapping } from '../byte-ranges.ts';
import { illegalConstructor, invalidState, invalidThis, outOfRange, refusal, type SystemError } from '../errors.ts';
import {
	bytesOf,
	granularities,
	type MappingMediaError,
	mapDevice,
	mapOpenFile,
	type PmemGranularity,
	type PmemGranularityReason,
	type PmemMapping,
} from '../mapping/index.ts';
import { native } from '../native.ts';
import { leastBytes, recordsAt } from './format.ts';
import {
	contentOf,
	format,
	headOf,
	Journal,
	type LogMedium,
	type PmemLogRecord,
	type PmemLogRecovery,
} from './journal.ts';

/** Options of {@link PmemLog.open}. */
export interface PmemLogOptions {
	/**
	 * How long the log is, in bytes, if it has to be made: at least 8 KiB. The file gets all of its blocks at once. Of a
	 * log that is there already it must be the length, or be absent.
	 */
	size?: number;
	/**
	 * The coarsest granularity that is accepted, as of `mapFile`. Default 'page', which accepts all. With 'page',
	 * each append is an msync, which takes as long as the disk needs.
	 */
	granularity?: PmemGranularity;
	/** Called in a later turn of the event loop when a part of the log's memory is lost, as of `mapFile`. */
	onMediaError?: (error: MappingMediaError) => void;
}

const names: readonly (keyof PmemLogOptions)[] = ['size', 'granularity', 'onMediaError'];

let isLog: (value: unknown) => boolean;

/** The journal of an open log. Throws for anything else. */
let journalOf: (log: PmemLog) => Journal;

/** The records of a log, as long as it is open. */
function* whileOpen(log: PmemLog, records: Generator<PmemLogRecord>): Generator<PmemLogRecord, void, undefined> {
	for (;;) {
		journalOf(log);
		const next = records.next();
		if (next.done) return;
		yield next.value;
	}
}

function requireBorder(journal: Journal, name: string, position: number): void {
	requireInteger(name, position, recordsAt, journal.tail);
	if (!journal.isBorder(position)) throw outOfRange(name, 'the position of a record', position);
}

/** This key is known here alone. */
const makersKey = Symbol('open');

/** Closes the descriptors of logs that were not closed. Their locks end with them. */
const unclosed = new FinalizationRegistry<number>((fd) => closeSync(fd));

/** The bytes of a record's data. */
function dataOf(data: unknown): Uint8Array {
	return typeof data === 'string' ? Buffer.from(data) : bytesOf('data', data);
}

/** A mapping as the journal sees it. */
class MappingMedium implements LogMedium {
	readonly #mapping: PmemMapping;
	/**
	 * The range that was stored since the last drain, unless each store has begun to make itself persistent. One call
	 * makes it persistent, and finds out whether it is lost.
	 */
	#dirty: { from: number; to: number } | undefined;

	constructor(mapping: PmemMapping) {
		this.#mapping = mapping;
	}

	get length(): number {
		return this.#mapping.length;
	}

	at(offset: number, length: number): Buffer {
		return this.#mapping.at(offset, length);
	}

	write(offset: number, bytes: Uint8Array): void {
		if (this.#mapping.granularity === 'cache-line') {
			this.#mapping.write(offset, bytes, undrained);
			return;
		}
		this.#mapping.write(offset, bytes, volatile);
		const { from = offset, to = 0 } = this.#dirty ?? {};
		this.#dirty = { from: Math.min(from, offset), to: Math.max(to, offset + bytes.length) };
	}

	drain(): void {
		const dirty = this.#dirty;
		this.#dirty = undefined;
		if (dirty !== undefined) this.#mapping.persist(dirty.from, dirty.to - dirty.from);
		else this.#mapping.drain();
	}

	hasLost(offset: number, length: number): boolean {
		return this.#mapping.errors().some((lost) => overlapping(lost, { offset, length }));
	}
}
const undrained = { drain: false };
const volatile = { persist: false };

/** Makes the file's length and its name persistent. */
function syncMetadata(fd: number, path: string): void {
	fsyncSync(fd);
	const directory = openSync(dirname(realpathSync(path)), constants.O_RDONLY | constants.O_DIRECTORY);
	try {
		fsyncSync(directory);
	} finally {
		closeSync(directory);
	}
}

const notALog = (path: string, what: string, remedy?: string) =>
	refusal('ERR_DAXKIND_NOT_A_LOG', path, `${path} ${what}`, remedy);

/** What is open, before it is a log. */
interface Opened {
	fd: number;
	path: string;
	isFile: boolean;
	isEmpty: boolean;
	options: PmemLogOptions;
}

function map({ fd, path, isFile, options }: Opened): PmemMapping {
	const { granularity, onMediaError } = options;
	const passed = { ...(granularity && { granularity }), ...(onMediaError && { onMediaError }) };
	return isFile ? mapOpenFile(fd, path, passed) : mapDevice(path, passed);
}

/** Maps a log, and makes it if there is none yet. */
function prepare(opened: Opened): { mapping: PmemMapping; journal: Journal } {
	const { fd, path, isFile, isEmpty, options } = opened;
	const { size } = options;
	if (isEmpty) {
		if (size === undefined) throw notALog(path, 'is empty', 'give options.size, so that a log is made in it');
		ftruncateSync(fd, size);
	}
	let mapping = map(opened);
	try {
		let medium = new MappingMedium(mapping);
		const content = contentOf(medium, isFile ? medium.length : Math.min(size ?? 0, medium.length));
		if (content === 'other') {
			const remedy = isFile
				? 'name another file; this one is left as it is'
				: `clear the part first: mapDevice('${path}').fill(0, 0, ${size})`;
			throw notALog(path, 'holds something else than a log', remedy);
		}
		if (content === 'nothing') {
			if (size === undefined) {
				throw notALog(path, 'holds no log yet', 'give options.size, so that a log is made there');
			}
			if (isFile && medium.length !== size) {
				mapping.unmap();
				ftruncateSync(fd, size);
				mapping = map(opened);
				medium = new MappingMedium(mapping);
			}
			if (size > medium.length) throw outOfRange('options.size', `<= ${medium.length}, what ${path} has`, size);
			if (isFile) syncMetadata(fd, path);
			format(medium, size, randomBytes(4).readUInt32LE());
		}
		const { facts } = headOf(medium);
		if (size !== undefined && size !== facts.size) {
			throw outOfRange('options.size', `${facts.size}, the size of the log that is there, or absent`, size);
		}
		return { mapping, journal: new Journal(medium) };
	} catch (error) {
		mapping.unmap();
		throw Object.assign(error as Error, { path });
	}
}

/** Opens the path for a log, and makes a file of it if there is none and `size` is given. */
function openPath(path: string, size: number | undefined): { fd: number; isNew: boolean } {
	try {
		return { fd: openSync(path, constants.O_RDWR), isNew: false };
	} catch (error) {
		if ((error as SystemError).code !== 'ENOENT' || size === undefined) throw error;
	}
	return { fd: openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600), isNew: true };
}

/** How often a file is opened again that was removed before it was locked. */
const openings = 10;

/** Opens the path, and locks it. */
function openLocked(path: string, size: number | undefined): { fd: number; isNew: boolean } {
	for (let times = 1; ; times++) {
		const opened = openPath(path, size);
		const { fd } = opened;
		try {
			if (!native.lockDescriptor(fd)) {
				const what = `The log ${path} is open already, in this process or in another one`;
				throw refusal('ERR_DAXKIND_LOG_BUSY', path, what, 'close it there');
			}
			// An opening that fails removes the file that it has made. A log in it would be lost when it is closed.
			const { nlink } = fstatSync(fd);
			if (nlink > 0) return opened;
			if (times === openings) throw notALog(path, 'has been removed', 'give the path of a file that has a name');
		} catch (error) {
			closeSync(fd);
			throw error;
		}
		closeSync(fd);
	}
}

/**
 * A log of records on persistent memory. Records are appended at the end and never changed. What `append` has returned
 * for is there after a crash of the process or the kernel, and after a power failure as far as the medium promises
 * (`granularity`, `why`; docs/persistence.md). An append that a crash cut off is recognised, and is gone as a whole.
 *
 * One thread of one process has a log open at a time. The calls block this thread for as long as the stores take to be
 * persistent.
 *
 * ```js
 * import { PmemLog } from 'daxkind/persist';
 *
 * const log = PmemLog.open('/mnt/pmem/orders.log', { size: 2 ** 30 });
 * log.append(Buffer.from('an order'));
 * for (const { position, data } of log.iterate()) console.log(position, data.toString());
 * log.close();
 * ```
 */
export class PmemLog implements Disposable {
	/** The path, as it was given. */
	readonly path: string;
	/** What was found when the log was opened. */
	readonly recovery: PmemLogRecovery;
	readonly #mapping: PmemMapping;
	readonly #journal: Journal;
	readonly #fd: number;
	#isOpen = true;

	static {
		isLog = (value) => typeof value === 'object' && value !== null && #journal in value;
		journalOf = (log) => {
			if (!isLog(log)) throw invalidThis('PmemLog');
			if (!log.#isOpen) throw invalidState('the log is closed');
			return log.#journal;
		};
	}

	private constructor(key: typeof makersKey, path: string, fd: number, mapping: PmemMapping, journal: Journal) {
		if (key !== makersKey) throw illegalConstructor('PmemLog.open(path)');
		this.path = path;
		this.#fd = fd;
		this.#mapping = mapping;
		this.#journal = journal;
		this.recovery = journal.recovery;
		unclosed.register(this, fd, this);
	}

	/**
	 * Opens a log, or makes one: open, fcntl(F_OFD_SETLK), fallocate, mmap. It looks for the end of the log behind the
	 * last checkpoint, which is at most 64 KiB and one append away.
	 *
	 * @param path A file, or a device-DAX device. A file that is not there is made if `size` is given, with mode 0600.
	 * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE; RangeError ERR_OUT_OF_RANGE.
	 * @throws Error with `path` and `remedy`: ERR_DAXKIND_NOT_A_LOG if there is something else, or nothing and no `size`;
	 *   ERR_DAXKIND_LOG_BUSY if it is open in another thread or process; ERR_DAXKIND_LOG_CORRUPTED if its head is not as
	 *   it was written, or lost memory may have held records; what `mapFile` and `mapDevice` throw,
	 *   ERR_DAXKIND_GRANULARITY among them.
	 * @throws A system error: ENOENT, EACCES (open), ENOSPC (fallocate).
	 */
	static open(path: string | URL, options?: PmemLogOptions): PmemLog {
		const name = requirePath('path', path);
		const given = requireOptions('options', options, names);
		const { size, granularity, onMediaError } = given;
		if (size !== undefined) requireSize('options.size', size, leastBytes);
		if (granularity !== undefined) requireOneOf('options.granularity', granularity, granularities);
		requireCallback('options.onMediaError', onMediaError);
		const { fd, isNew } = openLocked(name, size);
		try {
			// Under the lock: before, another opening may have made a log in the empty file.
			const status = fstatSync(fd);
			const isFile = status.isFile();
			const isEmpty = isFile && status.size === 0;
			try {
				const { mapping, journal } = prepare({ fd, path: name, isFile, isEmpty, options: given });
				return new PmemLog(makersKey, name, fd, mapping, journal);
			} catch (error) {
				// What this call has made must not be in the way of the next one.
				if (isEmpty && isNew) rmSync(name, { force: true });
				else if (isEmpty) ftruncateSync(fd, 0);
				throw error;
			}
		} catch (error) {
			closeSync(fd);
			throw error;
		}
	}

	/** What makes an append persistent. */
	get granularity(): PmemGranularity {
		journalOf(this);
		return this.#mapping.granularity;
	}

	/** Why it is that granularity, with the evidence. */
	get why(): PmemGranularityReason {
		journalOf(this);
		return this.#mapping.why;
	}

	/** How long the log may become, in bytes, its head of 4 KiB included. */
	get size(): number {
		return journalOf(this).size;
	}

	/** Where the next record goes, in bytes of the file. */
	get tail(): number {
		return journalOf(this).tail;
	}

	/**
	 * Appends a record. It is persistent when the call returns.
	 *
	 * @param data Up to 2 GiB; it may be empty. A string is stored as UTF-8.
	 * @returns The position of the record, for `iterate` and `truncate`.
	 * @throws TypeError ERR_INVALID_ARG_TYPE; Error ERR_DAXKIND_LOG_FULL, with `left` in bytes; ERR_INVALID_STATE after
	 *   `close`; a system error: EFAULT if a page of the log is lost, EIO (msync). After an error the log is as it was.
	 */
	append(data: NodeJS.ArrayBufferView | string): number {
		return journalOf(this).append([dataOf(data)])[0]!;
	}

	/**
	 * Appends several records, with one wait for all of them. It is faster than as many calls of `append`. After a crash
	 * in the middle, the first ones may be there and the others not.
	 *
	 * @returns The position of each record.
	 * @throws As `append`. After an error, none of them is in the log.
	 */
	appendAll(records: Iterable<NodeJS.ArrayBufferView | string>): number[] {
		return journalOf(this).append(Array.from(records, dataOf));
	}

	/**
	 * The records, in their order, also those that are appended meanwhile. It ends if the log is truncated meanwhile.
	 *
	 * @param from The position of the first one. Default: the beginning.
	 * @throws RangeError ERR_OUT_OF_RANGE if no record begins there; Error ERR_DAXKIND_LOG_CORRUPTED, with `position`, at
	 *   a record that is not as it was written, because its memory is lost, or somebody else has changed the file;
	 *   ERR_INVALID_STATE when the log is closed.
	 */
	iterate(from: number = recordsAt): Generator<PmemLogRecord, void, undefined> {
		const journal = journalOf(this);
		requireBorder(journal, 'from', from);
		return whileOpen(this, journal.iterate(from));
	}

	/**
	 * Removes the records from a position on.
	 *
	 * @param position What `append` has returned for the first record that is to go. Default: the beginning, so that the
	 *   log is empty.
	 * @throws RangeError ERR_OUT_OF_RANGE if no record begins there; Error ERR_INVALID_STATE after `close`.
	 */
	truncate(position: number = recordsAt): void {
		const journal = journalOf(this);
		requireBorder(journal, 'position', position);
		journal.truncate(position);
	}

	/** Lets go of the file. Everything that was appended stays. Calling it again does nothing. */
	close(): void {
		if (!isLog(this)) throw invalidThis('PmemLog');
		if (!this.#isOpen) return;
		this.#isOpen = false;
		unclosed.unregister(this);
		try {
			this.#journal.close();
		} finally {
			try {
				this.#mapping.unmap();
			} finally {
				closeSync(this.#fd);
			}
		}
	}

	/** {@link PmemLog.close}, for `using`. */
	[Symbol.dispose](): void {
		this.close();
	}
}
