// One thread's side of a kind's heap: the slow half of taking and giving back memory. It keeps the thread cache filled,
// asks native code for the rest, and makes the ArrayBuffers through which the memory is seen.
// It knows places (segment and offset) and codes; what callers hold is kind.ts's business.
import { constants as osConstants } from 'node:os';
import { markAsUntransferable } from 'node:worker_threads';
import { systemError } from '../errors.ts';
import { type KindHandle, native } from '../native.ts';
import { codeFor, magazineOf, runCodeOf, unitsOf } from './codes.ts';

const {
	classOfQuantum,
	classSizes,
	sizeQuantum,
	maxSlabSize,
	runCode,
	unitsShift,
	magazineCode,
	cachedUnitsWord,
	cachedUnitsLimitWord,
	resultSegmentWord,
	resultOffsetWord,
	resultPendingWord,
	failedClassesWord,
	failedUnitsWord,
	segmentSize,
} = native.kindLayout;

const { ENOMEM, ENOSPC, EDQUOT } = osConstants.errno;

// Taken once: others may be put in their place later.
const { ceil } = Math;

/** Puts a block into its magazine, if that is for its code and has room. */
export function push(cache: Int32Array, code: number, segment: number, offset: number): boolean {
	const magazine = magazineOf(code);
	const top = cache[magazine]! + 2;
	if (!(top <= cache[magazine + 1]!) || cache[magazine + magazineCode] !== code) return false;
	if (code > runCode) {
		const cached = cache[cachedUnitsWord]! + (code >> unitsShift);
		if (cached > cache[cachedUnitsLimitWord]!) return false;
		cache[cachedUnitsWord] = cached;
	}
	cache[magazine + top] = segment;
	cache[magazine + top + 1] = offset;
	cache[magazine] = top;
	return true;
}

export class ThreadHeap {
	readonly id: number;
	readonly capacity: number;
	readonly owner: number;
	readonly cache: Int32Array;
	/** Bytes of a unit, of which long blocks have a whole number. */
	readonly unitSize: number;
	/** What the heap answered when it was last asked for memory. */
	lastStatus = 0;
	/** Where the memory is that was found last. */
	segment = 0;
	offset = 0;
	/** Whether a native call has found it, and not the thread cache. */
	#isResult = false;
	readonly #path: string;
	/** ArrayBuffers of blocks, and of tables, that are no segments. */
	#windows = new Set<WeakRef<ArrayBuffer>>();
	/** Windows to be made before those that are garbage are looked for. */
	#untilSweep = 64;

	constructor(handle: KindHandle) {
		this.id = handle.id;
		this.capacity = handle.capacity;
		this.owner = handle.owner;
		this.unitSize = 2 ** handle.unitShift;
		this.cache = new Int32Array(handle.cache);
		this.#path = handle.path;
	}

	/** Whether the last failure was the file system's. */
	get isOutOfRoom(): boolean {
		return this.lastStatus === -ENOSPC || this.lastStatus === -EDQUOT;
	}

	/** Whether it was that of a quota. */
	get isOutOfQuota(): boolean {
		return this.lastStatus === -EDQUOT;
	}

	/** Whether the thread cache has a block of this code. */
	has(code: number): boolean {
		const magazine = magazineOf(code);
		return this.cache[magazine]! > 0 && this.cache[magazine + magazineCode] === code;
	}

