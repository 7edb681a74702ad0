// The blocks of a kind in one thread: makes and finds them, except on the fast path, which is in fast-path.ts. The sort
// of a block decides what happens to it later.
import { constants } from 'node:buffer';
import { requireInteger } from '../arguments.ts';
import { daxkindError, invalidArgType, invalidState } from '../errors.ts';
import type { KindHold } from '../native/kinds.ts';
import { native } from '../native.ts';
import { blockOfArray } from './arrays.ts';
import { Backings } from './backings.ts';
import { Backing, BlockBuffer, type Caller } from './block.ts';
import { clear, copy } from './bytes.ts';
import { runCodeOf } from './codes.ts';
import { DebugLedger, fillFreed, freedByte, leastRedZone } from './debug.ts';
import { Empty } from './empty.ts';
import { tellOutOfMemory } from './events.ts';
import { isPressed, pushBlock } from './fast-path.ts';
import { Garbage } from './garbage.ts';
import { Guarded, makeGuarded } from './guarded.ts';
import { type KindStats, sizeClassesOf } from './kind-stats.ts';
import { LossWatch } from './losses.ts';
import type { Memory } from './memory.ts';
import type { CheckedNotices } from './notices.ts';
import { Ordinary } from './ordinary.ts';
import { type OutOfMemoryReason, outOfMemoryError } from './out-of-memory.ts';
import { PressureWatch } from './pressure.ts';
import { Collected, makeReferenced, Referenced } from './referenced.ts';
import { corrupted, freedAlready, wrongKind } from './refusals.ts';
import { stackOf } from './stacks.ts';
import { type FoundMemory, isOutOfQuota, isOutOfRoom, noMemory, ThreadHeap } from './thread-heap.ts';
import { Views } from './views.ts';

const { runCode, segmentSize, referenceCollected } = native.kindLayout;

// Taken once, because a script may replace them later.
const { isView } = ArrayBuffer;
const { floor, max } = Math;

export class Blocks implements Memory {
	readonly owner: object;
	readonly path: string;
	readonly heap: ThreadHeap;
	readonly views: Views;
	readonly backings = new Backings();
	/** Only in debug mode. */
	readonly ledger: DebugLedger | undefined;
	/** Watches the blocks of `buffer()` that may be garbage. */
	readonly garbage: Garbage;
	isOpen = true;
	readonly #empty: Empty;
	readonly #ordinary: Ordinary;
	readonly #pressure: PressureWatch | undefined;
	readonly #losses: LossWatch;
	/** The reason of an error when the region has no room. */
	readonly #fullReason: OutOfMemoryReason;

	constructor(owner: object, hold: KindHold, { onPressure, pressureThreshold, onMediaError }: CheckedNotices) {
		this.owner = owner;
		this.path = hold.path;
		this.heap = new ThreadHeap(hold, this.backings);
		this.#fullReason = hold.type === 'node' ? 'node-full' : 'file-system-full';
		this.views = new Views(hold.id);
		this.#empty = new Empty(this);
		this.#ordinary = new Ordinary(this, this.backings);
		this.garbage = new Garbage(hold.id, hold.capacity);
		if (hold.debug) this.ledger = new DebugLedger(hold.capacity);
		if (onPressure !== undefined) this.#pressure = new PressureWatch(hold.id, onPressure, pressureThreshold, this);
		this.#losses = new LossWatch(hold, this, onMediaError);
	}

	checkOpen(): void {
		if (!this.isOpen) throw invalidState('the kind is closed');
	}

	// ---- Making blocks ----------------------------------------------------------------------------------------------

	/** A block without memory. */
	empty(): BlockBuffer {
		return this.#empty.make();
	}

	/**
	 * The slow half of malloc: checks everything, and asks the heap. Nothing is taken from the heap until the block is
	 * there, because everything before that can throw.
	 *
	 * @param caller The method whose callers debug mode remembers.
	 * @returns A status if there is no memory.
	 */
	allocate(size: number, caller: Caller, alignment = 1, isZeroed = false): BlockBuffer | number {
		requireInteger('size', size);
		this.checkOpen();
		if (size === 0) return this.empty();
		if (this.ledger !== undefined) return this.#allocateGuarded(this.ledger, size, alignment, isZeroed, caller);
		const place = this.find(size, alignment);
		if (typeof place === 'number') return place;
		const block = this.#ordinary.make(place.code, place.segment, place.offset, size);
		if (isZeroed) clear(block);
		this.take(place);
		return block;
	}

