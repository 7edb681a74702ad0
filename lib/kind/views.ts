// The ArrayBuffers through which one thread sees the memory of a kind. There is one for each segment, made with the
// first block there, and there are windows for blocks that do not share it.
import { markAsUntransferable } from 'node:worker_threads';
import { FastBuffer } from '../fast-buffer.ts';
import { native } from '../native.ts';
import { WeakList } from '../weak-list.ts';

const { segmentSize } = native.kindLayout;

interface Segment {
	buffer: ArrayBuffer;
	/** A view of all of it. Its length is 0 once the ArrayBuffer has been transferred. */
	bytes: Uint8Array;
}

export class Views {
	readonly #id: number;
	readonly #segments: (Segment | undefined)[] = [];
	/** The ArrayBuffers of blocks, and of tables, that are not segments. */
	readonly #windows = new WeakList<ArrayBuffer>();

	constructor(id: number) {
		this.#id = id;
	}

	/** The ArrayBuffer over a whole segment. */
	segment(index: number): Segment {
		let segment = this.#segments[index];
		if (segment === undefined || segment.bytes.length === 0) {
			const buffer = native.kindWindow(this.#id, index, 0, segmentSize);
			// Without the mark, one block in a byte stream takes the memory from all Buffers of the segment. Before
			// Node 24 it does so even with the mark.
			if (native.detachesMarked) markAsUntransferable(buffer);
			segment = { buffer, bytes: new Uint8Array(buffer) };
			this.#segments[index] = segment;
		}
		return segment;
	}

	/** Memory as an ordinary Buffer. */
	plain(index: number, offset: number, length: number): NonSharedBuffer {
		if (offset + length <= segmentSize) return new FastBuffer(this.segment(index).buffer, offset, length);
		return new FastBuffer(this.window(index, offset, length), 0, length);
	}

	/** An ArrayBuffer over a part of the memory; `close` detaches it. */
	window(index: number, offset: number, length: number): ArrayBuffer {
		return this.keep(native.kindWindow(this.#id, index, offset, length));
	}

	/** The same, but the block of that generation is freed when the ArrayBuffer is garbage. */
	collectedWindow(index: number, offset: number, length: number, generation: number): ArrayBuffer {
		return this.keep(native.kindCollectedWindow(this.#id, index, offset, length, generation));
	}

	/** Makes `close` detach the ArrayBuffer. */
	keep(buffer: ArrayBuffer): ArrayBuffer {
		this.#windows.add(buffer);
		return buffer;
	}

	/** Lets go of the kind by `letGo`, then detaches all ArrayBuffers over it, and that of the thread cache. */
	close<Result>(cache: ArrayBuffer, letGo: () => Result): Result {
		// The cache's ArrayBuffer is detached, too, so that its memory goes back now and not when the ArrayBuffer is
		// garbage.
		const buffers = [cache];
		for (const segment of this.#segments) if (segment !== undefined) buffers[buffers.length] = segment.buffer;
		for (const window of this.#windows.list()) buffers[buffers.length] = window;
		const result = letGo();
		// None of this calls JavaScript, which could fail when the stack is at its end.
		for (let i = 0; i < buffers.length; i++) native.detachArrayBuffer(buffers[i]!);
		// The remaining blocks are freed once nothing refers to these ArrayBuffers any more.
		this.#segments.length = 0;
		this.#windows.clear();
		return result;
	}
}
