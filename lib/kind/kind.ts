// The contract of every kind: malloc and its family, on a heap in native code and this thread's cache of free blocks.
//
// malloc and free take a free block out of the thread cache, or put one into it, without a native call: fast-path.ts. All else
// (an empty or full magazine, long blocks, errors) is the slow path, which is in blocks.ts and thread-heap.ts.
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
import { type AbortableOptions, checkJobOptions, finish, throwIfAborted } from '../jobs.ts';
import { type KindHold, native } from '../native.ts';
import { takeOrigin } from './adopting.ts';
import { attachKind } from './attaching.ts';
import { BlockBuffer, FastBuffer } from './block.ts';
import { Blocks } from './blocks.ts';
import type { Block, RawHandle } from './brands.ts';
import { codeFor } from './codes.ts';
import { warnOfLeaks } from './debug.ts';
import { Allocator, cacheOf, connect, disconnect, has, isAllocator, isConnected } from './fast-path.ts';
import { type KindProgressOptions, progressOf } from './jobs.ts';
import { type KindStats, type LeakReport, leaksOf, type SizeClasses, sizeClassesOf } from './kind-stats.ts';
import type { KindNoticeOptions } from './notices.ts';
import { RawHandles } from './raw.ts';
import { type BlockReference, requireReference, type SharedKind } from './references.ts';
import { wrongKind } from './refusals.ts';
import { stackOf } from './stacks.ts';
import { noMemory, type ThreadHeap } from './thread-heap.ts';

const { leastUnitShift } = native.kindLayout;

// Taken once: another may be put in its place later.
const { max } = Math;

/** The smallest alignment that memalign takes: that of a pointer, as posix_memalign has it. */
const leastAlignment = 8;
/** What a kind has for a thread cache in debug mode: no block of it takes the fast path. */
const debugCache = new Int32Array(0);

/** The fast path. Its type says nothing of `malloc` and `free`, so that they are documented here with the rest of the family. */
const FastPath = Allocator as abstract new () => object;

// What FastPath has: a class could only declare it by implementing it.
export interface Kind {
	/**
	 * Allocates `size` bytes, aligned to 16. The content is whatever was there before.
	 *
	 * @param size In bytes. 0 gives an empty Buffer, which `free` takes.
	 * @returns A Buffer of exactly `size` bytes.
	 * @throws OutOfMemoryError ERR_DAXKIND_OUT_OF_MEMORY, saying why.
	 * @throws TypeError ERR_INVALID_ARG_TYPE, RangeError ERR_OUT_OF_RANGE when `size` is not a size.
	 * @throws Error ERR_INVALID_STATE after `close`.
	 */
	malloc(size: number): Block;

	/**
	 * Frees a block. null and undefined are accepted and do nothing, as in C, and so the result of `tryMalloc` can be
	 * passed on as it is.
	 *
	 * The memory is the next malloc's at once. An operation that was given the block and is still under way (`fs.read`,
	 * `socket.write`, zlib, crypto) then overwrites or sends somebody else's block: await it, then free.
	 *
	 * @throws TypeError ERR_INVALID_ARG_TYPE when it is no Buffer.
	 * @throws Error ERR_DAXKIND_DOUBLE_FREE when it has been freed, or reallocated, before; ERR_DAXKIND_NOT_A_BLOCK
	 *   when it is a Buffer from elsewhere, or a part of a block; ERR_DAXKIND_WRONG_KIND when it belongs to another
	 *   kind; in debug mode ERR_DAXKIND_OVERRUN when something was written beside it. Nothing has changed then.
	 * @throws Error ERR_INVALID_STATE after `close`.
	 */
	free(block: Block | null | undefined): void;
}

