// Mapped memory: its bytes as Buffers, and the calls that store into it and make stores persistent.
import { constants as bufferConstants } from 'node:buffer';
import { requireInteger, requireOptions } from '../arguments.ts';
import { illegalConstructor, invalidState, invalidThis, outOfRange } from '../errors.ts';
import { checkJobOptions, finish, type WatchableOptions } from '../jobs.ts';
import { unwatchLosses } from '../losses.ts';
import type { LostPart } from '../native/losses.ts';
import { how, type NativeMapping } from '../native/mappings.ts';
import { native } from '../native.ts';
import { makeBatch, type PmemBatch } from './batch.ts';
import { bytesOf, requirePlace } from './bytes.ts';
import { deepFlushDevice } from './deep-flush.ts';
import type { Granularity, PmemGranularity, PmemGranularityReason } from './granularity.ts';
import { explainLoss, keepTelling, type MappingMediaError, tellLosses, union } from './losses.ts';
import { request } from './request.ts';
import { type StoreOptions, type Stores, stores } from './stores.ts';

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

/** What is mapped: a file, a device-DAX device, or memory without a file. */
export type PmemMappingSource = 'file' | 'device' | 'anonymous';

/** Which bytes are persistent, of all. */
export interface PersistProgress {
	/** Bytes. */
	done: number;
	/** Bytes. */
	total: number;
}

/** Options of {@link PmemMapping.persistAsync}. */
export type PersistAsyncOptions = WatchableOptions<PersistProgress>;

/** The facts that `mapFile`, `mapDevice` and `mapAnonymous` have found out and hand over. */
export interface Mapped extends NativeMapping {
	source: PmemMappingSource;
	length: number;
	granularity: Granularity;
	sync: boolean;
	sharing: 'shared' | 'private';
	writable: boolean;
	path: string | undefined;
	onMediaError: ((error: MappingMediaError) => void) | undefined;
	/** The directory of a device-DAX device in sysfs. */
	device?: string | undefined;
}

/** How many bytes a mapping must have to be given in parts: more than a Buffer can have, 4 GiB on Node 20. */
const { MAX_LENGTH } = bufferConstants;

/** Parts of long mappings begin at multiples of this. Each is twice as long, so a range of this length is in one part. */
const partStride = MAX_LENGTH / 2;

/**
 * Mapped memory, made by {@link mapFile}, {@link mapDevice} or {@link mapAnonymous}. A store into
 * {@link PmemMapping.buffer} is a store into the file or the device. It survives a power failure once
 * {@link PmemMapping.persist} has returned for its range, if the medium itself does: docs/persistence.md.
 *
 * The memory stays mapped until `unmap()`, or until neither the mapping, a view of it nor a fixed kind over it can be
 * reached any more. Until then lost pages are told to `onMediaError`.
 *
 * A mapping belongs to the thread that made it. Other threads map the same file themselves.
 */
