// The blocks that malloc makes: views of a segment's ArrayBuffer, which go back to the thread cache. The fast path is
// in fast-path.ts, and everything else is here.
import { native } from '../native.ts';
import type { Backings } from './backings.ts';
import { Backing, BlockBuffer, type Caller, type Sort } from './block.ts';
import { copy, firstOf } from './bytes.ts';
import { codeFor } from './codes.ts';
import { isFor, takeResult } from './fast-path.ts';
import type { Memory } from './memory.ts';
import { share } from './referenced.ts';
import { corrupted } from './refusals.ts';

const { runCode, segmentSize } = native.kindLayout;

// Taken once, because a script may replace it later.
const { min } = Math;

export class Ordinary implements Sort {
	readonly #memory: Memory;
	readonly #backings: Backings;

	constructor(memory: Memory, backings: Backings) {
		this.#memory = memory;
		this.#backings = backings;
	}

	/** Makes a block of `size` bytes at a place that was found for it, or that it already has. */
	make(code: number, segment: number, offset: number, size: number): BlockBuffer {
		const { owner, views } = this.#memory;
		if (offset + size <= segmentSize) return new BlockBuffer(this.#backing(code, segment), offset, size);
		const backing = new Backing(owner, this, views.window(segment, offset, size), segment, code);
		return BlockBuffer.at(backing, offset, 0, size);
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

	free(block: BlockBuffer): void {
		const { heap, path } = this.#memory;
		if (BlockBuffer.giveBack(block, heap) !== 0) throw corrupted(path);
	}

	usableSize(block: BlockBuffer): number {
		return this.#memory.heap.usableSize(BlockBuffer.backingOf(block).code);
	}

	/**
	 * The length of a block. If its ArrayBuffer has been transferred, it is the usable size, because the Buffer has
	 * length 0.
	 */
	#lengthOf(block: BlockBuffer): number {
		return block.length > 0 ? block.length : this.usableSize(block);
	}

	bytesOf(block: BlockBuffer, most: number): Uint8Array {
		if (block.length > 0) return firstOf(block, most);
		const { segment } = BlockBuffer.backingOf(block);
		return this.#memory.views.plain(segment, BlockBuffer.offsetOf(block), min(most, this.#lengthOf(block)));
	}

	resize(block: BlockBuffer, size: number): BlockBuffer | undefined {
		const { heap } = this.#memory;
		if (size > heap.capacity) return undefined;
		const { code: had, segment } = BlockBuffer.backingOf(block);
		// An aligned block has more than its size would take, and so has one that shrank in a full kind.
		if (size > block.length && size <= heap.usableSize(had)) return this.#relength(block, had, size);
		const code = codeFor(size, heap.unitSize);
		if (code === had) return this.#relength(block, code, size);
		if (code < runCode || had < runCode) return undefined;
		const offset = BlockBuffer.offsetOf(block);
		// There is no ArrayBuffer over memory behind the kind's end.
		if (segment * segmentSize + offset + size > heap.capacity) return undefined;
		const resized = this.make(code, segment, offset, size);
		if (BlockBuffer.end(block, () => heap.resize(code, segment, offset)) !== 0) return undefined;
		try {
			this.#memory.noticePressure();
		} catch {
			// The stack is at its end. A later allocation tells the owner.
		}
		return resized;
	}

	shrink(block: BlockBuffer, size: number): BlockBuffer {
		return this.#relength(block, BlockBuffer.backingOf(block).code, size);
	}

	/** The same memory as a Buffer of another length. The old Buffer is no block any more. */
	#relength(block: BlockBuffer, code: number, size: number): BlockBuffer {
		const renamed = this.make(code, BlockBuffer.backingOf(block).segment, BlockBuffer.offsetOf(block), size);
		BlockBuffer.release(block);
		return renamed;
	}

	replace(size: number, caller: Caller): BlockBuffer | number {
		return this.#memory.allocate(size, caller);
	}

	moveBetter(block: BlockBuffer): BlockBuffer | undefined {
		const { heap, path } = this.#memory;
		const { code, segment } = BlockBuffer.backingOf(block);
		const offset = BlockBuffer.offsetOf(block);
		// A block of length 0 has lost its ArrayBuffer by a transfer.
		if (code >= runCode || block.length === 0) return undefined;
		const place = heap.findBetter(code, segment, offset);
		if (place === undefined) return undefined;
		const moved = this.make(code, place.segment, place.offset, block.length);
		copy(moved, block);
		const leave = () => {
			// The block does not go to the cache, which would hand it out again. The slab is to become empty.
			const status = native.kindFree(heap.id, segment, offset);
			if (status === 0) takeResult(heap.cache);
			return status;
		};
		if (BlockBuffer.end(block, leave) !== 0) throw corrupted(path);
		return moved;
	}

	reference(block: BlockBuffer): { length: number; offset: number; generation: number } {
		return share(this.#memory, block, this.#lengthOf(block), false);
	}
}
