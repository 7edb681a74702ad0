// The blocks of size 0. They have no memory.
import { Backing, BlockBuffer, type Caller, type Sort } from './block.ts';
import { emptyCode } from './codes.ts';
import type { Memory } from './memory.ts';

const none = { length: 0, offset: 0, generation: 0 };

export class Empty implements Sort {
	readonly #memory: Memory;

	constructor(memory: Memory) {
		this.#memory = memory;
	}

	make(): BlockBuffer {
		return new BlockBuffer(new Backing(this.#memory.owner, this, new ArrayBuffer(0), 0, emptyCode), 0, 0);
	}

	isLive(): boolean {
		return true;
	}
	checkUsable(): void {}
	free(block: BlockBuffer): void {
		BlockBuffer.release(block);
	}
	usableSize(): number {
		return 0;
	}
	bytesOf(): Uint8Array {
		return new Uint8Array(0);
	}
	resize(): undefined {}
	shrink(): undefined {}
	replace(size: number, caller: Caller): BlockBuffer | number {
		return this.#memory.allocate(size, caller);
	}
	moveBetter(): undefined {}
	reference(): { length: number; offset: number; generation: number } {
		return { ...none };
	}
}
