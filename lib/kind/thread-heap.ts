// One thread's side of a kind's heap: the slow half of taking and giving back memory. It keeps the thread cache filled,
// and asks native code for everything else. It knows places and codes, but no Buffers.
import { constants as osConstants } from 'node:os';
import { invalidState, systemError } from '../errors.ts';
import type { KindHold } from '../native/kinds.ts';
import { native } from '../native.ts';
import type { Backings } from './backings.ts';
import { codeFor, runCodeOf, unitsOf } from './codes.ts';
import {
	before,
	has,
	isCacheable,
	isFor,
	isKnownToFail,
	isNewest,
	isResult,
	newest,
	numberAt,
	offsetAt,
	pop,
	push,
	resultOffset,
	resultSegment,
	segmentAt,
	setPlace,
	takeResult,
} from './fast-path.ts';

const { classOfQuantum, classSizes, sizeQuantum, maxSlabSize, runCode, segmentSize } = native.kindLayout;
const { ENOMEM, ENOSPC, EDQUOT } = osConstants.errno;

// Taken once, because a script may replace it later.
const { ceil } = Math;

/** The status when no free memory is long enough. */
export const noMemory = -ENOMEM;

/** Whether an allocation failed because the file system, or a quota of it, has no room. */
export function isOutOfRoom(status: number): boolean {
	return status === -ENOSPC || isOutOfQuota(status);
}

/** Whether it failed because a quota leaves no room. */
export function isOutOfQuota(status: number): boolean {
	return status === -EDQUOT;
}

/** Memory that has been found for a block. It belongs to nobody until `take`. */
export class FoundMemory {
	readonly code: number;
	readonly segment: number;
	/** In bytes. */
	readonly offset: number;
	/** Its entry in the thread cache; 0 if a native call has found it. */
	readonly entry: number;

	constructor(code: number, segment: number, offset: number, entry: number) {
		this.code = code;
		this.segment = segment;
		this.offset = offset;
		this.entry = entry;
	}
}

/** Looks up the place of the slot that has a number. */
export type Resolver = (number: number) => { segment: number; offset: number };

export class ThreadHeap {
	readonly id: number;
	readonly capacity: number;
	readonly owner: number;
	readonly cache: Int32Array;
	/** How many bytes a unit has, and log2 of that. A long block has a whole number of units. */
	readonly unitSize: number;
	readonly unitShift: number;
	/** Looks up a block that `freeRaw` has left in the cache by the number of its place. */
	resolver: Resolver | undefined;
	readonly #path: string;
	/** The system call that gets memory from the kernel. */
	readonly #commitCall: 'fallocate' | 'madvise';
	readonly #backings: Backings;

	constructor(hold: KindHold, backings: Backings) {
		this.id = hold.id;
		this.capacity = hold.capacity;
		this.owner = hold.owner;
		this.unitShift = hold.unitShift;
		this.unitSize = 2 ** hold.unitShift;
		this.cache = new Int32Array(hold.cache);
		this.#path = hold.path;
		this.#commitCall = hold.type === 'node' ? 'madvise' : 'fallocate';
		this.#backings = backings;
	}

