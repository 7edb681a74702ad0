// What the sorts of blocks have to know of their kind in this thread: not the Kind itself, whose methods a script can replace.
import type { BlockBuffer, Caller } from './block.ts';
import type { ThreadHeap } from './thread-heap.ts';
import type { Views } from './views.ts';

export interface Memory {
	/** The Kind. */
	readonly owner: object;
	/** For messages. */
	readonly path: string;
	readonly heap: ThreadHeap;
	readonly views: Views;
	/** How many bytes a block with memory could hold; in debug mode no more than it has. */
	usableSize(block: BlockBuffer): number;
	/** Tells the owner if memory runs short, after some has been taken. */
	noticePressure(): void;
	/** Another block, as malloc makes it; a status if there is no memory. */
	allocate(size: number, caller: Caller): BlockBuffer | number;
	/** Another one that the garbage collector frees. */
	allocateCollected(size: number): BlockBuffer | number;
}