export class PmemMapping implements Disposable {
	/**
	 * The bytes of the mapping. It has length 0 after {@link PmemMapping.unmap}. Of a mapping that is longer than a
	 * Buffer can be (4 GiB on Node 20) it has the first ones, and {@link PmemMapping.at} gives the others.
	 */
	readonly buffer: NonSharedBuffer;
	/** What is mapped. */
	readonly source: PmemMappingSource;
	/** What makes a store persistent. */
	readonly granularity: PmemGranularity;
	/** Whether the mapping was made with MAP_SYNC. */
	readonly sync: boolean;
	/** 'private': stores stay in this mapping (copy-on-write) and reach no file. */
	readonly sharing: 'shared' | 'private';
	/** Whether stores may be made persistent. If not, what a script stores in the Buffer stays private to the mapping. */
	readonly writable: boolean;
	readonly #id: number;
	readonly #length: number;
	readonly #stores: Stores;
	readonly #why: () => PmemGranularityReason;
	#reason: PmemGranularityReason | undefined;
	readonly #device: string | undefined;
	/** The parts of a long mapping that `at` has shown, by their numbers. Part 0 is the Buffer's. */
	readonly #parts: (ArrayBuffer | undefined)[];
	/** The path, as it was given. undefined if `mapFile` got a descriptor, and for anonymous memory. */
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
			if (mapping.#parts[0]!.byteLength === 0)
				throw invalidState("the mapping's memory has been transferred to another ArrayBuffer");
		};
		makeMapping = (mapped) => new PmemMapping(makersKey, mapped);
	}

	private constructor(key: typeof makersKey, mapped: Mapped) {
		if (key !== makersKey) throw illegalConstructor('mapFile(file)');
		const { id, arrayBuffer, length, granularity, sync, sharing, writable, path, source } = mapped;
		this.#id = id;
		tellLosses(mapped);
		this.#knownBad = mapped.knownBad;
		this.#parts = [arrayBuffer];
		this.#length = length;
		this.#stores = stores[granularity.granularity];
		this.#why = granularity.why;
		this.#device = mapped.device;
		this.path = path;
		this.buffer = Buffer.from(arrayBuffer);
		this.source = source;
		this.granularity = granularity.granularity;
		this.sync = sync;
		this.sharing = sharing;
		this.writable = writable;
		// A script that could change them would be misled by them.
		for (const name of ['path', 'buffer', 'source', 'granularity', 'sync', 'sharing', 'writable']) {
			Object.defineProperty(this, name, { writable: false, configurable: false });
		}
	}

	/** The length in bytes; 0 after {@link PmemMapping.unmap}. */
	get length(): number {
		if (!isMapping(this)) throw invalidThis('PmemMapping');
		return this.#isMapped ? this.#length : 0;
	}

	/**
	 * Why the mapping has its {@link PmemMapping.granularity}, with the evidence. It is found out when it is first asked
	 * for, in about a millisecond.
	 */
	get why(): PmemGranularityReason {
		if (!isMapping(this)) throw invalidThis('PmemMapping');
		this.#reason ??= this.#why();
		return this.#reason;
	}

	/**
	 * A part of the mapping as a Buffer over the memory itself. Nothing is copied.
	 *
	 * @param offset Where it starts, in bytes.
	 * @param length How many bytes. Of a mapping that is longer than a Buffer can be: at most half of what a Buffer can
	 *   have, 2 GiB on Node 20.
	 * @throws RangeError ERR_OUT_OF_RANGE; Error ERR_INVALID_STATE after `unmap()`.
	 */
	at(offset: number, length: number): NonSharedBuffer {
		if (!isMapping(this)) throw invalidThis('PmemMapping');
		if (!this.#isMapped) throw invalidState('the mapping is unmapped');
		requireInteger('offset', offset, 0, this.#length);
		requireInteger('length', length, 0, this.#length - offset);
		if (this.#length <= MAX_LENGTH) return this.buffer.subarray(offset, offset + length);
		if (length > partStride) throw outOfRange('length', `<= ${partStride}, half of the longest Buffer`, length);
		const index = Math.floor(offset / partStride);
		const start = index * partStride;
		const bytes = Math.min(MAX_LENGTH, this.#length - start);
		const part = this.#parts[index] ?? native.mappingPart(this.#id, start, bytes);
		this.#parts[index] = part;
		keepTelling(part, this.#parts[0]!);
		return Buffer.from(part, offset - start, length);
	}

	/** Checks a range. undefined for the length: to the end. */
	#range(offset: number, length: number | undefined): number {
		requireInteger('offset', offset, 0, this.#length);
		const most = this.#length - offset;
		return length === undefined ? most : requireInteger('length', length, 0, most);
	}

	#explained(error: unknown, offset: number, bytes: number): unknown {
		return explainLoss(error, this.path, this.errors(), offset, bytes);
	}

	/** Makes a native call on a range. `persist` and `write` do not use it: a call through it takes 20 ns longer. */
	#call(call: () => void, offset: number, bytes: number, manner: number, from = 0): void {
		try {
			request(this.#id, offset, bytes, manner, from);
			call();
		} catch (error) {
			throw this.#explained(error, offset, bytes);
		}
	}

	/** Stores bytes, and does the rest as `manner` says. */
	#store(offset: number, bytes: Uint8Array, manner: number): void {
		const { length } = bytes;
		const { buffer } = this;
		// Node-API takes longer to look at the source than such a store takes. What is to go past the caches, or lies
		// behind the Buffer's end, is for native code.
		const isShort = length < native.pastCachesFrom && (manner & how.either) !== how.pastCaches;
		if (!isShort || offset + length > buffer.length) {
			request(this.#id, offset, 0, manner);
			native.mappingWrite(bytes);
			return;
		}
		// Also a source whose memory has been transferred has no bytes.
		if (length > 0) buffer.set(bytes, offset);
		if (manner === 0) return;
		request(this.#id, offset, length, manner);
		native.mappingPersist();
	}

	/** Makes a range persistent, as far as `manner` says, a sum of `how`. */
	#persist(offset: number, length: number | undefined, manner: number): void {
		const bytes = this.#range(offset, length);
		if (manner === 0) return;
		try {
			request(this.#id, offset, bytes, manner);
			native.mappingPersist();
		} catch (error) {
			throw this.#explained(error, offset, bytes);
		}
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
	 *   has truncated the file (Linux 5.14 and later tell).
	 * @example
	 * mapping.buffer.write('hello', 64);
	 * mapping.persist(64, 5);
	 */
	persist(offset = 0, length?: number): void {
		requireUsable(this);
		this.#persist(offset, length, this.#stores.persist);
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
		this.#persist(offset, length, this.#stores.flush);
	}

	/**
	 * Waits until the ranges that this thread has flushed are persistent (sfence, or DSB on arm64). Stores of other
	 * threads are not waited for. With `page` granularity there is nothing to wait for.
	 *
	 * @throws Error ERR_INVALID_STATE after `unmap()` or if not `writable`.
	 */
	drain(): void {
		requireUsable(this);
		if (this.#stores.drain !== 0) native.drain();
	}

	/**
	 * {@link PmemMapping.persist} on another thread, in steps of some milliseconds. What the caller has stored before is
	 * persistent when the promise is fulfilled.
	 *
	 * @param offset Where the range starts, in bytes. Default 0.
	 * @param length How many bytes it has. Default: to the end.
	 * @param options `signal` and `onProgress({ done, total })`, in bytes.
	 * @throws As {@link PmemMapping.persist}; the signal's reason, then a part of the range may be persistent; Error
	 *   ERR_INVALID_STATE if the mapping is unmapped meanwhile; EAGAIN of pthread_create if no thread can be started.
	 */
	async persistAsync(offset = 0, length?: number, options?: PersistAsyncOptions): Promise<void> {
		requireUsable(this);
		const bytes = this.#range(offset, length);
		const job = checkJobOptions(requireOptions('options', options, ['signal', 'onProgress']));
		// A fence is for this thread's own stores. The job's thread cannot wait for them.
		this.drain();
		try {
			const start = () => {
				request(this.#id, offset, bytes, this.#stores.persist);
				return native.mappingPersistAsync();
			};
			await finish(start, job, {
				progressOf: ([, done, total]) => ({ done: done!, total: total! }),
			});
		} catch (error) {
			if (this.#isMapped) throw this.#explained(error, offset, bytes);
		}
		if (!this.#isMapped) throw invalidState('the mapping was unmapped while it was made persistent');
	}

	/**
	 * {@link PmemMapping.persist}, and then also what lies behind the processor: the buffers of the memory controller. A
	 * machine that works empties these by itself when the power fails (ADR). Of a file it is an msync. Of a
	 * device-DAX device it is a 1 in the file `deep_flush` of its region in sysfs, where the region has one that says
	 * that there is something to flush. A region without such a file is no error. Blocks meanwhile.
	 *
	 * @param offset Where the range starts, in bytes. Default 0.
	 * @param length How many bytes it has. Default: to the end.
	 * @throws As {@link PmemMapping.persist}.
	 */
	deepFlush(offset = 0, length?: number): void {
		requireUsable(this);
		const isFile = this.source === 'file' && this.sharing === 'shared';
		this.#persist(offset, length, isFile ? how.synced | this.#stores.persist : this.#stores.persist);
		if (this.#device !== undefined) deepFlushDevice(this.#device);
	}

	/**
	 * Copies bytes into the mapping and makes them persistent: memmove, with stores past the caches where that is
	 * faster. The source may be a part of the mapping. A store into {@link PmemMapping.buffer} and a `persist` do the
	 * same and take longer.
	 *
	 * @param offset Where the bytes go.
	 * @param source A Buffer, typed array or DataView. All of its bytes are copied.
	 * @throws As {@link PmemMapping.persist}; TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE.
	 * @example
	 * mapping.write(64, Buffer.from('hello'));
	 */
	write(offset: number, source: NodeJS.ArrayBufferView, options?: StoreOptions): void {
		requireUsable(this);
		const bytes = bytesOf('source', source);
		requirePlace(offset, bytes.byteLength, this.#length);
		const manner = this.#stores.storeWith(options);
		try {
			this.#store(offset, bytes, manner);
		} catch (error) {
			throw this.#explained(error, offset, bytes.byteLength);
		}
	}

	/**
	 * Fills a range with a byte and makes it persistent: memset.
	 *
	 * @param value From 0 to 255.
	 * @param length How many bytes. Default: to the end.
	 * @throws As {@link PmemMapping.write}.
	 */
	fill(offset: number, value: number, length?: number, options?: StoreOptions): void {
		requireUsable(this);
		requireInteger('value', value, 0, 255);
		const bytes = this.#range(offset, length);
		this.#call(native.mappingFill, offset, bytes, this.#stores.storeWith(options), value);
	}

	/**
	 * Moves bytes within the mapping and makes them persistent where they go: memmove. The ranges may overlap.
	 *
	 * @param to Where the bytes go.
	 * @param from Where they are.
	 * @throws As {@link PmemMapping.write}.
	 */
	move(to: number, from: number, length: number, options?: StoreOptions): void {
		requireUsable(this);
		requireInteger('length', length, 0, this.#length);
		requireInteger('to', to, 0, this.#length - length);
		requireInteger('from', from, 0, this.#length - length);
		this.#call(native.mappingMove, to, length, this.#stores.storeWith(options), from);
	}

	/**
	 * Collects many small writes, which become persistent by one call and one fence. A batch can be used again.
	 *
	 * @example
	 * const batch = mapping.batch();
	 * batch.write(0, Buffer.from('one')).write(4096, Buffer.from('two'));
	 * batch.persist();
	 */
	batch(): PmemBatch {
		requireUsable(this);
		return makeBatch(this.#length, (bytes, places, count) => {
			requireUsable(this);
			this.#call(() => native.mappingWriteAll(bytes, places), 0, this.#length, this.#stores.storeWith(), count);
		});
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
		for (const part of this.#parts) if (part !== undefined) native.detachArrayBuffer(part);
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