	/**
	 * Finds memory for `size` bytes, more than 0. The memory belongs to nobody until `take`. Either `take` is the next
	 * call on the heap, or it is not called at all.
	 *
	 * @param alignment A power of two.
	 * @returns The place, or a status if there is no memory: -ENOMEM, -ENOSPC, -EDQUOT.
	 * @throws SystemError of `fallocate`, or `madvise` on nodes, for an error that is not about memory.
	 */
	find(size: number, alignment: number): FoundMemory | number {
		const { cache } = this;
		const code = this.#codeOf(size, alignment);
		if (code < runCode || alignment <= sizeQuantum) {
			if (has(cache, code)) return this.#newest(code);
			if (isKnownToFail(cache, code, segmentSize / this.unitSize)) return noMemory;
		}
		if (size > this.capacity) return noMemory;
		const status =
			code < runCode ? native.kindRefill(this.id, code) : native.kindAllocateRun(this.id, unitsOf(code), alignment);
		if (status === 0) return code < runCode ? this.#newest(code) : this.#result(code);
		if (status === noMemory || isOutOfRoom(status)) return status;
		throw systemError(status, this.#commitCall, this.#path);
	}

	/**
	 * Takes the memory that was found. This is the last step of an allocation. If it throws, nothing has changed.
	 *
	 * @throws Error ERR_INVALID_STATE if the memory is not there any more. The engine and Node call some functions that
	 *   a script can replace, such as an array's iterator, and that function has called the kind.
	 */
	take({ entry, code, segment, offset }: FoundMemory): void {
		const { cache } = this;
		const isThere = entry === 0 ? isResult(cache, segment, offset) : isNewest(cache, code, entry, segment, offset);
		if (!isThere) throw invalidState('a script that ran during the call has taken the memory');
		if (entry === 0) takeResult(cache);
		else pop(cache, entry, code);
	}

	/**
	 * Gives memory back: to the cache if it has room, else to the heap. Returns 0, or an error if the heap does not
	 * know the block, or one that was cached beside it. Then nothing has changed, and also if it throws.
	 */
	giveBack(code: number, segment: number, offset: number): number {
		const { cache, id } = this;
		if (push(cache, code, segment, offset)) return 0;
		// A full magazine is drained, unless the cache takes no blocks of this code at all.
		const isCached = isCacheable(cache, code);
		if (isCached && code > runCode && !isFor(cache, code)) this.#backings.retire(code);
		const status = isCached ? native.kindDrain(id, code) : 0;
		if (status !== 0 || (isCached && push(cache, code, segment, offset))) return status;
		return native.kindFree(id, segment, offset);
	}

	/** Makes a run longer or shorter at its place. Returns 0, or an error if that is not possible. */
	resize(code: number, segment: number, offset: number): number {
		return native.kindResizeRun(this.id, segment, offset, unitsOf(code));
	}

	/** Finds a place for a block of a class in a slab that is as full or fuller. It belongs to nobody until `take`. */
	findBetter(code: number, segment: number, offset: number): FoundMemory | undefined {
		return native.kindTakeFuller(this.id, segment, offset) === 0 ? this.#result(code) : undefined;
	}

	/** The usable size of a block. */
	usableSize(code: number): number {
		return code < runCode ? classSizes[code]! : unitsOf(code) * this.unitSize;
	}

	#codeOf(size: number, alignment: number): number {
		const code = codeFor(size, this.unitSize);
		if (alignment <= sizeQuantum) return code;
		// All blocks of a class are aligned if its size is a multiple of the alignment, because slabs begin at a unit.
		const rounded = ceil(size / alignment) * alignment;
		if (rounded <= maxSlabSize && alignment <= this.unitSize) {
			let aligned = classOfQuantum[rounded / sizeQuantum]!;
			while (aligned < classSizes.length && classSizes[aligned]! % alignment !== 0) aligned++;
			if (aligned < classSizes.length) return aligned;
		}
		return code > runCode ? code : runCodeOf(ceil(size / this.unitSize));
	}

	/** The newest block of a code in the cache. The cache must have one. */
	#newest(code: number): FoundMemory {
		const { cache } = this;
		const entry = newest(cache, code);
		// The older entries are looked up, too, because malloc takes them without coming here.
		for (let at = entry; numberAt(cache, at) >= 0; at = before(at)) {
			const { segment, offset } = this.resolver!(numberAt(cache, at));
			setPlace(cache, at, segment, offset);
		}
		return new FoundMemory(code, segmentAt(cache, entry), offsetAt(cache, entry), entry);
	}

	#result(code: number): FoundMemory {
		return new FoundMemory(code, resultSegment(this.cache), resultOffset(this.cache), 0);
	}
}
