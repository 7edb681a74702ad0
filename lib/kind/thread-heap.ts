// One thread's side of a kind's heap: the slow half of taking and giving back memory. It keeps the thread cache filled,
// and asks native code for the rest. It knows places and codes; Buffers are for others.
import { constants as osConstants } from 'node:os';
import { invalidState, systemError } from '../errors.ts';
import { type KindHold, native } from '../native.ts';
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

// Taken once: others may be put in their place later.
const { ceil } = Math;

/** What the heap answers when no free memory is long enough. */
export const noMemory = -ENOMEM;

/** Whether an allocation failed because the file system has no room. */
export function isOutOfRoom(status: number): boolean {
	return status === -ENOSPC || isOutOfQuota(status);
}

/** Whether it is a quota that leaves no room. */
export function isOutOfQuota(status: number): boolean {
	return status === -EDQUOT;
}

/** Memory that has been found for a block. It is nobody's until `take`. */
export class FoundMemory {
	readonly code: number;
	readonly segment: number;
	/** In bytes. */
	readonly offset: number;
	/** The entry of the thread cache; 0 if a native call has found it. */
	readonly entry: number;

	constructor(code: number, segment: number, offset: number, entry: number) {
		this.code = code;
		this.segment = segment;
		this.offset = offset;
		this.entry = entry;
	}
}

/** Looks up where the slot of a number is. */
export type Resolver = (number: number) => { segment: number; offset: number };

export class ThreadHeap {
	readonly id: number;
	readonly capacity: number;
	readonly owner: number;
	readonly cache: Int32Array;
	/** Bytes of a unit, of which long blocks have a whole number; and log2 of that. */
	readonly unitSize: number;
	readonly unitShift: number;
	/** How blocks are looked up that raw handles have left in the cache by number. */
	resolver: Resolver | undefined;
	readonly #path: string;
	/** What gets memory from the kernel. */
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
	 * Finds memory for `size` bytes, more than 0. It is nobody's until `take`, which has to follow before anything else is done with
	 * the heap, or not at all.
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
	 * Takes what has been found: the last step of an allocation. It throws before anything is done, or not at all.
	 *
	 * @throws Error ERR_INVALID_STATE if it is not there any more: a script has put something of its own in the place of what the
	 *   engine or Node calls, such as an array's iterator, and has called the kind from there.
	 */
	take({ entry, code, segment, offset }: FoundMemory): void {
		const { cache } = this;
		const isThere = entry === 0 ? isResult(cache, segment, offset) : isNewest(cache, code, entry, segment, offset);
		if (!isThere) throw invalidState('a script that ran in the middle of the call has taken the memory');
		if (entry === 0) takeResult(cache);
		else pop(cache, entry, code);
	}

	/**
	 * Gives memory back: to the cache if it will have it, else to the heap. Not 0: the heap did not know it, or not what was cached
	 * beside it, and nothing has changed. So it is when it throws.
	 */
	giveBack(code: number, segment: number, offset: number): number {
		const { cache, id } = this;
		if (push(cache, code, segment, offset)) return 0;
		// Room is made for it if the cache will hold such blocks at all.
		const isCached = isCacheable(cache, code);
		if (isCached && code > runCode && !isFor(cache, code)) this.#backings.retire(code);
		const status = isCached ? native.kindDrain(id, code) : 0;
		if (status !== 0 || (isCached && push(cache, code, segment, offset))) return status;
		return native.kindFree(id, segment, offset);
	}

	/** Makes a run longer or shorter where it is. Not 0: it cannot be. */
	resize(code: number, segment: number, offset: number): number {
		return native.kindResizeRun(this.id, segment, offset, unitsOf(code));
	}

	/** Finds a better place for a block of a class, if there is one. It is nobody's until `take`. */
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
		// A class whose size is a multiple of the alignment has aligned blocks only: slabs begin at a unit.
		const rounded = ceil(size / alignment) * alignment;
		if (rounded <= maxSlabSize && alignment <= this.unitSize) {
			let aligned = classOfQuantum[rounded / sizeQuantum]!;
			while (aligned < classSizes.length && classSizes[aligned]! % alignment !== 0) aligned++;
			if (aligned < classSizes.length) return aligned;
		}
		return code > runCode ? code : runCodeOf(ceil(size / this.unitSize));
	}

	/** The newest block of a code in the cache, which has one. */
	#newest(code: number): FoundMemory {
		const { cache } = this;
		const entry = newest(cache, code);
		// Not only the newest: malloc takes the others without coming here.
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
