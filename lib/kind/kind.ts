// The contract of every kind: malloc and its family, on a heap in native code and this thread's cache of free blocks.
//
// The common path is here and in block.ts, in JavaScript: a free block is popped from, or pushed into, a magazine of
// the thread cache without a native call. All else (an empty or full magazine, long blocks, errors) is slow path.
import { constants } from 'node:buffer';
import { constants as osConstants } from 'node:os';
import { requireInteger } from '../arguments.ts';
import { daxkindError, illegalConstructor, invalidArgType, invalidState, outOfRange, systemError } from '../errors.ts';
import { type KindHandle, native } from '../native.ts';
import { Block, magazineOf } from './block.ts';
import type { KindStats } from './kind-stats.ts';
import { OutOfMemoryError, type OutOfMemoryReason } from './out-of-memory.ts';

const {
	classOfQuantum,
	classSizes,
	sizeQuantum,
	maxSlabSize,
	runCode,
	runMagazines,
	unitsShift,
	magazineCode,
	cachedUnitsWord,
	cachedUnitsLimitWord,
	resultSegmentWord,
	resultOffsetWord,
	dirtyWord,
	segmentSize,
} = native.kindLayout;

/** Alignment that every block has without asking. */
const unitAlignment = sizeQuantum;
const quantumShift = Math.log2(sizeQuantum);
const quantumMask = sizeQuantum - 1;
const runMask = runMagazines - 1;
/** The smallest alignment that memalign takes: that of a pointer, as posix_memalign has it. */
const leastAlignment = 8;
/** The code of an empty block: it has no memory and no magazine. */
const emptyCode = runCode;
/** What a closed kind has for a thread cache: every fast path ends up on the slow one, which throws. */
const noCache = new Int32Array(0);

/** How long freed memory stays committed for reuse, in milliseconds: memkind's dirty_decay_ms for its default policy. */
const decayMs = 10_000;

const { ENOMEM, ENOSPC, EDQUOT } = osConstants.errno;

/** The code of a run of so many units, of a size that is a small integer. */
function runCodeOf(units: number): number {
	return (units << unitsShift) | (units & runMask) | runCode;
}

/** The length of a block in units; 0 for a block of a class. */
function unitsOf(code: number): number {
	return Math.floor(code / 2 ** unitsShift);
}

function isOutOfRoom(status: number): boolean {
	return status === -ENOSPC || status === -EDQUOT;
}

/** Handles that native code has made and no Kind has taken yet. */
const made = new WeakSet<KindHandle>();

/** Lets a handle from native code become a Kind; no other can. */
export function adopt(handle: KindHandle): KindHandle {
	made.add(handle);
	return handle;
}

/**
 * A kind of memory that blocks are allocated from. Blocks are ordinary Buffers; their memory is not in V8's heap, and
 * the garbage collector neither scans nor frees it: what is allocated is freed with `free`, or all at once by `close`.
 *
 * A kind belongs to the thread that made it.
 */
export abstract class Kind {
	/** The directory, or what else the memory comes from: for messages. */
	readonly path: string;
	/** What the kind can hold in bytes. */
	readonly capacity: number;
	/** The same, which nobody can change. */
	#capacity: number;
	#id: number;
	#cache: Int32Array;
	#unitShift: number;
	#unitMask: number;
	/** ArrayBuffers over the segments, made when a segment's first block is. */
	#segments: (ArrayBuffer | undefined)[] = [];
	/** ArrayBuffers of blocks that are longer than a segment. */
	#windows = new Set<WeakRef<ArrayBuffer>>();
	/** Nothing decays: the kind was prefaulted. */
	#keepsStorage: boolean;
	#decayTimer: NodeJS.Timeout | undefined;
	/** What the heap answered when it was last asked for memory. */
	#lastStatus = 0;

	protected constructor(handle: KindHandle, path: string, keepsStorage: boolean) {
		if (!made.delete(handle)) throw illegalConstructor();
		this.path = path;
		this.capacity = handle.capacity;
		this.#capacity = handle.capacity;
		this.#keepsStorage = keepsStorage;
		this.#id = handle.id;
		this.#cache = new Int32Array(handle.cache);
		this.#unitShift = handle.unitShift;
		this.#unitMask = 2 ** handle.unitShift - 1;
	}

