// Finds the block of a raw handle: a number that stands for a block, so that an index of millions of blocks does not
// need an object for each.
//
// A handle is a safe integer. Each kind of the process has a range of integers to itself (native/heap/raw_numbers.h).
// In its range, a handle is (the number of its block's place) * 2,048 + a generation. Each place has a state, which
// says whether its handle is out, and of which generation. States never forget. They stay with a slab's descriptor when
// the slab is gone, so the handles of another slab in the same memory are different. All threads of the kind share the
// states, so any of them may free a handle, once. Everything is looked up in the heap's own tables
// (native/heap/places.h, slab_allocator.h, run_allocator.h), without a native call.

import type { RawTables as Tables } from '../native/kinds.ts';
import { native } from '../native.ts';
import { runCodeOf } from './codes.ts';
import { handleFreedAlready, notAHandle, wrongKind } from './refusals.ts';

const {
	classSizes,
	sizeQuantum,
	segmentSize,
	slabStart,
	slabShape,
	slabFree,
	slabGroup,
	slabClassBits,
	slabSlotsBits,
	slabOwnerShift,
	slabOwners,
	manyOwners,
	handleOut,
	descriptorWords,
	groupShift,
	spreadShift,
	lineShift,
	rawGenerationBits,
	unitTagShift,
	largeTag,
	slabTag,
} = native.kindLayout;

// Taken once, because a script may replace them later.
const { ceil, floor, imul, log2 } = Math;
const { isSafeInteger } = Number;

const generations = 2 ** rawGenerationBits;
const classMask = 2 ** slabClassBits - 1;
const slotsMask = 2 ** slabSlotsBits - 1;
const entryMask = 2 ** unitTagShift - 1;
const ownerMask = slabOwners - 1;
const slabEntry = slabTag << unitTagShift;
const spreadMask = 2 ** spreadShift - 1;
const lineMask = 2 ** lineShift - 1;
const stretchMask = 2 ** (spreadShift + lineShift) - 1;
const groupSize = 2 ** groupShift;
const quantumShift = log2(sizeQuantum);
/** Divides a multiple of a class's size by that size, both in quanta. It is exact below 2^19 quanta. */
const inverseShift = 19;
const inverseSizes = Int32Array.from(classSizes, (size) => ceil(2 ** inverseShift / (size / sizeQuantum)));

/** The block of a handle. */
export interface RawBlock {
	/** The number of its place. */
	number: number;
	/** The state of the place while the handle is out. */
	out: number;
	code: number;
	segment: number;
	offset: number;
}

/** What is needed to read the tables of a kind. */
export interface TableOptions {
	/** The number by which the heap knows which blocks are this thread's. */
	owner: number;
	unitShift: number;
	/** Returns the heap's tables as they are now. */
	read: () => Tables;
}

/** The unit that has this number as a place. */
export function unitOf(number: number): number {
	return (number & ~stretchMask) | ((number & lineMask) << spreadShift) | ((number & stretchMask) >> lineShift);
}

export class RawTables {
	/** The first number of the kind's range. */
	protected first = 0;
	protected states = new Uint16Array(0);
	/** By group of numbers: the class of the slab there plus 1; 0 for units. */
	protected classes = new Uint8Array(0);
	protected unitMap = new Int32Array(0);
	readonly #owner: number;
	readonly #unitShift: number;
	readonly #read: () => Tables;
	/** log2 of the units in a segment. */
	readonly #segmentShift: number;
	readonly #segmentMask: number;
	#mostHandles = 0;
	#descriptors = new Int32Array(0);
	#slabs = new Int32Array(0);
	#owners = new Uint16Array(0);

	constructor({ owner, unitShift, read }: TableOptions) {
		this.#owner = owner;
		this.#unitShift = unitShift;
		this.#segmentShift = log2(segmentSize) - unitShift;
		this.#segmentMask = 2 ** this.#segmentShift - 1;
		this.#read = read;
		this.readTables();
	}

	protected readTables(): void {
		const tables = this.#read();
		this.first = tables.firstHandle;
		this.#mostHandles = tables.mostHandles;
		this.unitMap = new Int32Array(tables.unitMap);
		this.states = new Uint16Array(tables.states);
		this.classes = new Uint8Array(tables.classes);
		this.#descriptors = new Int32Array(tables.descriptors);
		this.#slabs = new Int32Array(tables.slabs);
		this.#owners = new Uint16Array(tables.owners);
	}

