// The blocks that malloc makes: views of a segment's ArrayBuffer, which go back to the thread cache. All but the fast path,
// which is in fast-path.ts.
import { native } from '../native.ts';
import type { Backings } from './backings.ts';
import { Backing, Block, type Caller, type Sort } from './block.ts';
import { codeFor } from './codes.ts';
import { copy, firstOf } from './content.ts';
import { isFor, takeResult } from './fast-path.ts';
import type { Memory } from './memory.ts';
import { share } from './referenced.ts';
import { corrupted } from './refusals.ts';

const { runCode, segmentSize } = native.kindLayout;

// Taken once: another may be put in its place later.
const { min } = Math;

export class Ordinary implements Sort {
	readonly #memory: Memory;
	readonly #backings: Backings;

	constructor(memory: Memory, backings: Backings) {
		this.#memory = memory;
		this.#backings = backings;
	}

	/** A block of `size` bytes at a place that was found, or is held, for it. */
	make(code: number, segment: number, offset: number, size: number): Block {
		const { owner, views } = this.#memory;
		if (offset + size <= segmentSize) return new Block(this.#backing(code, segment), offset, size);
		const backing = new Backing(owner, this, views.window(segment, offset, size), segment, code);
		return Block.at(backing, offset, 0, size);
	}

	#backing(code: number, index: number): Backing {
		const { owner, views, heap } = this.#memory;
		const { buffer, bytes } = views.segment(index);
		const known = this.#backings.get(index, code);
		if (known !== undefined && known.code === code && known.buffer === buffer) return known;
		if (code >= runCode && !isFor(heap.cache, code)) return new Backing(owner, this, buffer, index, code);
		const backing = new Backing(owner, this, buffer, index, code, bytes, heap.cache);
		this.#backings.put(backing);
		return backing;
	}

	isLive(): boolean {
		return true;
	}

	checkUsable(): void {}

	free(block: Block): void {
		const { heap, path } = this.#memory;
		if (Block.giveBack(block, heap) !== 0) throw corrupted(path);
	}

	usableSize(block: Block): number {
		return this.#memory.heap.usableSize(Block.backingOf(block).code);
	}

	/** The length of a block. Of one whose ArrayBuffer has been transferred, it is the usable size: the Buffer has none. */
	#lengthOf(block: Block): number {
		return block.length > 0 ? block.length : this.usableSize(block);
	}

	content(block: Block, most: number): Uint8Array {
		if (block.length > 0) return firstOf(block, most);
		const { segment } = Block.backingOf(block);
		return this.#memory.views.plain(segment, Block.offsetOf(block), min(most, this.#lengthOf(block)));
	}

	resize(block: Block, size: number): Block | undefined {
		const { heap } = this.#memory;
		if (size > heap.capacity) return undefined;
		const { code: had, segment } = Block.backingOf(block);
		// An aligned block, and one that shrank in a full kind, has more than its size would take.
		if (size > block.length && size <= heap.usableSize(had)) return this.#rename(block, had, size);
		const code = codeFor(size, heap.unitSize);
		if (code === had) return this.#rename(block, code, size);
		if (code < runCode || had < runCode) return undefined;
		const offset = Block.offsetOf(block);
		// There is no ArrayBuffer over what is behind the kind's end.
		if (segment * segmentSize + offset + size > heap.capacity) return undefined;
		const resized = this.make(code, segment, offset, size);
		if (Block.end(block, () => heap.resize(code, segment, offset)) !== 0) return undefined;
		try {
			this.#memory.noticePressure();
		} catch {
			// The stack is at its end: a later allocation tells.
		}
		return resized;
	}

	shrink(block: Block, size: number): Block {
		return this.#rename(block, Block.backingOf(block).code, size);
	}

	/** The same piece of memory as a Buffer of another length; the old Buffer is a block no more. */
	#rename(block: Block, code: number, size: number): Block {
		const renamed = this.make(code, Block.backingOf(block).segment, Block.offsetOf(block), size);
		Block.release(block);
		return renamed;
	}

	replace(size: number, caller: Caller): Block | number {
		return this.#memory.allocate(size, caller);
	}

	moveBetter(block: Block): Block | undefined {
		const { heap, path } = this.#memory;
		const { code, segment } = Block.backingOf(block);
		const offset = Block.offsetOf(block);
		// Without a length, its ArrayBuffer has been transferred.
		if (code >= runCode || block.length === 0) return undefined;
		const place = heap.findBetter(code, segment, offset);
		if (place === undefined) return undefined;
		const moved = this.make(code, place.segment, place.offset, block.length);
		copy(moved, block);
		const leave = () => {
			// Not to the cache, which would hand it out again: the slab is to become empty.
			const status = native.kindFree(heap.id, segment, offset);
			if (status === 0) takeResult(heap.cache);
			return status;
		};
		if (Block.end(block, leave) !== 0) throw corrupted(path);
		return moved;
	}

	reference(block: Block): { length: number; offset: number; generation: number } {
		return share(this.#memory, block, this.#lengthOf(block), false);
	}
}