	/**
	 * Allocates `size` bytes, aligned to 16. The content is whatever was there before.
	 *
	 * @param size In bytes. 0 gives an empty Buffer, which `free` takes.
	 * @returns A Buffer of exactly `size` bytes.
	 * @throws OutOfMemoryError ERR_DAXKIND_OUT_OF_MEMORY, saying why.
	 * @throws TypeError ERR_INVALID_ARG_TYPE, RangeError ERR_OUT_OF_RANGE for a `size` that is none.
	 * @throws Error ERR_INVALID_STATE after `close`.
	 */
	malloc(size: number): Buffer {
		// A size that is no small integer, or no number at all, goes the slow way and is checked there.
		if (typeof size === 'number' && size > 0 && (size | 0) === size) {
			const code =
				size <= maxSlabSize
					? classOfQuantum[(size + quantumMask) >> quantumShift]!
					: runCodeOf((size + this.#unitMask) >>> this.#unitShift);
			const cache = this.#cache;
			const magazine = magazineOf(code);
			const top = cache[magazine]!;
			if (top > 0 && cache[magazine + magazineCode] === code) {
				const segment = cache[magazine + top]!;
				const buffer = this.#segments[segment];
				if (buffer !== undefined) {
					const block = new Block(buffer, cache[magazine + top + 1]!, size, cache, code, segment);
					cache[magazine] = top - 2;
					if (code > runCode) cache[cachedUnitsWord]! -= code >> unitsShift;
					return block;
				}
			}
		}
		return this.#mallocSlowly(size);
	}

	/** Like `malloc`, but returns undefined when there is no memory. Misuse still throws. */
	tryMalloc(size: number): Buffer | undefined {
		return this.#isCached(size) ? this.malloc(size) : this.#allocate(size);
	}

	/**
	 * Allocates an array of `count` elements of `size` bytes, filled with zeros.
	 *
	 * @throws As `malloc`; a product that no number can hold exactly is out of memory.
	 */
	calloc(count: number, size: number): Buffer {
		requireInteger('count', count);
		requireInteger('size', size);
		return this.malloc(this.#product(count, size)).fill(0);
	}

	/**
	 * Changes the size of a block, keeping its content up to the smaller of the two sizes. It may move: use what is
	 * returned, and the old Buffer no more. Without memory it throws, and the old block stays as it was.
	 *
	 * @param block A block of this kind; null and undefined make it a `malloc`.
	 * @param size In bytes. 0 frees the block and returns an empty one.
	 * @throws As `malloc` and `free`.
	 */
	realloc(block: Buffer | null | undefined, size: number): Buffer {
		if (block === null || block === undefined) return this.malloc(size);
		const held = this.#held(block);
		requireInteger('size', size);
		if (size === 0) {
			this.free(held);
			return this.malloc(0);
		}
		if (size === held.length) return held;
		const code = this.#codeFor(size);
		const had = Block.codeOf(held);
		const segment = Block.segmentOf(held);
		const offset = Block.offsetOf(held);
		if (code === had) return this.#rename(held, code, size);
		if (code > runCode && had > runCode && size <= this.#capacity) {
			if (native.kindResizeRun(this.#id, segment, offset, unitsOf(code)) === 0) {
				this.#startDecay();
				return this.#rename(held, code, size);
			}
		}
		const moved = this.#allocate(size);
		if (moved === undefined) {
			// A block that only shrinks can stay where it is.
			return size <= this.usableSize(held) ? this.#rename(held, had, size) : this.#outOfMemory(size);
		}
		moved.set(held.length > size ? held.subarray(0, size) : held);
		this.free(held);
		return moved;
	}

	/**
	 * Allocates `size` bytes at an address that is a multiple of `alignment`.
	 *
	 * @param alignment In bytes: a power of two, at least 8.
	 * @param size In bytes; 0 gives an empty Buffer.
	 * @throws As `malloc`; RangeError ERR_OUT_OF_RANGE for an alignment that is no power of two or below 8.
	 */
	memalign(alignment: number, size: number): Buffer {
		requireInteger('alignment', alignment, leastAlignment);
		if (2 ** Math.floor(Math.log2(alignment)) !== alignment) throw outOfRange('alignment', 'a power of two', alignment);
		requireInteger('size', size);
		if (size === 0 || alignment <= unitAlignment) return this.malloc(size);
		// A class whose size is a multiple of the alignment has aligned blocks only: slabs begin at a unit.
		const rounded = Math.ceil(size / alignment) * alignment;
		if (rounded <= maxSlabSize && alignment <= this.#unitMask + 1) {
			let code = classOfQuantum[rounded / sizeQuantum]!;
			while (code < classSizes.length && classSizes[code]! % alignment !== 0) code++;
			if (code < classSizes.length) return this.#allocateSlot(code, size) ?? this.#outOfMemory(size);
		}
		return this.#allocateRun(this.#runCodeFor(size), size, alignment) ?? this.#outOfMemory(size);
	}

	/**
	 * Frees a block. null and undefined are accepted and do nothing, as in C, and so the result of `tryMalloc` can be
	 * passed on as it is.
	 *
	 * @throws TypeError ERR_INVALID_ARG_TYPE when it is no Buffer.
	 * @throws Error ERR_DAXKIND_DOUBLE_FREE when it has been freed, or reallocated, before; ERR_DAXKIND_NOT_A_BLOCK
	 *   when it is a Buffer from elsewhere, or a part of a block; ERR_DAXKIND_WRONG_KIND when it belongs to another
	 *   kind. Nothing has changed then.
	 * @throws Error ERR_INVALID_STATE after `close`.
	 */
	free(block: Buffer | null | undefined): void {
		if (!Block.push(block, this.#cache)) this.#freeSlowly(block);
	}

	/**
	 * How many bytes a block could hold: its size rounded up to its size class, or to whole units. The Buffer itself has
	 * the length that was asked for; `realloc` up to the usable size does not move it. 0 for null and undefined.
	 *
	 * @throws As `free`.
	 */
	usableSize(block: Buffer | null | undefined): number {
		if (block === null || block === undefined) return 0;
		const code = Block.codeOf(this.#held(block));
		if (code === emptyCode) return 0;
		return code < runCode ? classSizes[code]! : unitsOf(code) * (this.#unitMask + 1);
	}

	/**
	 * What the kind holds, now.
	 *
	 * @throws Error ERR_INVALID_STATE after `close`.
	 */
	stats(): KindStats {
		this.#checkOpen();
		return native.kindStats(this.#id);
	}

	/**
	 * Empties this thread's cache and gives the storage of all free memory back at once (fallocate with
	 * FALLOC_FL_PUNCH_HOLE), not waiting for it to decay.
	 *
	 * @returns Bytes given back.
	 * @throws Error ERR_INVALID_STATE after `close`.
	 */
	purge(): number {
		this.#checkOpen();
		return native.kindPurge(this.#id);
	}

	/** True after `close`. */
	get closed(): boolean {
		return this.#cache === noCache;
	}

	/**
	 * Frees all blocks and gives all storage back. Every Buffer of this kind has length 0 from then on. Closing twice is
	 * no error.
	 */
	close(): void {
		if (this.closed) return;
		// The cache is given back with its memory now, not when its ArrayBuffer is garbage.
		const buffers = [this.#cache.buffer as ArrayBuffer];
		this.#cache = noCache;
		clearTimeout(this.#decayTimer);
		for (const segment of this.#segments) if (segment !== undefined) buffers.push(segment);
		for (const window of this.#windows) {
			const buffer = window.deref();
			if (buffer !== undefined) buffers.push(buffer);
		}
		this.#segments = [];
		this.#windows.clear();
		native.kindClose(this.#id);
		for (const buffer of buffers) native.detachArrayBuffer(buffer);
	}

	/** `close`, for `using` and its downlevelled forms. */
	[Symbol.dispose](): void {
		this.close();
	}

	/** Whether malloc will find a block in the thread cache, and so cannot fail. */
	#isCached(size: number): boolean {
		if (typeof size !== 'number' || !(size > 0 && (size | 0) === size)) return false;
		const code = this.#codeFor(size);
		const magazine = magazineOf(code);
		return this.#cache[magazine]! > 0 && this.#cache[magazine + magazineCode] === code;
	}

	#checkOpen(): void {
		if (this.closed) throw invalidState('the kind is closed');
	}

	/** The slow half of malloc: checks everything, asks the heap. */
	#allocate(size: number): Block | undefined {
		requireInteger('size', size);
		this.#checkOpen();
		if (size === 0) return new Block(new ArrayBuffer(0), 0, 0, this.#cache, emptyCode, 0);
		const code = this.#codeFor(size);
		return code < runCode ? this.#allocateSlot(code, size) : this.#allocateRun(code, size, 1);
	}

	#mallocSlowly(size: number): Block {
		return this.#allocate(size) ?? this.#outOfMemory(size);
	}

	#codeFor(size: number): number {
		return size <= maxSlabSize ? classOfQuantum[(size + quantumMask) >> quantumShift]! : this.#runCodeFor(size);
	}

	#runCodeFor(size: number): number {
		const units = Math.ceil(size / (this.#unitMask + 1));
		return units * 2 ** unitsShift + runCode + (units % runMagazines);
	}

	#allocateSlot(code: number, size: number): Block | undefined {
		this.#checkOpen();
		const cache = this.#cache;
		const magazine = magazineOf(code);
		if (cache[magazine] === 0 && !this.#succeeded(native.kindRefill(this.#id, code))) return undefined;
		return this.#pop(code, size);
	}

	#pop(code: number, size: number): Block {
		const cache = this.#cache;
		const magazine = magazineOf(code);
		const top = cache[magazine]!;
		const block = this.#view(code, size, cache[magazine + top]!, cache[magazine + top + 1]!);
		cache[magazine] = top - 2;
		return block;
	}

	#allocateRun(code: number, size: number, alignment: number): Block | undefined {
		this.#checkOpen();
		this.#lastStatus = -ENOMEM;
		if (size > this.#capacity || size > constants.MAX_LENGTH) return undefined;
		if (!this.#succeeded(native.kindAllocateRun(this.#id, unitsOf(code), alignment))) return undefined;
		const segment = this.#cache[resultSegmentWord]!;
		const offset = this.#cache[resultOffsetWord]!;
		try {
			return this.#view(code, size, segment, offset);
		} catch (error) {
			native.kindFreeRun(this.#id, segment, offset);
			throw error;
		}
	}

	/** Whether the heap found memory; an error that is not about memory is thrown. */
	#succeeded(status: number): boolean {
		this.#lastStatus = status;
		if (status === 0) return true;
		// It has emptied the thread cache.
		this.#startDecay();
		if (status === -ENOMEM || isOutOfRoom(status)) return false;
		throw systemError(status, 'fallocate', this.path);
	}

	#view(code: number, size: number, segment: number, offset: number): Block {
		if (offset + size <= segmentSize) {
			let buffer = this.#segments[segment];
			// Not open yet, or moved away by ArrayBuffer.prototype.transfer().
			if (buffer === undefined || buffer.byteLength === 0) buffer = this.#openSegment(segment);
			return new Block(buffer, offset, size, this.#cache, code, segment);
		}
		const buffer = native.kindWindow(this.#id, segment, offset, size);
		for (const window of this.#windows) if (window.deref() === undefined) this.#windows.delete(window);
		this.#windows.add(new WeakRef(buffer));
		return Block.place(new Block(buffer, 0, size, this.#cache, code, segment), offset);
	}

	#openSegment(segment: number): ArrayBuffer {
		const buffer = native.kindWindow(this.#id, segment, 0, segmentSize);
		this.#segments[segment] = buffer;
		return buffer;
	}

	/** The same piece of memory as a Buffer of another length; the old Buffer is a block no more. */
	#rename(block: Block, code: number, size: number): Block {
		const renamed = this.#view(code, size, Block.segmentOf(block), Block.offsetOf(block));
		Block.release(block);
		return renamed;
	}

	/** Checks that a value is a block of this kind that has not been freed. */
	#held(block: unknown): Block {
		if (!Block.isBlock(block)) {
			if (!ArrayBuffer.isView(block)) throw invalidArgType('block', 'a Buffer that this kind allocated', block);
			throw daxkindError(
				'ERR_DAXKIND_NOT_A_BLOCK',
				'This Buffer is not a block of a kind. Pass the Buffer that malloc returned, not a slice or subarray of it',
			);
		}
		this.#checkOpen();
		if (Block.cacheOf(block) !== this.#cache) {
			throw daxkindError('ERR_DAXKIND_WRONG_KIND', 'This block belongs to another kind; free it there');
		}
		if (Block.isFreed(block)) {
			throw daxkindError('ERR_DAXKIND_DOUBLE_FREE', 'This block has been freed or reallocated already');
		}
		return block;
	}

	#freeSlowly(value: unknown): void {
		if (value === null || value === undefined) return;
		const block = this.#held(value);
		const code = Block.codeOf(block);
		const cache = this.#cache;
		let status = 0;
		if (code !== emptyCode) {
			// Room is made for it if the cache will hold such blocks at all.
			const cacheable = code < runCode || unitsOf(code) <= cache[cachedUnitsLimitWord]! / 2;
			if (cacheable) status = native.kindFlush(this.#id, code);
			if (!Block.push(block, cache)) {
				status = native.kindFreeRun(this.#id, Block.segmentOf(block), Block.offsetOf(block)) || status;
			}
			this.#startDecay();
		}
		Block.release(block);
		if (status !== 0) {
			throw daxkindError('ERR_DAXKIND_CORRUPTED', `The heap's books do not know a freed block of '${this.path}'`);
		}
	}

	#startDecay(): void {
		if (this.#decayTimer !== undefined || this.#keepsStorage || this.#cache[dirtyWord] === 0) return;
		this.#decayTimer = setTimeout(() => {
			this.#decayTimer = undefined;
			if (this.closed) return;
			this.#cache[dirtyWord] = native.kindDecay(this.#id, decayMs) ? 1 : 0;
			this.#startDecay();
		}, decayMs);
		this.#decayTimer.unref();
	}

	#product(count: number, size: number): number {
		const product = count * size;
		if (Number.isSafeInteger(product)) return product;
		this.#checkOpen();
		return this.#outOfMemory(product);
	}

	#outOfMemory(requested: number): never {
		const { capacity, allocated, free } = this.stats();
		let reason: OutOfMemoryReason = free >= requested ? 'fragmented' : 'limit';
		if (requested <= capacity && requested > constants.MAX_LENGTH) reason = 'buffer-limit';
		else if (isOutOfRoom(this.#lastStatus)) reason = 'file-system-full';
		throw new OutOfMemoryError({ requested, capacity, allocated, reason, path: this.path });
	}
}