	/** As `allocate`, in debug mode. */
	#allocateGuarded(
		ledger: DebugLedger,
		size: number,
		alignment: number,
		isZeroed: boolean,
		caller: Caller,
	): BlockBuffer | number {
		// This comes first, because a script can run in it (Error.prepareStackTrace), and do anything with the kind.
		const stack = stackOf(caller);
		this.checkOpen();
		const redZone = max(leastRedZone, alignment);
		const place = this.find(redZone + size + leastRedZone, alignment);
		if (typeof place === 'number') return place;
		return makeGuarded(this, ledger, place, { size, redZone, isZeroed, stack }, () => this.take(place));
	}

	/**
	 * Allocates a block that the garbage collector frees.
	 *
	 * @param isLast As in `find`.
	 */
	allocateCollected(size: number, isLast = true): BlockBuffer | number {
		requireInteger('size', size);
		this.checkOpen();
		if (size === 0) return this.empty();
		const place = this.find(size, 1, isLast);
		if (typeof place === 'number') return place;
		const { heap } = this;
		const { code, segment, offset } = place;
		// This comes first, because the ArrayBuffer frees the block when it is garbage, however this function ends.
		this.take(place);
		let generation = 0;
		try {
			generation = native.kindReference(heap.id, segment, offset, size, 0, referenceCollected);
			const buffer = this.views.collectedWindow(segment, offset, size, generation);
			const backing = new Backing(this.owner, new Collected(this, generation), buffer, segment, code);
			const block = BlockBuffer.at(backing, offset, 0, size);
			this.garbage.allocated(size);
			return block;
		} catch (error) {
			if (generation === 0) heap.giveBack(code, segment, offset);
			else native.kindFreeReferenced(heap.id, segment, offset, generation);
			throw error;
		}
	}

	/**
	 * Finds memory in the heap. When there is none, the owner may free some. `take` takes it.
	 *
	 * @param isLast Whether the caller has no other way to get memory.
	 * @returns A status if there is no memory.
	 */
	find(size: number, alignment: number, isLast = true): FoundMemory | number {
		const { heap } = this;
		if (size > constants.MAX_LENGTH) return noMemory;
		let found = heap.find(size, alignment);
		if (typeof found === 'number' && this.ledger?.drain()) found = heap.find(size, alignment);
		if (typeof found !== 'number' || !isLast) return found;
		if (this.#pressure?.outOfMemory(size)) {
			this.checkOpen();
			this.ledger?.drain();
			found = heap.find(size, alignment);
		}
		if (typeof found === 'number') this.garbage.failed();
		return found;
	}

	/** Takes the memory that was found. This is the last step of an allocation. If it throws, nothing has changed. */
	take(place: FoundMemory): void {
		this.heap.take(place);
		try {
			this.noticePressure();
		} catch {
			// The stack is at its end. A later allocation tells the owner.
		}
	}

	noticePressure(): void {
		if (isPressed(this.heap.cache)) this.#pressure?.tell();
	}

	/**
	 * Gives a block another size. The result may be another block. A status if there is no memory; then nothing has
	 * changed.
	 */
	reallocate(block: BlockBuffer, size: number, caller: Caller): BlockBuffer | number {
		if (size === block.length) return block;
		const resized = BlockBuffer.backingOf(block).sort.resize(block, size);
		if (resized !== undefined) return resized;
		const moved = BlockBuffer.backingOf(block).sort.replace(size, caller);
		try {
			// A script may have run (onPressure, Error.prepareStackTrace), and have done anything with the block.
			const { sort } = BlockBuffer.backingOf(this.held(block));
			// A block that only shrinks can stay where it is.
			if (typeof moved === 'number') return (size < block.length ? sort.shrink(block, size) : undefined) ?? moved;
			copy(moved, sort.bytesOf(block, size));
			if (!pushBlock(block, this.heap.cache)) this.free(block);
			return moved;
		} catch (error) {
			// A script freed the block, or another thread was faster, or debug mode found that something was written
			// beside it.
			if (typeof moved !== 'number' && this.isOpen) this.free(moved);
			throw error;
		}
	}

	/** The block of that generation as a Buffer of this thread. undefined if it has been freed. */
	dereference(place: number, generation: number): BlockBuffer | undefined {
		if (generation === 0) return this.empty();
		const segment = floor(place / segmentSize);
		const offset = place - segment * segmentSize;
		const found = segment < 2 ** 31 ? native.kindDereference(this.heap.id, segment, offset, generation) : undefined;
		if (found === undefined) return undefined;
		const [classOrRun, units, length, redZone] = found;
		const code = classOrRun < runCode ? classOrRun : runCodeOf(units);
		const { ledger } = this;
		if (ledger === undefined) {
			const ownsBuffer = offset + length > segmentSize;
			return makeReferenced(new Referenced(this, generation, ownsBuffer), this, code, segment, offset, length);
		}
		const sort = redZone > 0 ? new Guarded(this, ledger, generation, redZone) : new Referenced(this, generation, true);
		const buffer = this.views.window(segment, offset + redZone, length);
		return BlockBuffer.at(new Backing(this.owner, sort, buffer, segment, code), offset, 0, length);
	}

	// ---- The same, but throwing
	// --------------------------------------------------------------------------------------

	/** As `allocate`, but throws when there is no memory. */
	malloc(size: number, caller: Caller, alignment = 1, isZeroed = false): BlockBuffer {
		return this.#need(this.allocate(size, caller, alignment, isZeroed), size);
	}

	/** As `reallocate`, but throws when there is no memory. */
	realloc(block: BlockBuffer, size: number, caller: Caller): BlockBuffer {
		return this.#need(this.reallocate(block, size, caller), size);
	}

	/** As `allocateCollected`, but throws when there is no memory. */
	buffer(size: number): BlockBuffer {
		return this.#need(this.allocateCollected(size), size);
	}

	#need(block: BlockBuffer | number, size: number): BlockBuffer {
		return typeof block === 'number' ? this.outOfMemory(size, block) : block;
	}

	/** Throws the error of an allocation that gave this status. */
	outOfMemory(requested: number, status: number): never {
		const { capacity, allocated, free } = this.stats();
		const { classes } = sizeClassesOf(native.kindClassUse(this.heap.id, false));
		const freeInSlabs = classes.reduce((sum, each) => sum + each.free * each.size, 0);
		let reason: OutOfMemoryReason = free + freeInSlabs >= requested ? 'fragmented' : 'limit';
		if (requested <= capacity && requested > constants.MAX_LENGTH) reason = 'buffer-limit';
		else if (isOutOfRoom(status) && requested <= capacity) reason = isOutOfQuota(status) ? 'quota' : this.#fullReason;
		const collectable = this.garbage.mostBytes;
		const { path } = this;
		const error = outOfMemoryError({ requested, capacity, allocated, free, freeInSlabs, collectable, reason, path });
		tellOutOfMemory(this.owner, error);
		throw error;
	}

	// ---- Ending them ------------------------------------------------------------------------------------------------

	/** Whether a block of this kind has not been freed. */
	isLive(block: BlockBuffer): boolean {
		return !BlockBuffer.isFreed(block) && BlockBuffer.backingOf(block).sort.isLive(block);
	}

	/** Checks that a value is a block of this kind that has not been freed. */
	held(block: unknown): BlockBuffer {
		if (!BlockBuffer.isBlock(block)) {
			if (!isView(block)) throw invalidArgType('block', 'a Buffer that this kind allocated', block);
			throw daxkindError(
				'ERR_DAXKIND_NOT_A_BLOCK',
				blockOfArray(block) === undefined
					? 'This Buffer or array is not a block of a kind. Pass what malloc or array returned, not a slice or subarray of it'
					: 'This is an array of a kind, and the call takes Buffers. Make another array, and copy the content',
			);
		}
		this.checkOpen();
		const { owner, sort } = BlockBuffer.backingOf(block);
		if (owner !== this.owner) throw wrongKind('block');
		if (BlockBuffer.isFreed(block)) throw freedAlready('');
		if (!sort.isLive(block)) throw freedAlready(' elsewhere');
		sort.checkUsable(block);
		return block;
	}

	/** The slow half of free: checks everything. */
	free(value: unknown): void {
		if (value === null || value === undefined) return;
		const under = blockOfArray(value);
		// The fast path does not look for arrays.
		if (under !== undefined && pushBlock(under, this.heap.cache)) return;
		const block = this.held(under ?? value);
		BlockBuffer.backingOf(block).sort.free(block);
	}

	usableSize(block: BlockBuffer): number {
		return this.ledger === undefined ? this.heap.usableSize(BlockBuffer.backingOf(block).code) : block.length;
	}

	/**
	 * Gives the memory of a raw handle back, where the block is another thread's, or may be. False if the handle is not
	 * out.
	 */
	freeForeign(number: number, out: number): boolean {
		const fill = this.ledger === undefined ? -1 : freedByte;
		return native.kindFreeRaw(this.heap.id, number, out, fill) === 0;
	}

	/** Gives the memory of a raw handle back. If it throws, nothing has changed. */
	freeRaw(code: number, segment: number, offset: number): void {
		if (this.ledger !== undefined) fillFreed(this.views.plain(segment, offset, this.heap.usableSize(code)));
		if (this.heap.giveBack(code, segment, offset) !== 0) throw corrupted(this.path);
	}

	// ---- The whole --------------------------------------------------------------------------------------------------

	/** Lets go of the heap. All Buffers over it have length 0 then. */
	close<Result>(letGo: () => Result): Result {
		const result = this.views.close(this.heap.cache.buffer as ArrayBuffer, () => {
			const given = letGo();
			this.isOpen = false;
			return given;
		});
		this.#losses.end();
		this.backings.clear();
		return result;
	}

	/** How full the kind is. */
	stats(): KindStats {
		return native.kindStats(this.heap.id);
	}
}