/**
 * A kind of memory that blocks are allocated from. Blocks are ordinary Buffers; their memory is not in V8's heap, and
 * the garbage collector neither scans nor frees it: what is allocated is freed with `free`, or all at once by `close`.
 *
 * Other threads of the process join a kind by `share` and `attach`; each has a Kind of its own for it.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the base class has what the interface says.
export abstract class Kind extends FastPath implements Disposable, AsyncDisposable {
	/** Which class of kind it is: of a PmemKind, a FixedKind, a DeviceKind or a NodeKind. */
	readonly type: 'pmem' | 'fixed' | 'device' | 'node';
	/** The name of its class; the prototypes of the classes have it. */
	declare readonly [Symbol.toStringTag]: string;
	/** The directory, or what else the memory comes from: for messages. */
	readonly path: string;
	/** What the kind can hold in bytes. */
	readonly capacity: number;
	/** In debug mode mistakes with the memory are looked for, which costs time and memory. */
	readonly debug: boolean;
	#blocks: Blocks;
	#heap: ThreadHeap;
	/** Which kind of the process. */
	#number: number;
	#raw: RawHandles | undefined;
	/** Whether other threads may hold the kind, now or later. */
	#isShared: boolean;

	/** Classes of kinds have a `create` and an `attach`. */
	protected constructor(hold: unknown, maker: string) {
		super();
		const origin = takeOrigin(hold);
		if (origin === undefined) throw illegalConstructor(maker);
		const { type, path, capacity, debug, number } = hold as KindHold;
		this.type = type;
		this.path = path;
		this.capacity = capacity;
		this.debug = debug;
		this.#blocks = new Blocks(this, hold as KindHold, origin.notices);
		this.#heap = this.#blocks.heap;
		this.#number = number;
		this.#isShared = origin.isShared;
		connect(this, this.#blocks, {
			cache: debug ? debugCache : this.#heap.cache,
			backings: this.#blocks.backings.table,
			unitGrowth: this.#heap.unitShift - leastUnitShift,
		});
	}

	/** Like `malloc`, but returns undefined when there is no memory. Misuse still throws. */
	tryMalloc(size: number): Block | undefined {
		Kind.#check(this);
		if (this.#isCached(size)) return this.malloc(size);
		const block = this.#blocks.allocate(size, this.tryMalloc);
		return typeof block === 'number' ? undefined : block;
	}

	/**
	 * Allocates an array of `count` elements of `size` bytes, filled with zeros.
	 *
	 * @throws As `malloc`; a product that no number can hold exactly is out of memory.
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
	 * Changes the size of a block, keeping its content up to the smaller of the two sizes. It may move: use what is
	 * returned, and the old Buffer no more. Without memory it throws, and the old block stays as it was.
	 *
	 * @param block A block of this kind; null and undefined make it a `malloc`.
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
	 * Allocates `size` bytes at an address that is a multiple of `alignment`.
	 *
	 * @param alignment In bytes: a power of two, at least 8.
	 * @param size In bytes; 0 gives an empty Buffer.
	 * @throws As `malloc`; RangeError ERR_OUT_OF_RANGE for an alignment that is no power of two or below 8.
	 */
	memalign(alignment: number, size: number): Block {
		Kind.#check(this);
		requireInteger('alignment', alignment, leastAlignment);
		if (2 ** Math.floor(Math.log2(alignment)) !== alignment) throw outOfRange('alignment', 'a power of two', alignment);
		return this.#blocks.malloc(size, this.memalign, alignment);
	}

	/**
	 * Allocates a block that is freed when the garbage collector finds that neither it nor a view of it can be reached.
	 * `free` still frees it at once, and then it has length 0. It has an ArrayBuffer of its own, which costs some
	 * microseconds and more than 1 KiB of DRAM: for few, large blocks.
	 *
	 * A reference (`ref`) takes it out of the collector's hands: it has to be freed, then.
	 *
	 * V8 does not know how much a kind can hold. It is made to collect when a kind runs short of memory of which much may be
	 * garbage, which takes it as long as any full collection; what it finds is free in a later turn of the event loop.
	 *
	 * @throws As `malloc`; `collectable` of the error says how much may be garbage.
	 */
	buffer(size: number): Block {
		Kind.#check(this);
		return this.#blocks.buffer(size);
	}

	/**
	 * As `buffer`; where there is no memory and blocks of `buffer` may be garbage, it has V8 collect, and waits for the turns
	 * of the event loop in which the memory comes back, before it fails.
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
	 * How many bytes a block could hold: its size rounded up to its size class, or to whole units. The Buffer itself has
	 * the length that was asked for; `realloc` up to the usable size does not move it. 0 for null and undefined. In debug
	 * mode it is the block's length: a red zone follows.
	 *
	 * @param block A block, or a raw handle.
	 * @throws As `free`, and `freeRaw`.
	 */
	usableSize(block: Block | RawHandle | 0 | null | undefined): number {
		Kind.#check(this);
		if (block === null || block === undefined) return 0;
		if (typeof block === 'number') return this.#usableRaw(block);
		const held = this.#blocks.held(block);
		return BlockBuffer.backingOf(held).sort.usableSize(held);
	}

	/**
	 * Moves a small block to a slab that is as full as its own or fuller, if there is one, so that its own may become free: for
	 * defragmenting data that lives long. Use what is returned, and the old Buffer no more.
	 *
	 * @returns The block at its new place, or undefined: it was not moved and is still valid. Blocks above 8 KiB, blocks
	 *   that other threads have references to, GC-managed blocks and those of debug mode are never moved.
	 * @throws As `free`.
	 */
	defragReallocate(block: Block | null | undefined): Block | undefined {
		Kind.#check(this);
		if (block === null || block === undefined) return undefined;
		const held = this.#blocks.held(block);
		return BlockBuffer.backingOf(held).sort.moveBetter(held);
	}

	/** The kind of a block that has not been freed; undefined for everything else. */
	static of(value: unknown): Kind | undefined {
		if (!BlockBuffer.isBlock(value)) return undefined;
		const kind = BlockBuffer.backingOf(value).owner as Kind;
		return kind.#blocks.isOpen && kind.#blocks.isLive(value) ? kind : undefined;
	}

	// ---- Raw handles ------------------------------------------------------------------------------------------------

	/**
	 * Allocates `size` bytes and gives a number for them, for indexes of millions of blocks: an array of numbers costs the
	 * garbage collector nothing. The number is a safe integer and may be kept in a Float64Array, or sent to other threads.
	 *
	 * @param size In bytes. 0 gives 0, which stands for no block.
	 * @throws As `malloc`; Error ERR_DAXKIND_TOO_MANY_HANDLES when the open kinds have all numbers there are, for example about 120 kinds of
	 *   64 GiB or more.
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
	 * The memory of a raw handle as an ordinary Buffer, for a look; it keeps nothing alive.
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
	 * Frees the block of a raw handle. 0 is accepted and does nothing.
	 *
	 * @throws TypeError ERR_INVALID_ARG_TYPE when it is no number.
	 * @throws Error ERR_DAXKIND_DOUBLE_FREE when it has been freed before, by any thread (a handle is taken for the newest one
	 *   of its place again when there have been exactly 2,047 others of that place meanwhile, or a multiple of it);
	 *   ERR_DAXKIND_NOT_A_BLOCK when it is no handle; ERR_DAXKIND_WRONG_KIND when it is one of another kind, an open or a
	 *   closed one. Nothing has changed then.
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
	 * What another thread of this process joins the kind by: a plain object for postMessage or workerData. It holds
	 * nothing; the kind lives until every thread that holds it has closed its Kind or has ended. When a thread has ended,
	 * its blocks are free but for those that others can reach, by a reference or a raw handle.
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
		return { type: 'daxkind.Kind', process, number: this.#number, secret } as SharedKind<this>;
	}

	/**
	 * Joins a kind that another thread has shared. The Kind is to be closed on its own. `Kind.attach` takes a share of any kind,
	 * `PmemKind.attach` only one of a PmemKind, and so on.
	 *
	 * @param shared What `share` returned.
	 * @param options Listeners of this thread: what `create` was given counts for the thread that created the kind. Everything
	 *   else, such as `debug`, is as the kind was created.
	 * @throws TypeError ERR_INVALID_ARG_TYPE for what `share` did not make; ERR_INVALID_ARG_VALUE for a kind of another class, and for an
	 *   unknown option; RangeError ERR_OUT_OF_RANGE.
	 * @throws Error ERR_DAXKIND_KIND_GONE when nobody holds the kind any more, or another process or another copy of this package made it.
	 */
	static attach<C extends Kind, K extends C = C>(
		this: { readonly prototype: C },
		shared: SharedKind<K>,
		options?: KindNoticeOptions,
	): K {
		// Classes that extend this one have one of their own: see nameKind.
		return attachKind(Kind, shared, options, stackOf(Kind.attach)) as K;
	}

	static {
		// Whoever looks for the methods of a kind looks here.
		const { malloc, free } = Object.getOwnPropertyDescriptors(Allocator.prototype);
		Object.defineProperties(Kind.prototype, { malloc, free });
	}

	/**
	 * A reference to a block, for `deref` in any thread that holds the kind. Nothing is copied: all see the same memory.
	 * From now on any of the threads may free the block, once; a `free` or `deref` after that is an error.
	 *
	 * @throws As `free`.
	 */
	ref(block: Block): BlockReference {
		Kind.#check(this);
		const held = this.#blocks.held(block);
		const place = BlockBuffer.backingOf(held).sort.reference(held);
		return { type: 'daxkind.Block', kind: this.#number, ...place } as BlockReference;
	}

	/**
	 * The block that a reference stands for: the same memory as a Buffer of this thread.
	 *
	 * @throws TypeError ERR_INVALID_ARG_TYPE for what `ref` did not make.
	 * @throws Error ERR_DAXKIND_STALE_REFERENCE when the block has been freed or reallocated; ERR_DAXKIND_WRONG_KIND when
	 *   it belongs to another kind; ERR_INVALID_STATE after `close`.
	 */
	deref(reference: BlockReference): Block {
		Kind.#check(this);
		const { kind, offset, generation } = requireReference(reference);
		this.#blocks.checkOpen();
		if (kind !== this.#number) throw wrongKind('reference');
		const block = this.#blocks.dereference(offset, generation);
		if (block !== undefined) return block;
		throw daxkindError('ERR_DAXKIND_STALE_REFERENCE', 'The block of this reference has been freed or reallocated');
	}

	// ---- The whole --------------------------------------------------------------------------------------------------

	/**
	 * What the kind holds, now.
	 *
	 * @throws Error ERR_INVALID_STATE after `close`.
	 */
	stats(): KindStats {
		Kind.#check(this);
		this.#blocks.checkOpen();
		return this.#blocks.stats();
	}

	/**
	 * The blocks by size class: how many are held, and how many are free in slabs and thread caches.
	 *
	 * @throws Error ERR_INVALID_STATE after `close`.
	 */
	sizeClasses(): SizeClasses {
		Kind.#check(this);
		this.#blocks.checkOpen();
		return sizeClassesOf(native.kindClassUse(this.#heap.id, false));
	}

	/**
	 * Empties this thread's cache and gives the storage of all free memory back at once (fallocate with
	 * FALLOC_FL_PUNCH_HOLE), not waiting for it to decay.
	 *
	 * A thread of its own does it, and this one waits. That ends when there has been no progress for two seconds, as while an O_DIRECT
	 * transfer or a device has a page of the kind pinned: the rest goes back when the pin ends.
	 *
	 * @returns Bytes given back; so far, if there was no progress.
	 * @throws Error ERR_INVALID_STATE after `close`.
	 */
	purge(): number {
		Kind.#check(this);
		this.#blocks.checkOpen();
		this.#blocks.ledger?.drain();
		return native.kindPurge(this.#heap.id);
	}

	/**
	 * As `purge`, by a thread of its own, a part at a time.
	 *
	 * @returns Bytes given back.
	 * @throws As `purge`; EAGAIN (pthread_create) if there is no thread to be had; the signal's reason.
	 */
	async purgeAsync(options?: AbortableOptions): Promise<number> {
		Kind.#check(this);
		const given = checkJobOptions(options, ['signal']);
		this.#blocks.checkOpen();
		this.#blocks.ledger?.drain();
		return finish(() => native.kindPurgeAsync(this.#heap.id), given);
	}

	/**
	 * Reserves the storage of the whole kind and faults its pages in (fallocate, madvise with MADV_POPULATE_WRITE), by
	 * a thread of its own, so that no later allocation or first touch waits for either. The storage is kept until `purge` or
	 * `close`, whatever the policy. The kind may be used meanwhile.
	 *
	 * @throws A system error of `fallocate` (ENOSPC), `madvise` or `pthread_create` (EAGAIN); the signal's reason. What was reserved stays.
	 * @throws Error ERR_INVALID_STATE after `close`, also when the last that held the kind closed it meanwhile.
	 */
	async prefaultAsync(options?: KindProgressOptions): Promise<void> {
		Kind.#check(this);
		const given = checkJobOptions(options, ['signal', 'onProgress']);
		this.#blocks.checkOpen();
		try {
			await finish(() => native.kindPrefaultAsync(this.#heap.id), given, { progressOf });
		} catch (error) {
			if (!isConnected(this) && (error as SystemError | null)?.code === 'ECANCELED')
				throw invalidState('the kind is closed');
			throw error;
		}
	}

	/** True after `close`. */
	get closed(): boolean {
		Kind.#check(this);
		return !isConnected(this);
	}

	/**
	 * Frees all blocks and gives all storage back, unless other threads hold the kind, too: then the last of them does.
	 * Every Buffer of this Kind has length 0 from then on. Closing twice is no error.
	 *
	 * Where other threads go on holding the kind, the blocks of this Kind are free when the garbage collector has found that
	 * no Buffer of it can be reached, or when the thread has ended. Blocks that were given a reference, and those of raw
	 * handles, stay until somebody frees them.
	 *
	 * Await operations that were given a block first. One that is still under way reads zeros and writes into memory that
	 * is nobody's; the addresses stay mapped until it is done. But zlib does not bear that its Buffer becomes empty: Node
	 * 20 aborts, later ones throw an error that no callback gets.
	 *
	 * @returns What had not been freed; undefined if there was nothing, or if other threads still hold the kind.
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
	 * As `close`; the storage is given back by another thread, or by this one if no other can be had. The Kind is closed at
	 * once.
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
		const { name } = this.constructor;
		const closed = !isConnected(this);
		const { allocated, blocks } = closed ? { allocated: 0, blocks: 0 } : this.#blocks.stats();
		return `${name} ${inspect({ ...this, allocated, blocks, closed }, { ...options, depth })}`;
	}

	/** Refuses a receiver that is no Kind, with Node's error; for the engine, it would be about a private member. */
	static #check(kind: unknown): void {
		if (!isAllocator(kind)) throw invalidThis('Kind');
	}

	// ---- Slow paths -------------------------------------------------------------------------------------------------

	/** Whether malloc will find a block in the thread cache, and so cannot fail. */
	#isCached(size: number): boolean {
		if (typeof size !== 'number' || !(size > 0 && (size | 0) === size)) return false;
		return has(cacheOf(this), codeFor(size, this.#heap.unitSize));
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

	/** The slow half of mallocRaw. A handle, or a status if there is no memory. */
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

	/** What will not have been freed. No script runs in here, nor before the kind has been let go of. */
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
			return this.#blocks.close(letGo);
		} catch (error) {
			if (this.#blocks.isOpen) {
				reconnect();
				this.#raw = raw;
			}
			throw error;
		}
	}
}
