// The blocks of debug mode: each has an ArrayBuffer of its own, between two red zones.
import { native } from '../native.ts';
import { Backing, BlockBuffer } from './block.ts';
import { clear } from './bytes.ts';
import { type DebugLedger, leastRedZone } from './debug.ts';
import type { Memory } from './memory.ts';
import { placeOf, Referenced } from './referenced.ts';
import { corrupted, freedAlready } from './refusals.ts';
import type { FoundMemory } from './thread-heap.ts';

const { referenceGuarded } = native.kindLayout;

export class Guarded extends Referenced {
	readonly #ledger: DebugLedger;

	constructor(memory: Memory, ledger: DebugLedger, generation: number, redZone: number) {
		super(memory, generation, true, redZone);
		this.#ledger = ledger;
	}

	override free(block: BlockBuffer): void {
		const { heap, views, path } = this.memory;
		const { generation, redZone } = this;
		const { segment, buffer, code } = BlockBuffer.backingOf(block);
		const offset = BlockBuffer.offsetOf(block);
		const length = this.lengthOf(block);
		const memory = views.plain(segment, offset, redZone + length + leastRedZone);
		const bytes = heap.usableSize(code);
		try {
			this.#ledger.checkZones(generation, memory, redZone, length);
		} catch (error) {
			// The bytes differ also if somebody has freed the block meanwhile, and filled its memory. That is no
			// overrun.
			if (!this.isLive(block)) throw freedAlready(' elsewhere');
			throw error;
		}
		const giveBack = () => {
			if (native.kindFree(heap.id, segment, offset) !== 0) throw corrupted(path);
		};
		const quarantine = () => native.kindQuarantine(heap.id, segment, offset, generation, buffer);
		if (BlockBuffer.end(block, quarantine) !== 0) throw freedAlready(' elsewhere');
		try {
			this.#ledger.freed(generation, memory, bytes, giveBack);
		} catch (error) {
			// The stack is at its end. The block is freed, but stays out of use until the thread lets go of the kind.
			if (!(error instanceof RangeError)) throw error;
		}
	}

	override reference(block: BlockBuffer): { length: number; offset: number; generation: number } {
		const { segment } = BlockBuffer.backingOf(block);
		const length = this.lengthOf(block);
		native.kindShareBlock(this.memory.heap.id, segment, BlockBuffer.offsetOf(block), this.generation);
		return { length, offset: placeOf(block), generation: this.generation };
	}
}

/** The request for a new guarded block. */
export interface GuardedRequest {
	size: number;
	/** The length of the red zone in front of it, in bytes. */
	redZone: number;
	isZeroed: boolean;
	/** Where the block was asked for. */
	stack: string;
}

/**
 * Makes a guarded block at a place that was found for it.
 *
 * @param take Takes the place. It is called as the last step.
 */
export function makeGuarded(
	memory: Memory,
	ledger: DebugLedger,
	{ code, segment, offset }: FoundMemory,
	{ size, redZone, isZeroed, stack }: GuardedRequest,
	take: () => void,
): BlockBuffer {
	const { heap, views, owner } = memory;
	const whole = views.plain(segment, offset, redZone + size + leastRedZone);
	const sort = new Guarded(memory, ledger, 0, redZone);
	const backing = new Backing(owner, sort, views.window(segment, offset + redZone, size), segment, code);
	const block = BlockBuffer.at(backing, offset, 0, size);
	const generation = native.kindReference(heap.id, segment, offset, size, redZone, referenceGuarded);
	sort.generation = generation;
	try {
		const isHeld = () => native.kindDereference(heap.id, segment, offset, generation) !== undefined;
		ledger.allocated(generation, whole, redZone, size, heap.usableSize(code), isHeld, stack);
		if (isZeroed) clear(block);
		take();
	} catch (error) {
		native.kindUnreference(heap.id, segment, offset, generation);
		throw error;
	}
	return block;
}
