// A file mapped into memory: its bytes as a Buffer, and the calls that make them persistent.
import { requireInteger } from '../arguments.ts';
import { without } from '../byte-ranges.ts';
import { illegalConstructor, invalidState, invalidThis, type SystemError, systemError } from '../errors.ts';
import { causes, type LossTarget, tellKnown, unwatchLosses, watchLosses } from '../losses.ts';
import type { LostPart, NativeLoss } from '../native/losses.ts';
import { native } from '../native.ts';
import type { PmemGranularity } from './granularity.ts';

/** The number by which native code knows a mapping. */
export let idOf: (mapping: PmemMapping) => number;

/** Whether the value is a mapping that `mapFile` has made. An object that only has its prototype is not. */
export let isMapping: (value: unknown) => value is PmemMapping;

/** Throws if nothing can be stored in the mapping's file through its Buffer. */
export let requireUsable: (mapping: PmemMapping) => void;

/** Makes the object of a mapping. */
export let makeMapping: (mapped: Mapped) => PmemMapping;

/** This key is known here alone. Without it, an object that others make could pass for any mapping. */
const makersKey = Symbol('mapFile');

/** The argument of a mapping's `onMediaError`: a part of the mapping that is lost, and reads as zeros now. */
export interface MappingMediaError extends LostPart {
	/** The file's path, as it was given. undefined if `mapFile` got a descriptor. */
	path: string | undefined;
}

/** The facts that `mapFile` has found out and hands over. */
export interface Mapped {
	id: number;
	arrayBuffer: ArrayBuffer;
	granularity: PmemGranularity;
	sync: boolean;
	writable: boolean;
	path: string | undefined;
	onMediaError: ((error: MappingMediaError) => void) | undefined;
	/** The pages that are on bad blocks, by the kernel's list. */
	knownBad: LostPart[];
}

/** Tells the owner of a mapping which parts of it are lost. */
class MappingLosses implements LossTarget {
	readonly onMediaError: Mapped['onMediaError'];
	readonly #path: string | undefined;

	constructor({ id, path, onMediaError, knownBad }: Mapped) {
		this.onMediaError = onMediaError;
		this.#path = path;
		watchLosses(true, id, this);
		tellKnown(this, knownBad);
	}