	/**
	 * Finds memory for `size` bytes, more than 0; its place is in `segment` and `offset`. It is nobody's until `take`, which has to
	 * follow before anything else is done with the heap, or not at all.
	 *
	 * @param alignment A power of two.
	 * @returns The block's code, or -1 if there is no memory.
	 * @throws SystemError of `fallocate` for an error that is not about memory.
	 */
	find(size: number, alignment: number): number {
		const code = this.#codeOf(size, alignment);
		if (code < runCode || alignment <= sizeQuantum) {
			if (this.has(code)) return this.#newest(code);
			if (this.#isKnownToFail(code)) return -1;
		}
		this.lastStatus = -ENOMEM;
		if (size > this.capacity) return -1;
		if (code < runCode) return this.#succeeded(native.kindRefill(this.id, code)) ? this.#newest(code) : -1;
		if (!this.#succeeded(native.kindAllocateRun(this.id, unitsOf(code), alignment))) return -1;
		this.#readResult();
		return code;
	}

	/** Takes what has been found, of that code: the last step of an allocation. It throws before anything is done, or not at all. */
	take(code: number): void {
		const { cache } = this;
		if (this.#isResult) {
			cache[resultPendingWord] = 0;
			return;
		}
		const magazine = magazineOf(code);
		cache[magazine]! -= 2;
		if (code > runCode) cache[cachedUnitsWord]! -= code >> unitsShift;
	}

	/**
	 * Gives memory back: to the cache if it will have it, else to the heap. Not 0: the heap did not know it, or not what was cached
	 * beside it, and nothing has changed. So it is when it throws.
	 */
	giveBack(code: number, segment: number, offset: number): number {
		if (push(this.cache, code, segment, offset)) return 0;
		const { cache } = this;
		// Room is made for it if the cache will hold such blocks at all.
		const isCacheable =
			code < runCode ? cache[magazineOf(code) + 1]! > 0 : unitsOf(code) <= cache[cachedUnitsLimitWord]! / 2;
		let status = isCacheable ? native.kindFlush(this.id, code) : 0;
		if (status === 0 && !(isCacheable && push(cache, code, segment, offset))) {
			status = native.kindFree(this.id, segment, offset);
		}
		return status;
	}

	/** Makes a run longer or shorter where it is. Not 0: it cannot be. */
	resize(code: number, segment: number, offset: number): number {
		return native.kindResizeRun(this.id, segment, offset, unitsOf(code));
	}

	/** Finds a better place for a block, if there is one. It is nobody's until `take`. */
	findBetter(segment: number, offset: number): boolean {
		if (native.kindTakeBetter(this.id, segment, offset) !== 0) return false;
		this.#readResult();
		return true;
	}

	/** The usable size of a block. */
	usableSize(code: number): number {
		return code < runCode ? classSizes[code]! : unitsOf(code) * this.unitSize;
	}

	/** An ArrayBuffer over a whole segment, which the caller keeps. */
	openSegment(segment: number): ArrayBuffer {
		const buffer = native.kindWindow(this.id, segment, 0, segmentSize);
		// Otherwise one block in a byte stream takes the memory from all Buffers of the segment. Before Node 24 it still does.
		if (native.detachesMarked) markAsUntransferable(buffer);
		return buffer;
	}

	/** An ArrayBuffer over a part of the memory; `close` detaches it. */
	window(segment: number, offset: number, length: number): ArrayBuffer {
		return this.keep(native.kindWindow(this.id, segment, offset, length));
	}

	/** The same; the block there, of that generation, is freed when the ArrayBuffer is garbage. */
	collectedWindow(segment: number, offset: number, length: number, generation: number): ArrayBuffer {
		return this.keep(native.kindCollectedWindow(this.id, segment, offset, length, generation));
	}

	/** Has `close` detach the ArrayBuffer. */
	keep(buffer: ArrayBuffer): ArrayBuffer {
		this.#untilSweep -= 1;
		if (this.#untilSweep <= 0) {
			for (const window of this.#windows) if (window.deref() === undefined) this.#windows.delete(window);
			this.#untilSweep = 64 + this.#windows.size;
		}
		this.#windows.add(new WeakRef(buffer));
		return buffer;
	}

	/** Lets go of the heap by `letGo`, then detaches all ArrayBuffers over it, and `segments`. */
	close<Result>(segments: ArrayBuffer[], letGo: () => Result): Result {
		// The cache is given back with its memory now, not when its ArrayBuffer is garbage.
		const buffers = [this.cache.buffer as ArrayBuffer, ...segments];
		for (const window of this.#windows) {
			const buffer = window.deref();
			if (buffer !== undefined) buffers.push(buffer);
		}
		this.#windows.clear();
		const result = letGo();
		for (const buffer of buffers) native.detachArrayBuffer(buffer);
		return result;
	}

	#codeOf(size: number, alignment: number): number {
		const code = codeFor(size, this.unitSize);
		if (alignment <= sizeQuantum) return code;
		// A class whose size is a multiple of the alignment has aligned blocks only: slabs begin at a unit.
		const rounded = ceil(size / alignment) * alignment;
		if (rounded <= maxSlabSize && alignment <= this.unitSize) {
			let aligned = classOfQuantum[rounded / sizeQuantum]!;
			while (aligned < classSizes.length && classSizes[aligned]! % alignment !== 0) aligned++;
			if (aligned < classSizes.length) return aligned;
		}
		return code > runCode ? code : runCodeOf(ceil(size / this.unitSize));
	}

	/** Whether this code has failed for want of memory, and none has come back since. */
	#isKnownToFail(code: number): boolean {
		const { cache } = this;
		const fails =
			code < runCode
				? (cache[failedClassesWord + (code >> 5)]! & (1 << (code & 31))) !== 0
				: this.#isFailedLength(unitsOf(code));
		if (fails) this.lastStatus = -ENOMEM;
		return fails;
	}

	/** A longer run fails, too; but one that is longer than a segment may cross the borders of segments, others not. */
	#isFailedLength(units: number): boolean {
		const failed = this.cache[failedUnitsWord]!;
		const segment = segmentSize / this.unitSize;
		return units >= failed && (units <= segment || failed > segment);
	}

	/** The place of the newest block in the magazine of a code. */
	#newest(code: number): number {
		const { cache } = this;
		const magazine = magazineOf(code);
		const top = cache[magazine]!;
		this.segment = cache[magazine + top]!;
		this.offset = cache[magazine + top + 1]!;
		this.#isResult = false;
		return code;
	}

	#readResult(): void {
		this.segment = this.cache[resultSegmentWord]!;
		this.offset = this.cache[resultOffsetWord]!;
		this.#isResult = true;
	}

	/** Whether the heap found memory; an error that is not about memory is thrown. */
	#succeeded(status: number): boolean {
		this.lastStatus = status;
		if (status === 0) return true;
		if (status === -ENOMEM || this.isOutOfRoom) return false;
		throw systemError(status, 'fallocate', this.#path);
	}
}
