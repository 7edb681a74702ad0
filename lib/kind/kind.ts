// The contract of every kind: malloc and its family, on a heap in native code and this thread's cache of free blocks.
//
// malloc and free take a free block out of the thread cache, or put one into it, without a native call: fast-path.ts.
// Everything else (an empty or full magazine, long blocks, errors) is the slow path: blocks.ts and thread-heap.ts.
import { type InspectOptions, inspect } from 'node:util';
import { requireInteger } from '../arguments.ts';
import {
	daxkindError,
	illegalConstructor,
	invalidArgType,
	invalidState,
	invalidThis,
	outOfRange,
	type SystemError,
} from '../errors.ts';
import { FastBuffer } from '../fast-buffer.ts';
import { type AbortableOptions, checkJobOptions, finish, throwIfAborted } from '../jobs.ts';
import type { KindHold } from '../native/kinds.ts';
import { native } from '../native.ts';
import { takeOrigin } from './adopting.ts';
import {
	type ArrayOf,
	arrayOver,
	arrayOverAll,
	blockUnder,
	byteSizeOf,
	elementSizeOf,
	type KindArray,
	type KindArrayOptions,
	type TypedArrayClass,
	zeroOf,
} from './arrays.ts';
import { attachKind } from './attaching.ts';
import { BlockBuffer, type Caller } from './block.ts';
import { Blocks } from './blocks.ts';
import type { Block, RawHandle } from './brands.ts';
import { clear } from './bytes.ts';
import { codeFor } from './codes.ts';
import { warnOfLeaks } from './debug.ts';
import { tellKindClosed } from './events.ts';
import { Allocator, cacheOf, connect, disconnect, has, isAllocator, isConnected } from './fast-path.ts';
import { type Explain, explainedJob, type KindProgressOptions, progressOf } from './jobs.ts';
import { type KindStats, type LeakReport, leaksOf, type SizeClasses, sizeClassesOf } from './kind-stats.ts';
import { noteOfCache } from './living.ts';
import type { KindNoticeOptions } from './notices.ts';
import { RawHandles } from './raw.ts';
import { type BlockReference, requireReference } from './references.ts';
import { wrongKind } from './refusals.ts';
import { stackOf } from './stacks.ts';
import { noMemory, type ThreadHeap } from './thread-heap.ts';
import type { Views } from './views.ts';

const { leastUnitShift } = native.kindLayout;

// Taken once, because a script may replace it later.
const { max } = Math;

/** The smallest alignment that memalign takes: that of a pointer, as in posix_memalign. */
const leastAlignment = 8;
/** The thread cache of a kind in debug mode. It is empty, so no block takes the fast path. */
const debugCache = new Int32Array(0);

/** What other folders of lib use of a kind beside its public methods. */
export interface KindInside {
	/** The number of the hold in native code. */
	id: number;
	/** The number of the kind in this process: the same for all holds on it. */
	number: number;
	/** The ArrayBuffers over its memory. */
	views: Views;
	/** Throws the error of an allocation of so many bytes that has failed with `status`. */
	outOfMemory(size: number, status: number): never;
	/** This hold is a cache's. Calls back when it is closed. */
	serveCache(whenClosed: () => void): void;
}

export let insideOf: (kind: Kind) => KindInside;

/** The name of a property that no value has. */
declare const ofClass: unique symbol;

/**
 * A kind, for `Kind.attach` in another thread of this process. `kind.share()` makes it. `K` is the class that `attach`
 * returns.
 */
export interface SharedKind<out K extends Kind = Kind> {
	readonly type: 'daxkind.Kind';
	/** Tells this process from others. */
	readonly process: number;
	/** The number of the kind in that process. */
	readonly number: number;
	/** 128 random bits, without which nobody can join the kind. */
	readonly secret: string;
	/** What its creator calls it. */
	readonly name?: string;
	/** For the compiler alone: there is no such property. */
	readonly [ofClass]: K;
}

/**
 * The fast path. Its type leaves out `malloc` and `free`, so that they are documented here with the rest of the family.
 */
const FastPath = Allocator as abstract new () => object;