	mediaErrors({ offset, length, cause }: NativeLoss): MappingMediaError[] {
		return [{ offset, length, cause, path: this.#path }];
	}

	get subject(): string {
		return this.#path === undefined ? 'A mapping' : `The mapping of '${this.#path}'`;
	}
}

/** The ArrayBuffer keeps this, because a caller may keep a view of the memory and drop the mapping. */
const lossesOf = new WeakMap<ArrayBuffer, MappingLosses>();

/** All parts of both lists, in order. Where they overlap, the cause is the first list's. */
function union(known: LostPart[], met: LostPart[]): LostPart[] {
	const rest = met.flatMap((part) => without([part], known).map((range) => ({ ...part, ...range })));
	return [...known, ...rest].sort((one, other) => one.offset - other.offset);
}

/** The error of making lost pages persistent, with the cause of the loss. */
function explainLoss(
	error: unknown,
	{ path }: PmemMapping,
	errors: LostPart[],
	offset: number,
	bytes: number,
): unknown {
	const { code, errno, syscall } = error as SystemError;
	if (code !== 'EFAULT') return error;
	const met = errors.find((part) => part.offset < offset + bytes && offset < part.offset + part.length);
	// Nobody has touched the part. So the end of the range is not in the file any more.
	const { cause } = met ?? { cause: 'truncated' };
	return systemError(errno, syscall, path, `a part of the range is lost: ${causes[cause]}`);
}

/**
 * A part of a file in memory, made by {@link mapFile}. A store into {@link PmemMapping.buffer} is a store into the
 * file. It survives a power failure once {@link PmemMapping.persist} has returned for its range.
 *
 * The file stays mapped until `unmap()`, or until neither the mapping, a view of it nor a fixed kind over it can be
 * reached any more. Until then lost pages are told to `onMediaError`.
 */
export class PmemMapping implements Disposable {
	/** The bytes of the file. It has length 0 after {@link PmemMapping.unmap}. */
	readonly buffer: NonSharedBuffer;
	/** What makes a store persistent. */
	readonly granularity: PmemGranularity;
	/** Whether the mapping was made with MAP_SYNC. */
	readonly sync: boolean;
	/** Whether stores reach the file. If not, they stay private to this mapping. */
	readonly writable: boolean;
	readonly #id: number;
	readonly #arrayBuffer: ArrayBuffer;
	/** The file's path, as it was given. undefined if `mapFile` got a descriptor. */
	readonly path: string | undefined;
	readonly #knownBad: LostPart[];
	#isMapped = true;

	static {
		idOf = (mapping) => mapping.#id;
		isMapping = (value): value is PmemMapping => typeof value === 'object' && value !== null && #id in value;
		requireUsable = (mapping) => {
			if (!isMapping(mapping)) throw invalidThis('PmemMapping');
			if (!mapping.#isMapped) throw invalidState('the mapping is unmapped');
			if (!mapping.writable) throw invalidState('the mapping is not writable, so no store reaches the file');
			if (mapping.buffer.length === 0)
				throw invalidState("the mapping's memory has been transferred to another ArrayBuffer");
		};
		makeMapping = (mapped) => new PmemMapping(makersKey, mapped);
	}

	private constructor(key: typeof makersKey, mapped: Mapped) {
		if (key !== makersKey) throw illegalConstructor('mapFile(file)');
		const { id, arrayBuffer, granularity, sync, writable, path } = mapped;
		this.#id = id;
		lossesOf.set(arrayBuffer, new MappingLosses(mapped));
		this.#knownBad = mapped.knownBad;
		this.#arrayBuffer = arrayBuffer;
		this.path = path;
		this.buffer = Buffer.from(arrayBuffer);
		this.granularity = granularity;
		this.sync = sync;
		this.writable = writable;
		// The methods decide by these properties what to do. If a script could change them, `persist` could do nothing,
		// silently.
		for (const name of ['path', 'buffer', 'granularity', 'sync', 'writable']) {
			Object.defineProperty(this, name, { writable: false, configurable: false });
		}
	}

	/** The length in bytes; 0 after {@link PmemMapping.unmap}. */
	get length(): number {
		if (!isMapping(this)) throw invalidThis('PmemMapping');
		return this.buffer.length;
	}

	/**
	 * Makes a range persistent: {@link PmemMapping.flush} and {@link PmemMapping.drain}. The call blocks this thread
	 * until the range is persistent: with `page` granularity that is an msync, which can take as long as writing the
	 * range to the disk.
	 *
	 * @param offset Where the range starts, in bytes. Default 0.
	 * @param length How many bytes it has. Default: to the end.
	 * @throws RangeError ERR_OUT_OF_RANGE; Error ERR_INVALID_STATE after `unmap()` or if not `writable`; SystemError of
	 *   `msync`; EFAULT of `msync` or `flush` if a page of the range is lost ({@link PmemMapping.errors}), because a
	 *   value that is stored there reaches no file. With `page` granularity also EFAULT of `madvise` if another process
	 *   has truncated the file (Linux 5.14 and later tell). With `byte` granularity there is nothing to do, and nothing
	 *   tells of lost pages.
	 * @example
	 * mapping.buffer.write('hello', 64);
	 * mapping.persist(64, 5);
	 */
	persist(offset = 0, length?: number): void {
		requireUsable(this);
		this.flush(offset, length);
		this.drain();
	}

	/**
	 * Starts to make a range persistent. With `cache-line` granularity it writes back the range's cache lines and does
	 * not wait. With `page` granularity it is an msync of the range's pages, and this thread waits for it. With `byte`
	 * granularity it has nothing to do. Several flushes may share one {@link PmemMapping.drain}.
	 *
	 * @param offset Where the range starts, in bytes. Default 0.
	 * @param length How many bytes it has. Default: to the end.
	 * @throws As {@link PmemMapping.persist}.
	 */
	flush(offset = 0, length?: number): void {
		requireUsable(this);
		const size = this.buffer.length;
		requireInteger('offset', offset, 0, size);
		const bytes = length === undefined ? size - offset : requireInteger('length', length, 0, size - offset);
		try {
			if (this.granularity === 'page') native.syncPages(this.buffer, offset, bytes, this.path);
			else if (this.granularity === 'cache-line') native.flush(this.buffer, offset, bytes);
		} catch (error) {
			throw explainLoss(error, this, this.errors(), offset, bytes);
		}
	}

	/**
	 * Waits until the ranges that this thread has flushed are persistent (sfence, or DSB on arm64). Stores of other
	 * threads are not waited for. With `page` granularity there is nothing to wait for.
	 *
	 * @throws Error ERR_INVALID_STATE after `unmap()` or if not `writable`.
	 */
	drain(): void {
		requireUsable(this);
		if (this.granularity !== 'page') native.drain();
	}

	/**
	 * Lets go of the file. {@link PmemMapping.buffer} and all views of its memory have length 0 from then on, and no
	 * access faults. It does not make stores persistent. Calling it again does nothing.
	 *
	 * Await operations that were given a part of the buffer first. An operation that is still under way reads zeros,
	 * and what it writes goes nowhere: it does not reach the file. But zlib does not bear that its Buffer becomes
	 * empty. Node 20 aborts, and later versions throw an error that no callback gets.
	 *
	 * @throws Error ERR_INVALID_STATE while a fixed kind is open over it.
	 */
	unmap(): void {
		if (!isMapping(this)) throw invalidThis('PmemMapping');
		if (!this.#isMapped) return;
		native.releaseMapping(this.#id);
		this.#isMapped = false;
		unwatchLosses(true, this.#id);
		native.detachArrayBuffer(this.#arrayBuffer);
	}

	/**
	 * The parts of the mapping that are lost so far. These are the parts on bad blocks that the kernel knew of when the
	 * file was mapped, and the pages that the kernel could not give when something accessed them. The access has got
	 * zeros. A value that is stored there later can be read back, but it reaches no file.
	 *
	 * @returns In the order of the file; empty after `unmap`.
	 */
	errors(): LostPart[] {
		if (!isMapping(this)) throw invalidThis('PmemMapping');
		if (!this.#isMapped) return [];
		return union(this.#knownBad, native.mappingErrors(this.#id));
	}

	/** {@link PmemMapping.unmap}, for `using`. */
	[Symbol.dispose](): void {
		if (!isMapping(this)) throw invalidThis('PmemMapping');
		this.unmap();
	}
}
