// The blocks that have a generation: those that all threads may free, by `ref`, and those that the garbage collector
// frees. Another thread, or the collector, may have ended such a block at any time. The heap knows
// (native/heap/references.h).
import { invalidState } from '../errors.ts';
import { native } from '../native.ts';
import { Backing, BlockBuffer, type Caller, type Sort } from './block.ts';
import { firstOf } from './bytes.ts';
import { codeFor } from './codes.ts';
import type { Memory } from './memory.ts';
import { freedAlready } from './refusals.ts';

const { segmentSize, referenceShared } = native.kindLayout;

// Taken once, because a script may replace it later.
const { min } = Math;

/** A block that all threads may free. Each block has a Sort of this class to itself. */
export class Referenced implements Sort {
	protected readonly memory: Memory;
	/** Never used twice in a kind. */
	generation: number;
	/** Whether the ArrayBuffer belongs to this block alone. If so, it is detached when the block is freed. */
	readonly #ownsBuffer: boolean;
	/** How many bytes of a red zone come before the Buffer, in debug mode. */
	protected readonly redZone: number;

	constructor(memory: Memory, generation: number, ownsBuffer: boolean, redZone = 0) {
		this.memory = memory;
		this.generation = generation;
		this.#ownsBuffer = ownsBuffer;
		this.redZone = redZone;
	}

	/** The heap's entry of the block. undefined if it has been freed. */
	#look(block: BlockBuffer): ReturnType<typeof native.kindDereference> {
		const { segment } = BlockBuffer.backingOf(block);
		return native.kindDereference(this.memory.heap.id, segment, BlockBuffer.offsetOf(block), this.generation);
	}

	isLive(block: BlockBuffer): boolean {
		return this.#look(block) !== undefined;
	}

	checkUsable(_block: BlockBuffer): void {}

	free(block: BlockBuffer): void {
		const { buffer, segment } = BlockBuffer.backingOf(block);
		const { id } = this.memory.heap;
		const offset = BlockBuffer.offsetOf(block);
		const own = this.#ownsBuffer ? buffer : undefined;
		const free = () => native.kindFreeReferenced(id, segment, offset, this.generation, own);
		if (BlockBuffer.end(block, free) !== 0) throw freedAlready(' elsewhere');
	}

	usableSize(block: BlockBuffer): number {
		return this.memory.usableSize(block);
	}

	/**
	 * The length of a block. It is right also when the ArrayBuffer has been transferred and the Buffer has length 0.
	 */
	protected lengthOf(block: BlockBuffer): number {
		return block.length > 0 ? block.length : (this.#look(block)?.[2] ?? 0);
	}

	bytesOf(block: BlockBuffer, most: number): Uint8Array {
		if (block.length > 0) return firstOf(block, most);
		const { segment } = BlockBuffer.backingOf(block);
		return this.memory.views.plain(
			segment,
			BlockBuffer.offsetOf(block) + this.redZone,
			min(most, this.lengthOf(block)),
		);
	}

	resize(block: BlockBuffer, size: number): BlockBuffer | undefined {
		const { heap } = this.memory;
		if (this.#ownsBuffer || size > heap.capacity) return undefined;
		const { code } = BlockBuffer.backingOf(block);
		const fits = size > block.length && size <= heap.usableSize(code);
		return fits || codeFor(size, heap.unitSize) === code ? this.#relength(block, size) : undefined;
	}

	shrink(block: BlockBuffer, size: number): BlockBuffer | undefined {
		return this.#ownsBuffer ? undefined : this.#relength(block, size);
	}

	/** The same memory as a Buffer of another length. The old Buffer is no block any more. */
	#relength(block: BlockBuffer, size: number): BlockBuffer {
		const { heap } = this.memory;
		const { segment, code } = BlockBuffer.backingOf(block);
		const offset = BlockBuffer.offsetOf(block);
		const sort = new Referenced(this.memory, this.generation, false);
		const renamed = makeReferenced(sort, this.memory, code, segment, offset, size);
		const relength = () => native.kindRelength(heap.id, segment, offset, this.generation, size);
		if (BlockBuffer.end(block, relength) !== 0) throw freedAlready(' elsewhere');
		return renamed;
	}

	replace(size: number, caller: Caller): BlockBuffer | number {
		return this.memory.allocate(size, caller);
	}

	moveBetter(_block: BlockBuffer): BlockBuffer | undefined {
		return undefined;
	}

	reference(block: BlockBuffer): { length: number; offset: number; generation: number } {
		// The heap need not be asked again: another thread may free the block at any time anyway.
		return { length: this.lengthOf(block), offset: placeOf(block), generation: this.generation };
	}
}

/** Where a block begins in its kind, in bytes. */
export function placeOf(block: BlockBuffer): number {
	return BlockBuffer.backingOf(block).segment * segmentSize + BlockBuffer.offsetOf(block);
}

/** Turns a block of another sort into a referenced one of that length. Returns what `reference` does. */
export function share(
	memory: Memory,
	block: BlockBuffer,
	length: number,
	ownsBuffer: boolean,
): { length: number; offset: number; generation: number } {
	const { owner, heap } = memory;
	const { buffer, segment, code } = BlockBuffer.backingOf(block);
	const offset = BlockBuffer.offsetOf(block);
	const sort = new Referenced(memory, 0, ownsBuffer);
	const give = () => native.kindReference(heap.id, segment, offset, length, 0, referenceShared);
	BlockBuffer.refer(block, new Backing(owner, sort, buffer, segment, code), sort, give);
	return { length, offset: placeOf(block), generation: sort.generation };
}

/** Makes a block of that sort, over a segment's ArrayBuffer if the block lies in one segment. */
export function makeReferenced(
	sort: Referenced,
	{ owner, views }: Memory,
	code: number,
	segment: number,
	offset: number,
	size: number,
): BlockBuffer {
	const isInside = offset + size <= segmentSize;
	const buffer = isInside ? views.segment(segment).buffer : views.window(segment, offset, size);
	return BlockBuffer.at(new Backing(owner, sort, buffer, segment, code), offset, isInside ? offset : 0, size);
}

/** A block that the garbage collector frees when nobody can reach it. It has an ArrayBuffer of its own. */
export class Collected extends Referenced {
	constructor(memory: Memory, generation: number) {
		super(memory, generation, true);
	}

	override checkUsable(block: BlockBuffer): void {
		if (BlockBuffer.backingOf(block).buffer.byteLength > 0) return;
		throw invalidState("the block's ArrayBuffer has been transferred, and its new owner keeps the block");
	}

	override replace(size: number): BlockBuffer | number {
		return this.memory.allocateCollected(size);
	}

	/** Gives the block a new generation. The garbage collector would free it by the old one, which is stale now. */
	override reference(block: BlockBuffer): { length: number; offset: number; generation: number } {
		return share(this.memory, block, this.lengthOf(block), true);
	}
}