// The methods that FastPath has. A class could only declare them by implementing them.
export interface Kind {
	/**
	 * Allocates `size` bytes, aligned to 16. The content is whatever was there before.
	 *
	 * As a rule this takes well under a microsecond. It blocks for a system call when the kind has to reserve storage
	 * (fallocate; on a NUMA node madvise), and while another thread does so for the same storage. Storage that
	 * another thread is giving back is waited for some milliseconds, then it looks for other memory. On a NUMA node it
	 * first waits for kinds of other processes to do the same, 50 ms at most. When memory has run out it waits for what
	 * the caches of other threads hold, 20 ms at most.
	 *
	 * @param size In bytes. 0 gives an empty Buffer, which `free` takes.
	 * @returns A Buffer of exactly `size` bytes.
	 * @throws OutOfMemoryError ERR_DAXKIND_OUT_OF_MEMORY. It says why.
	 * @throws TypeError ERR_INVALID_ARG_TYPE, RangeError ERR_OUT_OF_RANGE when `size` is not a size.
	 * @throws Error ERR_INVALID_STATE after `close`.
	 */
	malloc(size: number): Block;

	/**
	 * Frees a block. null and undefined are accepted and do nothing, as in C, so the result of `tryMalloc` can be
	 * passed on as it is.
	 *
	 * The next `malloc` may get the memory at once. So await an operation that was given the block (`fs.read`,
	 * `socket.write`, zlib, crypto) before you free it. An operation that is still under way overwrites or sends
	 * somebody else's block.
	 *
	 * In a conservative kind (`policy` of a PmemKind) the call can wait for a background thread that gives storage
	 * back, 15 ms at most.
	 *
	 * @param block What `malloc` and its family, `array` or `deref` returned.
	 * @throws TypeError ERR_INVALID_ARG_TYPE when it is neither a Buffer nor a typed array.
	 * @throws Error ERR_DAXKIND_DOUBLE_FREE when it has been freed, or reallocated, before; ERR_DAXKIND_NOT_A_BLOCK
	 *   when it is a Buffer or an array from elsewhere, or a part of a block; ERR_DAXKIND_WRONG_KIND when it belongs to
	 *   another kind; in debug mode ERR_DAXKIND_OVERRUN when something was written beside it. Nothing has changed then.
	 * @throws Error ERR_INVALID_STATE after `close`, and for a block of `buffer` whose ArrayBuffer has been transferred.
	 */
	free(block: Block | KindArray | null | undefined): void;
}

