// The blocks that have a generation: those that all threads may free, by `ref`, and those that the garbage collector frees.
// Somebody else may have ended one at any time; the heap knows (native/heap/references.h).
import { invalidState } from '../errors.ts';
import { native } from '../native.ts';
import { Backing, BlockBuffer, type Caller, type Sort } from './block.ts';
import { firstOf } from './bytes.ts';
import { codeFor } from './codes.ts';
import type { Memory } from './memory.ts';
import { freedAlready } from './refusals.ts';

const { segmentSize, referenceShared } = native.kindLayout;

// Taken once: another may be put in its place later.
const { min } = Math;

/** A block that all threads may free. The sort is the block's alone. */
export class Referenced implements Sort {
	protected readonly memory: Memory;
	/** Never used twice in a kind. */
	generation: number;
	/** Whether the ArrayBuffer is the block's alone, and is detached when the block is freed. */
	readonly #ownsBuffer: boolean;
	/** How many bytes before the Buffer the block begins: a red zone of debug mode. */
	protected readonly redZone: number;

	constructor(memory: Memory, generation: number, ownsBuffer: boolean, redZone = 0) {
		this.memory = memory;
		this.generation = generation;
		this.#ownsBuffer = ownsBuffer;
		this.redZone = redZone;
	}

	/** What the heap knows of the block; undefined if it has been freed. */
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

	/** The length of a block, also when its ArrayBuffer has been transferred and the Buffer has none. */
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

	/** The same piece of memory as a Buffer of another length; the old Buffer is a block no more. */
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
		// Not asked for again: another thread may be freeing the block.
		return { length: this.lengthOf(block), offset: placeOf(block), generation: this.generation };
	}
}

/** Where a block begins in its kind, in bytes. */
export function placeOf(block: BlockBuffer): number {
	return BlockBuffer.backingOf(block).segment * segmentSize + BlockBuffer.offsetOf(block);
}

/** Makes a block of another sort a referenced one, of that length. What `reference` gives of it. */
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

/** A block of that sort over a segment's ArrayBuffer, if it lies in one. */
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

/** A block that the garbage collector frees when it cannot be reached. It has an ArrayBuffer of its own. */
export class Collected extends Referenced {
	constructor(memory: Memory, generation: number) {
		super(memory, generation, true);
	}

	override checkUsable(block: BlockBuffer): void {
		if (BlockBuffer.backingOf(block).buffer.byteLength > 0) return;
		throw invalidState("the block's ArrayBuffer has been transferred, and whoever has it now keeps the block");
	}

	override replace(size: number): BlockBuffer | number {
		return this.memory.allocateCollected(size);
	}

	/** A new generation takes the place of the one that the garbage collector would free the block by. */
	override reference(block: BlockBuffer): { length: number; offset: number; generation: number } {
		return share(this.memory, block, this.lengthOf(block), true);
	}
}
