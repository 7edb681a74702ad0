// The blocks that have a generation: those that all threads may free, by `ref`, and those that the garbage collector frees.
// Somebody else may have ended one at any time; the heap knows (native/heap/references.h).
import { invalidState } from '../errors.ts';
import { native } from '../native.ts';
import { Backing, Block, type Caller, type Sort } from './block.ts';
import { codeFor } from './codes.ts';
import { firstOf } from './content.ts';
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
	protected readonly zone: number;

	constructor(memory: Memory, generation: number, ownsBuffer: boolean, zone = 0) {
		this.memory = memory;
		this.generation = generation;
		this.#ownsBuffer = ownsBuffer;
		this.zone = zone;
	}

	/** What the heap knows of the block; undefined if it has been freed. */
	#look(block: Block): ReturnType<typeof native.kindDereference> {
		const { segment } = Block.backingOf(block);
		return native.kindDereference(this.memory.heap.id, segment, Block.offsetOf(block), this.generation);
	}

	isLive(block: Block): boolean {
		return this.#look(block) !== undefined;
	}

	checkUsable(_block: Block): void {}

	free(block: Block): void {
		const { buffer, segment } = Block.backingOf(block);
		const { id } = this.memory.heap;
		const offset = Block.offsetOf(block);
		const own = this.#ownsBuffer ? buffer : undefined;
		const free = () => native.kindFreeReferenced(id, segment, offset, this.generation, own);
		if (Block.end(block, free) !== 0) throw freedAlready(' elsewhere');
	}

	usableSize(block: Block): number {
		return this.memory.usableSize(block);
	}

	/** The length of a block, also when its ArrayBuffer has been transferred and the Buffer has none. */
	protected lengthOf(block: Block): number {
		return block.length > 0 ? block.length : (this.#look(block)?.[2] ?? 0);
	}

	content(block: Block, most: number): Uint8Array {
		if (block.length > 0) return firstOf(block, most);
		const { segment } = Block.backingOf(block);
		return this.memory.views.plain(segment, Block.offsetOf(block) + this.zone, min(most, this.lengthOf(block)));
	}

	resize(block: Block, size: number): Block | undefined {
		const { heap } = this.memory;
		if (this.#ownsBuffer || size > heap.capacity) return undefined;
		const { code } = Block.backingOf(block);
		const fits = size > block.length && size <= heap.usableSize(code);
		return fits || codeFor(size, heap.unitSize) === code ? this.#rename(block, size) : undefined;
	}

	shrink(block: Block, size: number): Block | undefined {
		return this.#ownsBuffer ? undefined : this.#rename(block, size);
	}

	/** The same piece of memory as a Buffer of another length; the old Buffer is a block no more. */
	#rename(block: Block, size: number): Block {
		const { heap } = this.memory;
		const { segment, code } = Block.backingOf(block);
		const offset = Block.offsetOf(block);
		const sort = new Referenced(this.memory, this.generation, false);
		const renamed = makeReferenced(sort, this.memory, code, segment, offset, size);
		const relength = () => native.kindRelength(heap.id, segment, offset, this.generation, size);
		if (Block.end(block, relength) !== 0) throw freedAlready(' elsewhere');
		return renamed;
	}

	replace(size: number, caller: Caller): Block | number {
		return this.memory.allocate(size, caller);
	}

	moveBetter(_block: Block): Block | undefined {
		return undefined;
	}

	reference(block: Block): { length: number; offset: number; generation: number } {
		// Not asked for again: another thread may be freeing the block.
		return { length: this.lengthOf(block), offset: placeOf(block), generation: this.generation };
	}
}

/** Where a block begins in its kind, in bytes. */
export function placeOf(block: Block): number {
	return Block.backingOf(block).segment * segmentSize + Block.offsetOf(block);
}

/** Makes a block of another sort a referenced one, of that length. What `reference` gives of it. */
export function share(
	memory: Memory,
	block: Block,
	length: number,
	ownsBuffer: boolean,
): { length: number; offset: number; generation: number } {
	const { owner, heap } = memory;
	const { buffer, segment, code } = Block.backingOf(block);
	const offset = Block.offsetOf(block);
	const sort = new Referenced(memory, 0, ownsBuffer);
	const give = () => native.kindReference(heap.id, segment, offset, length, 0, referenceShared);
	Block.refer(block, new Backing(owner, sort, buffer, segment, code), sort, give);
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
): Block {
	const isInside = offset + size <= segmentSize;
	const buffer = isInside ? views.segment(segment).buffer : views.window(segment, offset, size);
	return Block.at(new Backing(owner, sort, buffer, segment, code), offset, isInside ? offset : 0, size);
}

/** A block that the garbage collector frees when it cannot be reached. It has an ArrayBuffer of its own. */
export class Collected extends Referenced {
	constructor(memory: Memory, generation: number) {
		super(memory, generation, true);
	}

	override checkUsable(block: Block): void {
		if (Block.backingOf(block).buffer.byteLength > 0) return;
		throw invalidState("the block's ArrayBuffer has been transferred, and whoever has it now keeps the block");
	}

	override replace(size: number): Block | number {
		return this.memory.allocateCollected(size);
	}

	/** A new generation takes the place of the one that the garbage collector would free the block by. */
	override reference(block: Block): { length: number; offset: number; generation: number } {
		return share(this.memory, block, this.lengthOf(block), true);
	}
}
