// The blocks of a kind in one thread: how they are made and ended, all but the fast path, which is in kind.ts.
//
// Most blocks are views of a segment's ArrayBuffer and go back to the thread cache. Those that have a generation do not:
// blocks that other threads have references to, blocks that the garbage collector frees, and all blocks of debug mode.
import { constants } from 'node:buffer';
import { requireInteger } from '../arguments.ts';
import { daxkindError, invalidArgType, invalidState } from '../errors.ts';
import { type KindHandle, native } from '../native.ts';
import { Block, FastBuffer, noCache, Segment } from './block.ts';
import { codeFor, emptyCode, runCodeOf } from './codes.ts';
import { DebugLedger, fillFreed, freedByte, redZone } from './debug.ts';
import { Garbage } from './garbage.ts';
import type { Kind } from './kind.ts';
import type { KindStats } from './kind-stats.ts';
import { type CheckedPressureOptions, PressureWatch } from './pressure.ts';
import { stackOf } from './stacks.ts';
import { ThreadHeap } from './thread-heap.ts';

const { runCode, segmentSize, pressureWord, resultPendingWord, referenceShared, referenceCollected, referenceGuarded } =
	native.kindLayout;

// Taken once: others may be put in their place later.
const { apply } = Reflect;
const { isView } = ArrayBuffer;
const { floor, max, min } = Math;
const { fill, set, subarray } = Uint8Array.prototype;

/** Copies all of `from` to the start of `to`. */
export function copy(to: Uint8Array, from: Uint8Array): void {
	apply(set, to, [from]);
}

/** What blocks of debug mode have in common, and those that others may free. The generation comes later. */
const guarded = { generation: 0, isOwn: true, isCollected: false };

/** The method that a block is allocated by: its callers are remembered in debug mode. */
type Caller = (...args: never[]) => unknown;

export class Blocks {
	readonly kind: Kind;
	readonly heap: ThreadHeap;
	/** Over the segments, made when a segment's first block is. */
	readonly segments: (Segment | undefined)[] = [];
	/** Of a kind in debug mode. */
	readonly ledger: DebugLedger | undefined;
	/** What blocks of `buffer()` may be garbage. */
	readonly garbage: Garbage;
	isOpen = true;
	#pressure: PressureWatch | undefined;

	constructor(kind: Kind, handle: KindHandle, { onPressure, pressureThreshold }: CheckedPressureOptions) {
		this.kind = kind;
		this.heap = new ThreadHeap(handle);
		this.garbage = new Garbage(handle.id, handle.capacity);
		if (handle.debug) this.ledger = new DebugLedger(handle.capacity);
		if (onPressure !== undefined) this.#pressure = new PressureWatch(handle.id, onPressure, pressureThreshold);
	}

	checkOpen(): void {
		if (!this.isOpen) throw invalidState('the kind is closed');
	}

	/** A block without memory. */
	empty(): Block {
		return new Block(new Segment(this.kind, new ArrayBuffer(0), noCache, 0), 0, 0, emptyCode);
	}

	/**
	 * The slow half of malloc: checks everything, asks the heap. `caller` is the method whose callers are remembered. Nothing is
	 * taken from the heap before the block is there, and all can still throw.
	 */
	allocate(size: number, caller: Caller, alignment = 1, isZeroed = false): Block | undefined {
		requireInteger('size', size);
		this.checkOpen();
		if (size === 0) return this.empty();
		if (this.ledger !== undefined) return this.#allocateGuarded(this.ledger, size, alignment, isZeroed, caller);
		const code = this.find(size, alignment);
		if (code < 0) return undefined;
		const block = this.#view(code, size, this.heap.segment, this.heap.offset);
		if (isZeroed) apply(fill, block, [0]);
		this.take(code);
		return block;
	}

