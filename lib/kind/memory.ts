// What the sorts of blocks need of their kind in this thread. It is not the Kind itself, because a script can replace a
// Kind's methods.
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
	/** How many bytes a block with memory could hold. In debug mode that is its length. */
	usableSize(block: BlockBuffer): number;
	/** To be called after memory was taken: tells the owner if memory runs short. */
	noticePressure(): void;
	/** Allocates a block as malloc does. A status if there is no memory. */
	allocate(size: number, caller: Caller): BlockBuffer | number;
	/** The same for a block that the garbage collector frees. */
	allocateCollected(size: number): BlockBuffer | number;
}
