// Raw handles: numbers that stand for blocks, for indexes of millions of them without an object each.
//
// A handle is a safe integer of three fields: in its low 40 bits where the block begins, in units of 16 bytes; above
// them a generation of 6 bits; above that 7 bits that tell the kinds of a process apart. One byte of state for each
// slot and run says whether a handle of it is out, and of which generation. The state is shared by all threads of the
// kind, so that a handle may be freed by any of them, once. All of it is looked up in the heap's own tables
// (native/heap/slab_allocator.h, run_allocator.h), without a native call.
import { daxkindError } from '../errors.ts';
import { native, type RawTables } from '../native.ts';
import { runCodeOf } from './codes.ts';

const {
	classSizes,
	sizeQuantum,
	runCode,
	segmentSize,
	slabStart,
	slabShape,
	slabStateBase,
	slabClassBits,
	descriptorWords,
	unitTagShift,
	largeTag,
	slabTag,
} = native.kindLayout;

const placeSpan = 2 ** 40;
const generationBits = 6;
const generationMask = 2 ** generationBits - 1;
/** In a state byte: a handle of this generation is out. */
const isOut = 2 ** generationBits;
/** Tags are 1 to 127: a handle is never 0, and a small number never a handle. */
const tags = 127;

const quantumShift = Math.log2(sizeQuantum);
const segmentQuanta = segmentSize / sizeQuantum;
const classMask = 2 ** slabClassBits - 1;
const entryMask = 2 ** unitTagShift - 1;
/** To divide by a class's size: the quotient of a multiple of the quantum is exact when half a quantum is added. */
const inverseSizes = Float64Array.from(classSizes, (size) => 1 / size);
const halfQuantum = sizeQuantum / 2;

/** The raw handles of one thread's hold on a kind. */
export class RawHandles {
	/** Where the block is that `find` or `release` was last asked for. */
	segment = 0;
	offset = 0;
	#tag: number;
	#unitShift: number;
	#unitMask: number;
	#read: () => RawTables;
	#unitMap = new Int32Array(0);
	#descriptors = new Int32Array(0);
	#slotStates = new Uint8Array(0);
	#runStates = new Uint8Array(0);
	/** Where the state of the block is that was last looked up: of a slot, or else of a run. */
	#state = 0;
	#isSlot = false;

	constructor(number: number, unitShift: number, read: () => RawTables) {
		this.#tag = 1 + (number % tags);
		this.#unitShift = unitShift;
		this.#unitMask = 2 ** unitShift - 1;
		this.#read = read;
		this.#readTables();
	}