	/**
	 * Finds memory in the heap; where there is none, the owner may make some. Its place is in the heap then, and `take` takes it.
	 *
	 * @param isLast Whether the caller has no other way if there is none.
	 * @returns The code, or -1.
	 */
	find(size: number, alignment: number, isLast = true): number {
		const heap = this.heap;
		if (size > constants.MAX_LENGTH) return -1;
		let code = heap.find(size, alignment);
		if (code < 0 && this.ledger?.drain()) code = heap.find(size, alignment);
		if (code >= 0 || !isLast) return code;
		if (this.#pressure?.outOfMemory(size, this)) {
			this.checkOpen();
			this.ledger?.drain();
			code = heap.find(size, alignment);
		}
		if (code < 0) this.garbage.failed();
		return code;
	}

	/** Takes what was found: the last step of an allocation. It throws before anything is done, or not at all. */
	take(code: number): void {
		const { heap } = this;
		heap.take(code);
		if (heap.cache[pressureWord] === 0) return;
		try {
			this.#pressure?.tell(this);
		} catch {
			// The stack is at its end: a later allocation tells.
		}
	}

	#segment(index: number): Segment {
		let segment = this.segments[index];
		// Not open yet, or moved away by ArrayBuffer.prototype.transfer().
		if (segment === undefined || segment.bytes.length === 0) {
			segment = new Segment(this.kind, this.heap.openSegment(index), this.heap.cache, index);
			this.segments[index] = segment;
		}
		return segment;
	}

	/** A block at a place that was taken for it. */
	#view(code: number, size: number, index: number, offset: number): Block {
		if (offset + size <= segmentSize) return new Block(this.#segment(index), offset, size, code);
		const segment = new Segment(this.kind, this.heap.window(index, offset, size), this.heap.cache, index);
		return Block.at(segment, offset, 0, size, code);
	}

	/** Memory as an ordinary Buffer. */
	plainView(index: number, offset: number, length: number): Buffer {
		if (offset + length <= segmentSize) return new FastBuffer(this.#segment(index).buffer, offset, length);
		return new FastBuffer(this.heap.window(index, offset, length), 0, length);
	}

	/** A block of debug mode: its own ArrayBuffer between two red zones. */
	#allocateGuarded(
		ledger: DebugLedger,
		size: number,
		alignment: number,
		isZeroed: boolean,
		caller: Caller,
	): Block | undefined {
		// First, because a script can have a say in it (Error.prepareStackTrace), and do anything with the kind.
		const stack = stackOf(caller);
		this.checkOpen();
		const zone = max(redZone, alignment);
		const whole = zone + size + redZone;
		const code = this.find(whole, alignment);
		if (code < 0) return undefined;
		const heap = this.heap;
		const { segment, offset } = heap;
		const memory = this.plainView(segment, offset, whole);
		const buffer = heap.window(segment, offset + zone, size);
		const own = new Segment(this.kind, buffer, noCache, segment, { ...guarded, zone });
		const block = Block.at(own, offset, 0, size, code);
		const generation = native.kindReference(heap.id, segment, offset, size, zone, referenceGuarded);
		own.generation = generation;
		try {
			const isHeld = () => native.kindDereference(heap.id, segment, offset, generation) !== undefined;
			ledger.allocated(generation, memory, zone, size, heap.usableSize(code), isHeld, stack);
			if (isZeroed) apply(fill, block, [0]);
			this.take(code);
		} catch (error) {
			native.kindUnreference(heap.id, segment, offset, generation);
			throw error;
		}
		return block;
	}

	/** A block that the garbage collector frees. */
	collected(size: number, isLast = true): Block | undefined {
		requireInteger('size', size);
		this.checkOpen();
		if (size === 0) return this.empty();
		this.garbage.allocated(size);
		const code = this.find(size, 1, isLast);
		if (code < 0) return undefined;
		const { heap } = this;
		const { segment, offset } = heap;
		// First, because the ArrayBuffer frees the block when it is garbage, whatever has become of us.
		this.take(code);
		let generation = 0;
		try {
			generation = native.kindReference(heap.id, segment, offset, size, 0, referenceCollected);
			const buffer = heap.collectedWindow(segment, offset, size, generation);
			const own = { generation, isOwn: true, isCollected: true, zone: 0 };
			return Block.at(new Segment(this.kind, buffer, noCache, segment, own), offset, 0, size, code);
		} catch (error) {
			if (generation === 0) heap.giveBack(code, segment, offset);
			else native.kindFreeReferenced(heap.id, segment, offset, generation);
			throw error;
		}
	}

	/** The same block with another length, where its memory is; undefined if that cannot be. */
	resize(held: Block, size: number): Block | undefined {
		const segment = Block.segmentOf(held);
		if (this.ledger !== undefined || segment.isOwn || size > this.heap.capacity) return undefined;
		const had = Block.codeOf(held);
		if (had === emptyCode) return undefined;
		// An aligned block, and one that shrank in a full kind, has more than its size would take.
		if (size > held.length && size <= this.heap.usableSize(had)) return this.rename(held, had, size);
		const code = codeFor(size, this.heap.unitSize);
		if (code === had) return this.rename(held, code, size);
		if (segment.generation !== 0 || code < runCode || had < runCode) return undefined;
		const offset = Block.offsetOf(held);
		// There is no ArrayBuffer over what is behind the kind's end.
		if (segment.index * segmentSize + offset + size > this.heap.capacity) return undefined;
		const renamed = this.#view(code, size, segment.index, offset);
		if (Block.end(held, () => this.heap.resize(code, segment.index, offset)) !== 0) return undefined;
		try {
			if (this.heap.cache[pressureWord] !== 0) this.#pressure?.tell(this);
		} catch {
			// As in take.
		}
		return renamed;
	}

	/** The same piece of memory as a Buffer of another length; the old Buffer is a block no more. */
	rename(held: Block, code: number, size: number): Block {
		const { generation, index, zone } = Block.segmentOf(held);
		const offset = Block.offsetOf(held);
		const renamed = this.#view(code, size, index, offset);
		if (generation === 0) {
			Block.release(held);
			return renamed;
		}
		const { buffer } = Block.segmentOf(renamed);
		const own = { generation, isOwn: false, isCollected: false, zone };
		Block.move(renamed, new Segment(this.kind, buffer, noCache, index, own));
		const relength = () => native.kindRelength(this.heap.id, index, offset, generation, size);
		if (Block.end(held, relength) !== 0) throw freedAlready(' elsewhere');
		return renamed;
	}

	/** What a block holds, at most so many bytes of it; also when its ArrayBuffer has been transferred. */
	content(held: Block, most: number): Uint8Array {
		if (held.length > 0) return apply(subarray, held, [0, most]) as Uint8Array;
		if (Block.codeOf(held) === emptyCode) return new Uint8Array(0);
		const { index, zone } = Block.segmentOf(held);
		return this.plainView(index, Block.offsetOf(held) + zone, min(most, this.#lengthOf(held)));
	}

	/**
	 * How many bytes a block has. When its ArrayBuffer has been transferred, the Buffer itself has none; the length that
	 * was asked for is then known of a block with a generation only, and of others it is the usable size.
	 */
	#lengthOf(held: Block): number {
		if (held.length > 0) return held.length;
		const { generation, index } = Block.segmentOf(held);
		if (generation === 0) return this.heap.usableSize(Block.codeOf(held));
		return native.kindDereference(this.heap.id, index, Block.offsetOf(held), generation)?.[2] ?? 0;
	}

	/** The same block in a slab that is as full or fuller; undefined if there is none. */
	moveBetter(held: Block): Block | undefined {
		const { heap } = this;
		const code = Block.codeOf(held);
		const offset = Block.offsetOf(held);
		const { generation, index } = Block.segmentOf(held);
		// Without a length, its ArrayBuffer has been transferred.
		if (code >= runCode || generation !== 0 || held.length === 0) return undefined;
		if (!heap.findBetter(index, offset)) return undefined;
		const moved = this.#view(code, held.length, heap.segment, heap.offset);
		copy(moved, held);
		const leave = () => {
			// Not to the cache, which would hand it out again: the slab is to become empty.
			const status = native.kindFree(heap.id, index, offset);
			if (status === 0) heap.cache[resultPendingWord] = 0;
			return status;
		};
		if (Block.end(held, leave) !== 0) this.#corrupted();
		return moved;
	}

	/** Gives a block a generation, so that all threads may free it. Its length, its place in bytes, and the generation. */
	reference(held: Block): { length: number; offset: number; generation: number } {
		if (Block.codeOf(held) === emptyCode) return { length: 0, offset: 0, generation: 0 };
		const { id } = this.heap;
		const segment = Block.segmentOf(held);
		const { index, zone, isOwn, isCollected } = segment;
		const offset = Block.offsetOf(held);
		const place = index * segmentSize + offset;
		const length = this.#lengthOf(held);
		// Not asked for again: another thread may be freeing the block.
		if (segment.generation !== 0 && !isCollected) {
			if (this.ledger !== undefined) native.kindShareBlock(id, index, offset, segment.generation);
			return { length, offset: place, generation: segment.generation };
		}
		// A new generation takes the place of the one that the garbage collector would free the block by.
		const own = new Segment(this.kind, segment.buffer, noCache, index, { ...guarded, isOwn, zone });
		Block.refer(held, own, () => native.kindReference(id, index, offset, length, zone, referenceShared));
		return { length, offset: place, generation: own.generation };
	}

	/** The block of that generation as a Buffer of this thread; undefined if it has been freed. */
	dereference(place: number, generation: number): Block | undefined {
		if (generation === 0) return this.empty();
		const index = floor(place / segmentSize);
		const offset = place - index * segmentSize;
		const found = index < 2 ** 31 ? native.kindDereference(this.heap.id, index, offset, generation) : undefined;
		if (found === undefined) return undefined;
		const [classOrRun, units, length, zone] = found;
		const code = classOrRun < runCode ? classOrRun : runCodeOf(units);
		const isOwn = this.ledger !== undefined || offset + length > segmentSize;
		const own = { generation, isOwn, isCollected: false, zone };
		if (isOwn) {
			const buffer = this.heap.window(index, offset + zone, length);
			return Block.at(new Segment(this.kind, buffer, noCache, index, own), offset, 0, length, code);
		}
		const { buffer } = this.#segment(index);
		return new Block(new Segment(this.kind, buffer, noCache, index, own), offset, length, code);
	}

	/** Whether a block of this kind is still one. */
	isLive(block: Block): boolean {
		const { generation, index } = Block.segmentOf(block);
		if (Block.isFreed(block)) return false;
		if (generation === 0) return true;
		return native.kindDereference(this.heap.id, index, Block.offsetOf(block), generation) !== undefined;
	}

	/** Gives the memory of a raw handle back that is another thread's block, or may be. False if the handle is not out. */
	freeForeign(place: number, out: number): boolean {
		const fill = this.ledger === undefined ? -1 : freedByte;
		return native.kindFreeRaw(this.heap.id, place, out, fill) === 0;
	}

	/** Gives the memory of a raw handle back. If it throws, nothing has changed. */
	freeRaw(code: number, segment: number, offset: number): void {
		if (this.ledger !== undefined) fillFreed(this.plainView(segment, offset, this.heap.usableSize(code)));
		if (this.heap.giveBack(code, segment, offset) !== 0) this.#corrupted();
	}

	/** Lets go of the heap; all Buffers over it have length 0 then. */
	close<Result>(letGo: () => Result): Result {
		const buffers: ArrayBuffer[] = [];
		for (const segment of this.segments) if (segment !== undefined) buffers[buffers.length] = segment.buffer;
		return this.heap.close(buffers, () => {
			const result = letGo();
			this.isOpen = false;
			// Blocks that are left are freed when nothing knows these any more.
			this.segments.length = 0;
			return result;
		});
	}

	/** What the kind holds, by the heap's books and the ledger's. */
	stats(): KindStats {
		const stats = native.kindStats(this.heap.id);
		if (this.ledger !== undefined) {
			const { blocks, bytes } = this.ledger.quarantined;
			stats.blocks -= blocks;
			stats.allocated -= bytes;
			stats.cached += bytes;
		}
		return stats;
	}

	/** Checks that a value is a block of this kind that has not been freed. */
	held(block: unknown): Block {
		if (!Block.isBlock(block)) {
			if (!isView(block)) throw invalidArgType('block', 'a Buffer that this kind allocated', block);
			throw daxkindError(
				'ERR_DAXKIND_NOT_A_BLOCK',
				'This Buffer is not a block of a kind. Pass the Buffer that malloc returned, not a slice or subarray of it',
			);
		}
		this.checkOpen();
		if (Block.segmentOf(block).kind !== this.kind) throw wrongKind('block');
		if (Block.isFreed(block)) throw freedAlready('');
		if (!this.isLive(block)) throw freedAlready(' elsewhere');
		const { isCollected, buffer } = Block.segmentOf(block);
		if (isCollected && buffer.byteLength === 0) {
			throw invalidState("the block's ArrayBuffer has been transferred, and whoever has it now keeps the block");
		}
		return block;
	}

	/** The slow half of free: checks everything. */
	free(value: unknown): void {
		if (value === null || value === undefined) return;
		const block = this.held(value);
		const code = Block.codeOf(block);
		if (code === emptyCode) Block.release(block);
		else if (Block.segmentOf(block).generation !== 0) this.#freeReferenced(block);
		else if (Block.giveBack(block, this.heap) !== 0) this.#corrupted();
	}

	/** Frees a block with a generation: one that others may have freed a moment ago. */
	#freeReferenced(block: Block): void {
		const { heap, ledger } = this;
		const { generation, index, isOwn, buffer, zone } = Block.segmentOf(block);
		const offset = Block.offsetOf(block);
		if (ledger !== undefined && zone > 0) {
			this.#freeGuarded(ledger, block);
			return;
		}
		const free = () => native.kindFreeReferenced(heap.id, index, offset, generation, isOwn ? buffer : undefined);
		if (Block.end(block, free) !== 0) throw freedAlready(' elsewhere');
	}

	/** Frees a block of debug mode. */
	#freeGuarded(ledger: DebugLedger, block: Block): void {
		const { heap } = this;
		const { generation, index, buffer, zone } = Block.segmentOf(block);
		const offset = Block.offsetOf(block);
		const length = this.#lengthOf(block);
		const memory = this.plainView(index, offset, zone + length + redZone);
		const bytes = heap.usableSize(Block.codeOf(block));
		try {
			ledger.checkZones(generation, memory, zone, length);
		} catch (error) {
			// It is one if nobody has freed the block, and filled its memory, meanwhile.
			if (!this.isLive(block)) throw freedAlready(' elsewhere');
			throw error;
		}
		const giveBack = () => {
			if (native.kindFree(heap.id, index, offset) !== 0) this.#corrupted();
		};
		const quarantine = () => native.kindQuarantine(heap.id, index, offset, generation, buffer);
		if (Block.end(block, quarantine) !== 0) throw freedAlready(' elsewhere');
		try {
			ledger.freed(generation, memory, bytes, giveBack);
		} catch (error) {
			// At the end of the stack, the block is freed but stays out of use until the thread lets go of the kind.
			if (!(error instanceof RangeError)) throw error;
		}
	}

	#corrupted(): never {
		throw daxkindError('ERR_DAXKIND_CORRUPTED', `The heap's books do not know a freed block of '${this.kind.path}'`);
	}
}

/** ERR_DAXKIND_WRONG_KIND. */
export function wrongKind(what: string): Error {
	return daxkindError('ERR_DAXKIND_WRONG_KIND', `This ${what} belongs to another kind; free it there`);
}

function freedAlready(where: string): Error {
	return daxkindError('ERR_DAXKIND_DOUBLE_FREE', `This block has been freed or reallocated already${where}`);
}