/**
 * A kind of memory that blocks are allocated from. Blocks are ordinary Buffers, but their memory is not in V8's heap.
 * The garbage collector neither scans nor frees it. Free a block with `free`, or all of them at once with `close`.
 *
 * Other threads of the process join a kind by `share` and `attach`. Each of them has a Kind of its own for it.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the base class has what the interface says.
export abstract class Kind extends FastPath implements Disposable, AsyncDisposable {
	/** Which class of kind it is: PmemKind, FixedKind, DeviceKind or NodeKind. */
	readonly type: 'pmem' | 'fixed' | 'device' | 'node';
	/** The name of its class. It is on the prototypes of the classes. */
	declare readonly [Symbol.toStringTag]: string;
	/**
	 * What the creator calls it, for metrics and logs: the option `name`, by default the path. It is the same in every
	 * thread.
	 */
	readonly name: string;
	/** Where the memory comes from: the directory, the file, the device or the nodes. Messages name it. */
	readonly path: string;
	/** How many bytes the kind can hold. */
	readonly capacity: number;
	/** Whether the kind is in debug mode, which looks for mistakes with the memory and costs time and memory. */
	readonly debug: boolean;
	#blocks: Blocks;
	#heap: ThreadHeap;
	/** The number of the kind in this process. */
	#number: number;
	#raw: RawHandles | undefined;
	/** Whether other threads may hold the kind, now or later. */
	#isShared: boolean;
	/** Closes the cache that this hold is of. */
	#whenClosed: (() => void) | undefined;
	readonly #explained: Explain;

	/** Not for callers: the classes of kinds have `create` and `attach`. */
	protected constructor(hold: unknown, maker: string, explained: (error: SystemError) => Error = (error) => error) {
		super();
		const origin = takeOrigin(hold);
		if (origin === undefined) throw illegalConstructor(maker);
		const { type, path, capacity, debug, number } = hold as KindHold;
		this.type = type;
		this.name = origin.name ?? path;
		this.path = path;
		this.capacity = capacity;
		this.debug = debug;
		this.#blocks = new Blocks(this, hold as KindHold, origin.notices);
		this.#heap = this.#blocks.heap;
		this.#number = number;
		this.#isShared = origin.isShared;
		this.#explained = explained;
		connect(this, this.#blocks, {
			cache: debug ? debugCache : this.#heap.cache,
			backings: this.#blocks.backings.table,
			unitGrowth: this.#heap.unitShift - leastUnitShift,
		});
	}

	/** Like `malloc`, but returns undefined when there is no memory. It blocks as `malloc` does. Misuse still throws. */
	tryMalloc(size: number): Block | undefined {
		Kind.#check(this);
		if (this.#isCached(size)) return this.malloc(size);
		const block = this.#blocks.allocate(size, this.tryMalloc);
		return typeof block === 'number' ? undefined : block;
	}

	/**
	 * Allocates an array of `count` elements of `size` bytes, filled with zeros. Filling takes as long as writing the
	 * memory does, in this thread.
	 *
	 * @throws As `malloc`. A product that a number cannot hold exactly is an OutOfMemoryError.
	 */
	calloc(count: number, size: number): Block {
		Kind.#check(this);
		requireInteger('count', count);
		requireInteger('size', size);
		const product = count * size;
		this.#blocks.checkOpen();
		if (!Number.isSafeInteger(product)) return this.#blocks.outOfMemory(product, noMemory);
		return this.#blocks.malloc(product, this.calloc, 1, true);
	}

	/**
	 * Allocates a typed array of `length` elements: `kind.array(Float32Array, 128)`. It is an ordinary Float32Array
	 * whose memory is a block of the kind, aligned to 16. `free` frees it, and so does `close`. It blocks as `malloc`
	 * does. A short array takes about four times as long as a Buffer of `malloc`.
	 *
	 * `subarray`, `slice` and `map` of it give ordinary arrays, which `free` refuses. So do `realloc` and
	 * `defragReallocate` refuse arrays: they return Buffers.
	 *
	 * ```js
	 * const vector = kind.array(Float32Array, 128).fill(1);
	 * kind.free(vector);
	 * ```
	 *
	 * @param type Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array,
	 *   Float32Array, Float64Array, BigInt64Array or BigUint64Array; Float16Array where the runtime has it.
	 * @param length In elements. 0 gives an empty array, which `free` takes.
	 * @throws As `malloc`; TypeError ERR_INVALID_ARG_TYPE for another class, also for Buffer. A length in bytes that a
	 *   number cannot hold exactly is an OutOfMemoryError.
	 */
	array<C extends TypedArrayClass>(type: C, length: number, options?: KindArrayOptions): ArrayOf<C> {
		Kind.#check(this);
		const size = byteSizeOf(type, length);
		const isZeroed = zeroOf(options);
		const block = this.#allocateArray(size, this.array, isZeroed);
		return typeof block === 'number' ? this.#blocks.outOfMemory(size, block) : this.#arrayOver(type, block, length);
	}

	/** Like `array`, but returns undefined when there is no memory. Misuse still throws. */
	tryArray<C extends TypedArrayClass>(type: C, length: number, options?: KindArrayOptions): ArrayOf<C> | undefined {
		Kind.#check(this);
		const block = this.#allocateArray(byteSizeOf(type, length), this.tryArray, zeroOf(options));
		return typeof block === 'number' ? undefined : this.#arrayOver(type, block, length);
	}

	/**
	 * Changes the size of a block and keeps its content up to the smaller of the two sizes. The block may move, and
	 * then its content is copied in this thread. Use the Buffer that is returned, and no longer the old one. When there
	 * is no memory the call throws, and the old block stays as it was.
	 *
	 * Await an operation that was given the block first, as before `free`: the old memory may go to another block.
	 *
	 * @param block A block of this kind. null and undefined make it a `malloc`.
	 * @param size In bytes. 0 frees the block and returns an empty one.
	 * @throws As `malloc` and `free`.
	 */
	realloc(block: Block | null | undefined, size: number): Block {
		Kind.#check(this);
		if (block === null || block === undefined) return this.malloc(size);
		const held = this.#blocks.held(block);
		requireInteger('size', size);
		if (size > 0) return this.#blocks.realloc(held, size, this.realloc);
		const empty = this.#blocks.empty();
		this.#blocks.free(held);
		return empty;
	}

	/**
	 * Allocates `size` bytes at an address that is a multiple of `alignment`. It blocks as `malloc` does.
	 *
	 * @param alignment In bytes: a power of two, at least 8.
	 * @param size In bytes. 0 gives an empty Buffer.
	 * @throws As `malloc`; RangeError ERR_OUT_OF_RANGE for an alignment that is below 8 or not a power of two.
	 */
	memalign(alignment: number, size: number): Block {
		Kind.#check(this);
		requireInteger('alignment', alignment, leastAlignment);
		if (2 ** Math.floor(Math.log2(alignment)) !== alignment) throw outOfRange('alignment', 'a power of two', alignment);
		return this.#blocks.malloc(size, this.memalign, alignment);
	}

	/**
	 * Allocates a block that is freed when the garbage collector finds that neither the block nor a view of it can be
	 * reached. `free` still frees it at once, and then it has length 0. It has an ArrayBuffer of its own, which costs
	 * some microseconds and more than 1 KiB of DRAM: use it for few, large blocks.
	 *
	 * `ref` takes the block out of the collector's hands. From then on somebody has to free it.
	 *
	 * V8 does not know how much a kind can hold. So daxkind has it collect when the kind runs short and much of its
	 * memory may be garbage. This blocks the thread, in a later turn of the event loop, for as long as a full
	 * collection takes. The memory that it finds is free in a later turn.
	 *
	 * @throws As `malloc`. `collectable` of the error says how much may be garbage.
	 */
	buffer(size: number): Block {
		Kind.#check(this);
		return this.#blocks.buffer(size);
	}

	/**
	 * As `buffer`. When there is no memory, and blocks of `buffer` may be garbage, it has V8 collect. Then it waits for
	 * the turns of the event loop in which the memory comes back, before it fails.
	 *
	 * @throws As `buffer`; the signal's reason; Error ERR_INVALID_STATE if the kind is closed meanwhile.
	 */
	async bufferAsync(size: number, options?: AbortableOptions): Promise<Block> {
		Kind.#check(this);
		const { signal } = checkJobOptions(options, ['signal']);
		const attempt = () => {
			throwIfAborted(signal);
			const block = this.#blocks.allocateCollected(size, false);
			return typeof block === 'number' ? undefined : block;
		};
		return (await this.#blocks.garbage.retry(attempt)) ?? this.buffer(size);
	}

	/**
	 * How many bytes a block could hold: its size rounded up to its size class, or to whole units. The Buffer itself
	 * has the length that was asked for. `realloc` up to the usable size does not move the block. 0 for null and
	 * undefined. In debug mode it is the block's length, because a red zone follows.
	 *
	 * @param block A block, an array, or a raw handle.
	 * @throws As `free`, and `freeRaw`.
	 */
	usableSize(block: Block | KindArray | RawHandle | 0 | null | undefined): number {
		Kind.#check(this);
		if (block === null || block === undefined) return 0;
		if (typeof block === 'number') return this.#usableRaw(block);
		const held = this.#blocks.held(blockUnder(block));
		return BlockBuffer.backingOf(held).sort.usableSize(held);
	}

	/**
	 * Moves a small block to another slab that is as full or fuller, if there is one. Its old slab may become empty by
	 * that: this defragments data that lives long. Use the Buffer that is returned, and no longer the old one. The
	 * content is copied in this thread. Await an operation that was given the block first, as before `free`.
	 *
	 * @returns The block at its new place. undefined if it was not moved, and then it is still valid. Blocks above 8
	 *   KiB, blocks that other threads have references to, blocks of `buffer` and those of debug mode are never moved.
	 * @throws As `free`.
	 */
	defragReallocate(block: Block | null | undefined): Block | undefined {
		Kind.#check(this);
		if (block === null || block === undefined) return undefined;
		const held = this.#blocks.held(block);
		return BlockBuffer.backingOf(held).sort.moveBetter(held);
	}

	/** The kind of a block, or of an array, that has not been freed. undefined for everything else. */
	static of(value: unknown): Kind | undefined {
		const block = blockUnder(value);
		if (!BlockBuffer.isBlock(block)) return undefined;
		const kind = BlockBuffer.backingOf(block).owner as Kind;
		return kind.#blocks.isOpen && kind.#blocks.isLive(block) ? kind : undefined;
	}

	// ---- Raw handles ------------------------------------------------------------------------------------------------

	/**
	 * Allocates `size` bytes and returns a number that stands for them. It is meant for indexes of millions of blocks,
	 * because an array of numbers costs the garbage collector nothing. The number is a safe integer. It may be kept in
	 * a Float64Array, or sent to other threads.
	 *
	 * @param size In bytes. 0 gives 0, which stands for no block.
	 * @throws As `malloc`; Error ERR_DAXKIND_TOO_MANY_HANDLES when the open kinds have all numbers there are, for
	 *   example about 120 kinds of 64 GiB or more.
	 */
	mallocRaw(size: number): RawHandle {
		let raw: RawHandles | undefined;
		try {
			raw = this.#raw;
		} catch {
			throw invalidThis('Kind');
		}
		if (raw !== undefined && typeof size === 'number' && size > 0 && (size | 0) === size) {
			const handle = raw.malloc(size);
			if (handle > 0) return handle as RawHandle;
		}
		const handle = this.#mallocRawSlowly(size);
		return handle < 0 ? this.#blocks.outOfMemory(size, handle) : (handle as RawHandle);
	}

	/** Like `mallocRaw`, but returns 0 when there is no memory. */
	tryMallocRaw(size: number): RawHandle | 0 {
		Kind.#check(this);
		const isSmall = typeof size === 'number' && size > 0 && (size | 0) === size;
		const cached = isSmall ? this.#raw?.malloc(size) : undefined;
		if (cached !== undefined && cached > 0) return cached as RawHandle;
		return max(0, this.#mallocRawSlowly(size)) as RawHandle | 0;
	}

	/**
	 * The memory of a raw handle as an ordinary Buffer. The Buffer does not keep the block: after `freeRaw` it shows
	 * whatever has the memory then.
	 *
	 * @param length In bytes, at most the usable size, which is the default.
	 * @throws As `freeRaw`; RangeError ERR_OUT_OF_RANGE for a longer `length`.
	 */
	view(handle: RawHandle | 0, length?: number): NonSharedBuffer {
		Kind.#check(this);
		if (typeof handle !== 'number') throw invalidArgType('handle', 'of type number', handle);
		const raw = this.#rawHandles();
		const block = handle === 0 ? undefined : raw.find(handle);
		const usable = block === undefined ? 0 : this.#heap.usableSize(block.code);
		const bytes = length === undefined ? usable : requireInteger('length', length, 0, usable);
		if (block === undefined || bytes === 0) return new FastBuffer(new ArrayBuffer(0), 0, 0);
		return this.#blocks.views.plain(block.segment, block.offset, bytes);
	}

	/**
	 * Frees the block of a raw handle. 0 is accepted and does nothing. Any thread that holds the kind may do this,
	 * once.
	 *
	 * Await operations on views of the block first: as with `free`, the memory may go to another block at once. In a
	 * conservative kind the call waits as `free` does.
	 *
	 * @throws TypeError ERR_INVALID_ARG_TYPE when it is no number.
	 * @throws Error ERR_DAXKIND_DOUBLE_FREE when it has been freed before, by any thread; ERR_DAXKIND_NOT_A_BLOCK when
	 *   it is no handle; ERR_DAXKIND_WRONG_KIND when it is a handle of another kind, open or closed. Nothing has
	 *   changed then. A freed handle is recognised until its place has been given out 2,046 times more: with the
	 *   2,047th, and each multiple of that, it is the same number as the newest handle of the place.
	 * @throws Error ERR_INVALID_STATE after `close`.
	 */
	freeRaw(handle: RawHandle | 0): void {
		let raw: RawHandles | undefined;
		try {
			raw = this.#raw;
		} catch {
			throw invalidThis('Kind');
		}
		if (raw === undefined || typeof handle !== 'number' || !raw.free(handle)) this.#freeRawSlowly(handle);
	}

	// ---- Threads ----------------------------------------------------------------------------------------------------

	/**
	 * A plain object by which another thread of this process joins the kind: send it by postMessage or workerData. The
	 * object holds nothing. The kind lives until every thread that holds it has closed its Kind or has ended. When a
	 * thread has ended, its blocks are free, except those that others can reach by a reference or a raw handle.
	 *
	 * ```js
	 * worker.postMessage(kind.share());
	 * // in the worker
	 * parentPort.on('message', (shared) => {
	 *   const kind = Kind.attach(shared);
	 * });
	 * ```
	 *
	 * @throws Error ERR_INVALID_STATE after `close`.
	 */
	share(): SharedKind<this> {
		Kind.#check(this);
		this.#blocks.checkOpen();
		const [process, secret] = native.kindShare(this.#heap.id);
		this.#share();
		const { name } = this;
		return { type: 'daxkind.Kind', process, number: this.#number, secret, name } as SharedKind<this>;
	}

	/**
	 * Joins a kind that another thread has shared. Close this Kind, too: each thread closes its own. `Kind.attach`
	 * takes a share of any kind, `PmemKind.attach` only one of a PmemKind, and so on. It does not block.
	 *
	 * @param shared What `share` returned.
	 * @param options Listeners of this thread. The listeners that `create` was given belong to the thread that created
	 *   the kind. Everything else, such as `debug`, is as the kind was created.
	 * @throws TypeError ERR_INVALID_ARG_TYPE for an object that `share` did not make; ERR_INVALID_ARG_VALUE for a kind
	 *   of another class, and for an unknown option; RangeError ERR_OUT_OF_RANGE.
	 * @throws Error ERR_DAXKIND_KIND_GONE when nobody holds the kind any more, or another process or another copy of
	 *   this package made it.
	 */
	static attach<C extends Kind, K extends C = C>(
		this: { readonly prototype: C },
		shared: SharedKind<K>,
		options?: KindNoticeOptions,
	): K {
		// Each class that extends this one has its own `attach`: see nameKind.
		return attachKind(Kind, shared, options, stackOf(Kind.attach)) as K;
	}

	static {
		// A caller who looks for the methods of a kind looks on this prototype.
		const { malloc, free } = Object.getOwnPropertyDescriptors(Allocator.prototype);
		Object.defineProperties(Kind.prototype, { malloc, free });
	}

	/**
	 * A reference to a block, for `deref` in any thread that holds the kind. Nothing is copied: all threads see the
	 * same memory. From now on any of them may free the block, once. A `free` or `deref` after that is an error. Neither
	 * `ref` nor `deref` blocks.
	 *
	 * @throws As `free`.
	 */
	ref(block: Block | KindArray): BlockReference {
		Kind.#check(this);
		const held = this.#blocks.held(blockUnder(block));
		const place = BlockBuffer.backingOf(held).sort.reference(held);
		return { type: 'daxkind.Block', kind: this.#number, ...place } as BlockReference;
	}

	/**
	 * The block that a reference stands for: the same memory as a Buffer of this thread.
	 *
	 * @throws TypeError ERR_INVALID_ARG_TYPE for an object that `ref` did not make.
	 * @throws Error ERR_DAXKIND_STALE_REFERENCE when the block has been freed or reallocated; ERR_DAXKIND_WRONG_KIND
	 *   when it belongs to another kind; ERR_INVALID_STATE after `close`.
	 */
	deref(reference: BlockReference): Block;
	/**
	 * The same as a typed array.
	 *
	 * @param type The class of the array, as in `array`. Its elements fill the block exactly.
	 * @throws As above; TypeError ERR_INVALID_ARG_TYPE for another class; RangeError ERR_OUT_OF_RANGE when elements of
	 *   that class do not fill the block exactly.
	 */
	deref<C extends TypedArrayClass>(reference: BlockReference, type: C): ArrayOf<C>;
	deref(reference: BlockReference, type?: TypedArrayClass): Block | KindArray {
		Kind.#check(this);
		const { kind, offset, generation } = requireReference(reference);
		if (type !== undefined) elementSizeOf(type);
		this.#blocks.checkOpen();
		if (kind !== this.#number) throw wrongKind('reference');
		const block = this.#blocks.dereference(offset, generation);
		if (block !== undefined) return type === undefined ? block : arrayOverAll(type, block);
		throw daxkindError('ERR_DAXKIND_STALE_REFERENCE', 'The block of this reference has been freed or reallocated');
	}

	// ---- The whole --------------------------------------------------------------------------------------------------

	/**
	 * How full the kind is now. While other threads allocate and free, the numbers of their caches can be a moment
	 * older than the rest. In a conservative kind the call can wait for storage that is about to go back, 15 ms at
	 * most.
	 *
	 * @throws Error ERR_INVALID_STATE after `close`.
	 */
	stats(): KindStats {
		Kind.#check(this);
		this.#blocks.checkOpen();
		return this.#blocks.stats();
	}

	/**
	 * The blocks by size class: how many callers hold, and how many are free in slabs and thread caches.
	 *
	 * @throws Error ERR_INVALID_STATE after `close`.
	 */
	sizeClasses(): SizeClasses {
		Kind.#check(this);
		this.#blocks.checkOpen();
		return sizeClassesOf(native.kindClassUse(this.#heap.id, false));
	}

	/**
	 * Empties this thread's cache and gives the storage of all free memory back now, instead of letting it decay
	 * (fallocate with FALLOC_FL_PUNCH_HOLE; madvise on NUMA nodes).
	 *
	 * The call blocks until that is done, which takes the longer the more there is: see `purgeAsync`. The storage of a
	 * page that an O_DIRECT transfer or a device has pinned cannot go back. So for a PmemKind on DAX another thread
	 * does the work, and this one stops waiting when there has been no progress for two seconds. The rest goes back
	 * when the pin ends.
	 *
	 * @returns How many bytes were given back; so far, if there was no progress.
	 * @throws Error ERR_INVALID_STATE after `close`.
	 */
	purge(): number {
		Kind.#check(this);
		this.#blocks.checkOpen();
		this.#blocks.ledger?.drain();
		return native.kindPurge(this.#heap.id);
	}

	/**
	 * As `purge`, but on another thread, a part at a time. Only emptying this thread's cache is done here. It waits for
	 * all of the storage, however long a page is pinned.
	 *
	 * @returns How many bytes were given back.
	 * @throws As `purge`; EAGAIN (pthread_create) if no thread can be started; the signal's reason.
	 */
	async purgeAsync(options?: AbortableOptions): Promise<number> {
		Kind.#check(this);
		const given = checkJobOptions(options, ['signal']);
		this.#blocks.checkOpen();
		this.#blocks.ledger?.drain();
		return finish(() => native.kindPurgeAsync(this.#heap.id), given);
	}

	/**
	 * Reserves the storage of the whole kind and faults its pages in (fallocate, madvise with MADV_POPULATE_WRITE), on
	 * another thread. No later allocation or first touch waits for either. The storage stays until `purge` or `close`,
	 * whatever the policy is. The kind may be used meanwhile.
	 *
	 * @throws A system error of `fallocate` (ENOSPC), `madvise` or `pthread_create` (EAGAIN); for a NodeKind
	 *   ERR_DAXKIND_NODE_FULL, with `path` and `remedy`, if the nodes cannot give all of it; the signal's reason. The
	 *   storage that was reserved until then stays.
	 * @throws Error ERR_INVALID_STATE after `close`, also when the last thread that held the kind closed it meanwhile.
	 */
	async prefaultAsync(options?: KindProgressOptions): Promise<void> {
		Kind.#check(this);
		const given = checkJobOptions(options, ['signal', 'onProgress']);
		this.#blocks.checkOpen();
		let canceled: SystemError | undefined;
		const noteCanceled = (error: SystemError) => {
			canceled = error;
			return error;
		};
		const job = () => explainedJob(() => native.kindPrefaultAsync(this.#heap.id), this.#explained, noteCanceled);
		try {
			await finish(job, given, { progressOf });
		} catch (error) {
			// This is not the signal's reason, nor what onProgress has thrown. So nobody holds the kind any more.
			if (canceled !== undefined && error === canceled) throw invalidState('the kind is closed');
			throw error;
		}
	}

	/** True after `close`. */
	get closed(): boolean {
		Kind.#check(this);
		return !isConnected(this);
	}

	/**
	 * Frees all blocks and gives all storage back. If other threads hold the kind, too, the last of them does so. Every
	 * Buffer of this Kind has length 0 from then on. Closing twice is no error.
	 *
	 * The last thread that closes the kind gives the storage back itself, and the call blocks meanwhile. That takes
	 * longer the more storage it is: see `closeAsync`.
	 *
	 * If other threads still hold the kind, the blocks of this Kind are free once the garbage collector has found that
	 * no Buffer of it can be reached, or when the thread has ended. Blocks that have a reference, and those of raw
	 * handles, stay until somebody frees them.
	 *
	 * Await operations that were given a block first. An operation that is still under way reads zeros, and what it
	 * writes goes nowhere: the addresses stay mapped until it is done. But zlib does not bear that its Buffer becomes
	 * empty. Node 20 aborts, and later versions throw an error that no callback gets.
	 *
	 * @returns What had not been freed. undefined if that was nothing, or if other threads still hold the kind.
	 */
	close(): LeakReport | undefined {
		Kind.#check(this);
		if (!isConnected(this)) return undefined;
		const leaks = this.#leaks();
		this.#letGo(() => native.kindClose(this.#heap.id));
		this.#warn(leaks);
		return leaks;
	}

	/**
	 * As `close`, but another thread gives the storage back, or this one if no thread can be started. The Kind is
	 * closed at once, before the promise is settled.
	 */
	async closeAsync(): Promise<LeakReport | undefined> {
		Kind.#check(this);
		if (!isConnected(this)) return undefined;
		const leaks = this.#leaks();
		const letGo = () => {
			const job = this.#letGo(() => native.kindCloseAsync(this.#heap.id));
			this.#warn(leaks);
			return job;
		};
		await finish(letGo, {});
		return leaks;
	}

	/** `close`, for `using` and its downlevelled forms. */
	[Symbol.dispose](): void {
		Kind.#check(this);
		this.close();
	}

	/** `closeAsync`, for `await using`. */
	async [Symbol.asyncDispose](): Promise<void> {
		Kind.#check(this);
		await this.closeAsync();
	}

	/** What console.log shows: its properties, how full it is, and whether it is closed. */
	[inspect.custom](depth: number, options: InspectOptions): string {
		Kind.#check(this);
		const { name: of } = this.constructor;
		const closed = !isConnected(this);
		const { allocated, blocks } = closed ? { allocated: 0, blocks: 0 } : this.#blocks.stats();
		return `${of} ${inspect({ ...this, allocated, blocks, closed }, { ...options, depth })}`;
	}

	static {
		insideOf = (kind) => ({
			id: kind.#heap.id,
			number: kind.#number,
			views: kind.#blocks.views,
			outOfMemory: (size, status) => kind.#blocks.outOfMemory(size, status),
			serveCache: (whenClosed) => {
				kind.#whenClosed = whenClosed;
				noteOfCache(kind);
			},
		});
	}

	/** Refuses a receiver that is no Kind, with Node's error. The engine's own would be about a private member. */
	static #check(kind: unknown): void {
		if (!isAllocator(kind)) throw invalidThis('Kind');
	}

	// ---- Slow paths -------------------------------------------------------------------------------------------------

	/** Whether malloc will find a block in the thread cache, and so cannot fail. */
	#isCached(size: number): boolean {
		if (typeof size !== 'number' || !(size > 0 && (size | 0) === size)) return false;
		return has(cacheOf(this), codeFor(size, this.#heap.unitSize));
	}

	/** Allocates the block of an array. A status if there is no memory. */
	#allocateArray(size: number, caller: Caller, isZeroed: boolean): BlockBuffer | number {
		if (this.#isCached(size)) {
			const block = this.malloc(size) as BlockBuffer;
			if (isZeroed) clear(block);
			return block;
		}
		this.#blocks.checkOpen();
		return Number.isSafeInteger(size) ? this.#blocks.allocate(size, caller, 1, isZeroed) : noMemory;
	}

	#arrayOver<C extends TypedArrayClass>(type: C, block: BlockBuffer, length: number): ArrayOf<C> {
		try {
			return arrayOver(type, block, length);
		} catch (error) {
			// The stack is at its end.
			this.#blocks.free(block);
			throw error;
		}
	}

	#share(): void {
		this.#isShared = true;
		this.#raw?.share();
	}

	#rawHandles(): RawHandles {
		this.#blocks.checkOpen();
		return this.#raw ?? this.#makeRawHandles();
	}

	#makeRawHandles(): RawHandles {
		const raw = new RawHandles({
			cache: cacheOf(this),
			owner: this.#heap.owner,
			unitShift: this.#heap.unitShift,
			isShared: this.#isShared,
			read: () => {
				const tables = native.kindRawTables(this.#heap.id);
				const { unitMap, descriptors, states, classes, slabs, owners } = tables;
				for (const table of [unitMap, descriptors, states, classes, slabs, owners]) this.#blocks.views.keep(table);
				return tables;
			},
			giveBack: (code, segment, offset) => this.#blocks.freeRaw(code, segment, offset),
			freeForeign: (number, out) => this.#blocks.freeForeign(number, out),
		});
		this.#heap.resolver = (number) => raw.resolve(number);
		this.#raw = raw;
		return raw;
	}

	#usableRaw(handle: number): number {
		const raw = this.#rawHandles();
		return handle === 0 ? 0 : this.#heap.usableSize(raw.find(handle).code);
	}

	/** The slow half of mallocRaw. Returns a handle, or a status if there is no memory. */
	#mallocRawSlowly(size: number): number {
		requireInteger('size', size);
		const raw = this.#rawHandles();
		if (size === 0) return 0;
		const place = this.#blocks.find(size, 1);
		return typeof place === 'number' ? place : raw.handleFor(place, () => this.#blocks.take(place));
	}

	#freeRawSlowly(handle: unknown): void {
		if (typeof handle !== 'number') throw invalidArgType('handle', 'of type number', handle);
		const raw = this.#rawHandles();
		if (handle !== 0) raw.freeSlowly(handle);
	}

	/** The blocks that will not have been freed. From here until the kind has been let go of, no script runs. */
	#leaks(): LeakReport | undefined {
		this.#blocks.ledger?.drain();
		if (!native.kindLeave(this.#heap.id)) return undefined;
		const leaks = leaksOf(sizeClassesOf(native.kindClassUse(this.#heap.id, true)));
		return leaks && (this.#blocks.ledger?.explain(leaks) ?? leaks);
	}

	#warn(leaks: LeakReport | undefined): void {
		if (leaks !== undefined && this.debug) warnOfLeaks(leaks, this.path);
	}

	/** Closes the Kind by `letGo`. If that throws, the Kind is open as before. */
	#letGo<Result>(letGo: () => Result): Result {
		const raw = this.#raw;
		const reconnect = disconnect(this);
		this.#raw = undefined;
		try {
			const result = this.#blocks.close(letGo);
			tellKindClosed(this);
			this.#whenClosed?.();
			return result;
		} catch (error) {
			if (this.#blocks.isOpen) {
				reconnect();
				this.#raw = raw;
			}
			throw error;
		}
	}
}