	/** What the handles' tables keep mapped. */
	get buffers(): ArrayBuffer[] {
		const tables = [this.#unitMap, this.#descriptors, this.#slotStates, this.#runStates];
		return tables.map((table) => table.buffer as ArrayBuffer);
	}

	/** A handle for a block that has just been taken. */
	take(code: number, segment: number, offset: number): number {
		this.#locate(code, segment, offset);
		const states = this.#isSlot ? this.#slotStates : this.#runStates;
		const generation = (states[this.#state]! + 1) & generationMask;
		states[this.#state] = generation | isOut;
		return (
			(this.#tag * (generationMask + 1) + generation) * placeSpan + segment * segmentQuanta + (offset >>> quantumShift)
		);
	}

	/** The code of a handle's block; its place is in `segment` and `offset`. Throws if it is none, or freed. */
	find(handle: number): number {
		const code = this.#parse(handle);
		const states = this.#isSlot ? this.#slotStates : this.#runStates;
		if (states[this.#state] !== (this.#generationOf(handle) | isOut)) throw freedAlready();
		return code;
	}

	/** As find, and the handle is one no longer. */
	release(handle: number): number {
		const code = this.#parse(handle);
		const generation = this.#generationOf(handle);
		const states = this.#isSlot ? this.#slotStates : this.#runStates;
		const was = Atomics.compareExchange(states, this.#state, generation | isOut, generation);
		if (was !== (generation | isOut)) throw freedAlready();
		return code;
	}

	#generationOf(handle: number): number {
		return Math.floor(handle / placeSpan) & generationMask;
	}

	/** Finds the state of a block that is known to be one. */
	#locate(code: number, segment: number, offset: number): void {
		const unit = segment * (segmentSize >>> this.#unitShift) + (offset >>> this.#unitShift);
		this.#isSlot = code < runCode;
		this.#state = unit;
		if (code > runCode) return;
		const slab = (this.#unitMap[unit]! & entryMask) * descriptorWords;
		// The heap has more slabs now than when the tables were last looked at.
		if (slab + slabStateBase >= this.#descriptors.length) this.#readTables();
		const inSlab = ((unit - this.#descriptors[slab + slabStart]!) << this.#unitShift) + (offset & this.#unitMask);
		const slot = ((inSlab + halfQuantum) * inverseSizes[code]!) | 0;
		this.#state = (this.#descriptors[slab + slabStateBase]! >>> 0) * 8 + slot;
		if (this.#state >= this.#slotStates.length) this.#readTables();
	}

	/** Takes a handle apart and looks up what is there: its code. Throws if that is no block. */
	#parse(handle: number): number {
		const high = Math.floor(handle / placeSpan);
		const place = handle - high * placeSpan;
		if (high >>> generationBits !== this.#tag) this.#refuse(handle);
		const segment = Math.floor(place / segmentQuanta);
		const offset = (place - segment * segmentQuanta) * sizeQuantum;
		if ((offset | 0) !== offset) this.#refuse(handle);
		this.segment = segment;
		this.offset = offset;
		const entry = this.#unitMap[segment * (segmentSize >>> this.#unitShift) + (offset >>> this.#unitShift)]!;
		const tag = entry >>> unitTagShift;
		if (tag === slabTag) {
			const slab = (entry & entryMask) * descriptorWords;
			if (slab + slabShape >= this.#descriptors.length) this.#readTables();
			const code = this.#descriptors[slab + slabShape]! & classMask;
			this.#locate(code, segment, offset);
			if (this.#startsSlot(slab, code, segment, offset)) return code;
			throw notABlock();
		}
		this.#state = segment * (segmentSize >>> this.#unitShift) + (offset >>> this.#unitShift);
		this.#isSlot = false;
		if ((offset & this.#unitMask) !== 0 && tag === largeTag) throw notABlock();
		// What was once a block here has been freed, or a new one has been made of it.
		if (tag !== largeTag) throw freedAlready();
		return runCodeOf(entry & entryMask);
	}

	#startsSlot(slab: number, code: number, segment: number, offset: number): boolean {
		const unit = segment * (segmentSize >>> this.#unitShift) + (offset >>> this.#unitShift);
		const inSlab = ((unit - this.#descriptors[slab + slabStart]!) << this.#unitShift) + (offset & this.#unitMask);
		return (((inSlab + halfQuantum) * inverseSizes[code]!) | 0) * classSizes[code]! === inSlab;
	}

	#refuse(handle: number): never {
		const tag = Math.floor(handle / placeSpan / (generationMask + 1));
		if (Number.isSafeInteger(handle) && tag > 0 && tag <= tags) {
			throw daxkindError('ERR_DAXKIND_WRONG_KIND', 'This handle belongs to another kind; free it there');
		}
		throw notABlock();
	}

	#readTables(): void {
		const { unitMap, descriptors, slotStates, runStates } = this.#read();
		this.#unitMap = new Int32Array(unitMap);
		this.#descriptors = new Int32Array(descriptors);
		this.#slotStates = new Uint8Array(slotStates);
		this.#runStates = new Uint8Array(runStates);
	}
}

function notABlock(): Error {
	return daxkindError('ERR_DAXKIND_NOT_A_BLOCK', 'This number is not a handle. Pass what mallocRaw returned');
}

function freedAlready(): Error {
	return daxkindError('ERR_DAXKIND_DOUBLE_FREE', 'The block of this handle has been freed already');
}