	/** The block of a handle. Throws if the number is not one, or its block has been freed. */
	find(handle: number): RawBlock {
		const local = handle - this.first;
		if (!isSafeInteger(handle) || !(local >= 0 && local < this.#mostHandles)) {
			throw native.kindIsHandle(handle) ? wrongKind('handle') : notAHandle();
		}
		const number = floor(local / generations);
		const out = local - number * generations + handleOut;
		// The heap has more slabs now than when the tables were last looked at.
		if (number >= this.states.length) this.readTables();
		const state = this.states[number] ?? 0;
		// First: the place has never had a handle. Second: the handle is older than the newest one, or was freed.
		if (state === 0) throw notAHandle();
		if (state !== out) throw handleFreedAlready();
		const isRun = this.classes[floor(number / groupSize)] === 0;
		const block = isRun ? this.#run(number, out) : this.#slot(number, out);
		if (block === undefined) throw handleFreedAlready();
		return block;
	}

	/** The run that begins at the unit of that number. undefined if there is none. */
	#run(number: number, out: number): RawBlock | undefined {
		const unit = unitOf(number);
		const entry = this.unitMap[unit]!;
		// The block that was here has been freed, or a slab has been made of it.
		if (entry >>> unitTagShift !== largeTag) return undefined;
		const code = runCodeOf(entry & entryMask);
		return { number, out, code, segment: this.segmentOf(unit), offset: this.offsetOf(unit) };
	}

	/** The segment where a unit begins. */
	protected segmentOf(unit: number): number {
		return unit >>> this.#segmentShift;
	}
	protected offsetOf(unit: number): number {
		return (unit & this.#segmentMask) << this.#unitShift;
	}

	/** The taken slot of that number. undefined if there is none. */
	#slot(number: number, out: number): RawBlock | undefined {
		const slab = this.#slabOf(number);
		const descriptors = this.#descriptors;
		const start = descriptors[slab + slabStart]!;
		const shape = descriptors[slab + slabShape]!;
		const slot = number - (descriptors[slab + slabGroup]! >>> 0) * groupSize;
		// The slab is gone, so the slot was free; or the descriptor's slab had more slots once.
		const isGone = this.unitMap[start] !== (slabEntry | (slab / descriptorWords));
		if (isGone || slot >= ((shape >>> slabClassBits) & slotsMask)) return undefined;
		const code = shape & classMask;
		const offset = ((start & this.#segmentMask) << this.#unitShift) + slot * classSizes[code]!;
		return { number, out, code, segment: start >>> this.#segmentShift, offset };
	}

	/** The place of a taken slot. */
	slotAt(number: number): { segment: number; offset: number } {
		return this.#slot(number, 0)!;
	}

	#unitAt(segment: number, offset: number): number {
		return (segment << this.#segmentShift) + (offset >>> this.#unitShift);
	}

	/** The number of a run's place. */
	protected numberOfRun(segment: number, offset: number): number {
		const unit = this.#unitAt(segment, offset);
		const line = (unit & spreadMask) << lineShift;
		return (unit & ~stretchMask) | line | ((unit & stretchMask) >> spreadShift);
	}

	/** The number of the place of a slot of a class. */
	protected numberOfSlot(code: number, segment: number, offset: number): number {
		const unit = this.#unitAt(segment, offset);
		const slab = (this.unitMap[unit]! & entryMask) * descriptorWords;
		if (slab + slabGroup >= this.#descriptors.length) this.readTables();
		const descriptors = this.#descriptors;
		const inSlab = offset - ((descriptors[slab + slabStart]! & this.#segmentMask) << this.#unitShift);
		const slot = imul(inSlab >>> quantumShift, inverseSizes[code]!) >>> inverseShift;
		const number = (descriptors[slab + slabGroup]! >>> 0) * groupSize + slot;
		if (number >= this.states.length) this.readTables();
		return number;
	}

	/** Whether it is certain that a taken block is this thread's. */
	protected owns(number: number): boolean {
		if (this.classes[floor(number / groupSize)] === 0) return this.#owners[number] === this.#owner;
		const slab = this.#slabOf(number);
		const owner = (this.#descriptors[slab + slabFree]! >>> slabOwnerShift) & ownerMask;
		return owner === this.#owner || (owner === manyOwners && this.#owners[number] === this.#owner);
	}

	/** The first word of the descriptor of a slot's slab. It may read the tables anew. */
	#slabOf(number: number): number {
		const slab = this.#slabs[floor(number / groupSize)]! * descriptorWords;
		if (slab + slabGroup >= this.#descriptors.length) this.readTables();
		return slab;
	}
}
