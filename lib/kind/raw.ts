// Raw handles: numbers that stand for blocks, for indexes of millions of them without an object each.
//
// A handle is a safe integer, and each kind of the process has a range of those to itself (native/heap/raw_numbers.h). In
// its range, a handle is (the number of a state) * 2,048 + a generation. There is a state for each unit, of the run that
// begins there, and behind those one for each slot of each slab's descriptor: two bytes that say whether a handle is out,
// and of which generation. States stay with the descriptor when the slab is gone, so that they never forget: memory that
// becomes another slab's has other handles. They are shared by all threads of the kind, so that a handle may be freed by
// any of them, once. All of it is looked up in the heap's own tables (native/heap/slab_allocator.h, run_allocator.h),
// without a native call.
import { daxkindError } from '../errors.ts';
import { native, type RawTables } from '../native.ts';
import { classFor, magazineOf, runCodeOf, smallRunCode } from './codes.ts';
import { push } from './thread-heap.ts';

const {
	classSizes,
	sizeQuantum,
	maxSlabSize,
	runCode,
	unitsShift,
	magazineCode,
	cachedUnitsWord,
	segmentSize,
	slabStart,
	slabShape,
	slabFree,
	slabStateBase,
	slabClassBits,
	slabSlotsBits,
	slabOwnerShift,
	slabOwners,
	manyOwners,
	handleOut: isOut,
	descriptorWords,
	stateGroupShift,
	rawGenerationBits,
	unitTagShift,
	largeTag,
	slabTag,
} = native.kindLayout;

// Taken once: others may be put in their place later.
const { ceil, floor, imul, log2 } = Math;
const { compareExchange } = Atomics;
const { isSafeInteger } = Number;

/** Generations are 1 to 2,047, so that a state of 0 is one that has never had a handle. */
const generations = 2 ** rawGenerationBits;
const generationMask = generations - 1;

const classMask = 2 ** slabClassBits - 1;
const slotsMask = 2 ** slabSlotsBits - 1;
const entryMask = 2 ** unitTagShift - 1;
const ownerMask = slabOwners - 1;
const slabEntry = slabTag << unitTagShift;
/** Of longer runs the code is no small integer. */
const mostSmallUnits = 2 ** (30 - unitsShift) - 1;
/** A descriptor's states begin at a multiple of this number. */
const stateStep = 8;
/** That is a number without a sign. */
const stateSpan = stateStep * 2 ** 32;
const quantumShift = log2(sizeQuantum);
/** To divide a multiple of a class's size by it, both in quanta: exact below 2^19 quanta. */
const inverseShift = 19;
const inverseSizes = Int32Array.from(classSizes, (size) => ceil(2 ** inverseShift / (size / sizeQuantum)));

/** What raw handles need of their kind. */
interface Owner {
	/** The thread cache, or one that has nothing. */
	cache: Int32Array;
	/** As the heap knows whose this thread's blocks are. */
	owner: number;
	unitShift: number;
	isShared: boolean;
	/** Gives the heap's tables as they are now. */
	read: () => RawTables;
	/** Frees a block that no handle stands for any more, and that the cache did not take. If it throws, nothing has changed. */
	giveBack: (code: number, segment: number, offset: number) => void;
	/**
	 * Takes a handle back and frees its block, which may be another thread's: one that this cache handed out again would
	 * be freed when that thread ends. False if the handle is not out.
	 */
	freeForeign: (place: number, out: number) => boolean;
}

/** The raw handles of one thread's hold on a kind. */
export class RawHandles {
	/** Whether other threads may free handles, too. Once true it stays so. */
	#isShared: boolean;
	/** Where the block is that `find` was last asked for. */
	segment = 0;
	offset = 0;
	/** Its state, by its number, and what is in that while the handle is out. */
	#number = 0;
	#states = new Uint16Array(0);
	#state = 0;
	#out = 0;
	#cache: Int32Array;
	#giveBack: Owner['giveBack'];
	#freeForeign: Owner['freeForeign'];
	#owner: number;
	/** The first number of the kind, and how many it has. */
	#first = 0;
	#mostHandles = 0;
	/** How many units there are: states of a higher number are those of slots. */
	#units = 0;
	#unitShift: number;
	#unitMask: number;
	/** log2 of the units in a segment. */
	#segmentShift: number;
	#segmentMask: number;
	#read: () => RawTables;
	#unitMap = new Int32Array(0);
	#descriptors = new Int32Array(0);
	#stateSlabs = new Int32Array(0);
	#slotStates = new Uint16Array(0);
	#runStates = new Uint16Array(0);
	#slotOwners = new Uint16Array(0);
	#runOwners = new Uint16Array(0);

	constructor({ cache, owner, unitShift, isShared, read, giveBack, freeForeign }: Owner) {
		this.#cache = cache;
		this.#owner = owner;
		this.#freeForeign = freeForeign;
		this.#isShared = isShared;
		this.#giveBack = giveBack;
		this.#read = read;
		this.#unitShift = unitShift;
		this.#unitMask = 2 ** unitShift - 1;
		this.#segmentShift = log2(segmentSize) - unitShift;
		this.#segmentMask = 2 ** this.#segmentShift - 1;
		this.#readTables();
	}

	/** Other threads may free handles from now on. */
	share(): void {
		if (this.#isShared) return;
		this.#isShared = true;
		this.#readTables();
	}

	/** A handle for a block out of the thread cache; 0 if that has none of this size. */
	malloc(size: number): number {
		if (size > maxSlabSize) return this.#mallocRun((size + this.#unitMask) >>> this.#unitShift);
		const cache = this.#cache;
		const code = classFor(size);
		const magazine = magazineOf(code);
		const top = cache[magazine]!;
		if (!(top > 0)) return 0;
		const handle = this.#takeSlot(code, cache[magazine + top]!, cache[magazine + top + 1]!);
		cache[magazine] = top - 2;
		return handle;
	}

	#mallocRun(units: number): number {
		const cache = this.#cache;
		const code = smallRunCode(units);
		const magazine = magazineOf(code);
		const top = cache[magazine]!;
		if (!(top > 0) || cache[magazine + magazineCode] !== code) return 0;
		const handle = this.#takeRun(cache[magazine + top]!, cache[magazine + top + 1]!);
		cache[magazine] = top - 2;
		cache[cachedUnitsWord]! -= units;
		return handle;
	}

	/** Frees a block. False, with nothing changed, if the number is not a handle, or something is out of the ordinary. */
	free(handle: number): boolean {
		const local = handle - this.#first;
		const number = (local / generations) | 0;
		const generation = (local | 0) & generationMask;
		// Not true of a fraction, of what is no number, and of what is far away.
		if (number * generations + generation !== local) return false;
		if (number < this.#units) return this.#freeRun(number, generation | isOut);
		const state = number - this.#units;
		const slab = this.#stateSlabs[state >>> stateGroupShift]! * descriptorWords;
		const descriptors = this.#descriptors;
		if (!(slab + slabStateBase < descriptors.length)) return false;
		// The slab is there, because a slot whose handle is out is not free.
		const states = this.#slotStates;
		const out = generation | isOut;
		if (states[state] !== out) return false;
		if (this.#isShared && !this.#ownsSlot(slab, state)) return this.#freeForeign(number, out);
		if (!this.#change(states, state, out)) return false;
		const start = descriptors[slab + slabStart]!;
		const code = descriptors[slab + slabShape]! & classMask;
		const slot = state - descriptors[slab + slabStateBase]! * stateStep;
		const offset = ((start & this.#segmentMask) << this.#unitShift) + slot * classSizes[code]!;
		try {
			this.#give(code, start >>> this.#segmentShift, offset);
		} catch (error) {
			// The stack is at its end, for one: it is a handle as before. It was not out, so that nobody else can have taken it.
			states[state] = out;
			throw error;
		}
		return true;
	}

	#freeRun(unit: number, out: number): boolean {
		const entry = this.#unitMap[unit]!;
		const units = entry & entryMask;
		if (entry >>> unitTagShift !== largeTag || units > mostSmallUnits) return false;
		const states = this.#runStates;
		if (states[unit] !== out) return false;
		if (this.#isShared && !this.#ownsRun(unit)) return this.#freeForeign(unit, out);
		if (!this.#change(states, unit, out)) return false;
		const offset = (unit & this.#segmentMask) << this.#unitShift;
		try {
			this.#give(smallRunCode(units), unit >>> this.#segmentShift, offset);
		} catch (error) {
			// As in free.
			states[unit] = out;
			throw error;
		}
		return true;
	}

	/** Takes a handle back that was out. False if another thread has been faster. */
	#change(states: Uint16Array, state: number, out: number): boolean {
		if (this.#isShared) return compareExchange(states, state, out, out ^ isOut) === out;
		states[state] = out ^ isOut;
		return true;
	}

	/** Whether a slot that is taken is surely this thread's; `slab` is the first word of its slab's descriptor. */
	#ownsSlot(slab: number, state: number): boolean {
		const owner = (this.#descriptors[slab + slabFree]! >>> slabOwnerShift) & ownerMask;
		return owner === this.#owner || (owner === manyOwners && this.#slotOwners[state] === this.#owner);
	}

	#ownsRun(unit: number): boolean {
		return this.#runOwners[unit] === this.#owner;
	}

	#give(code: number, segment: number, offset: number): void {
		if (!push(this.#cache, code, segment, offset)) this.#giveBack(code, segment, offset);
	}

	/** A handle for a block that is about to be taken. */
	take(code: number, segment: number, offset: number): number {
		return code > runCode ? this.#takeRun(segment, offset) : this.#takeSlot(code, segment, offset);
	}

	#takeRun(segment: number, offset: number): number {
		const unit = (segment << this.#segmentShift) + (offset >>> this.#unitShift);
		const generation = following(this.#runStates[unit]!);
		this.#runStates[unit] = generation | isOut;
		return this.#first + unit * generations + generation;
	}

	#takeSlot(code: number, segment: number, offset: number): number {
		const index = this.#unitMap[(segment << this.#segmentShift) + (offset >>> this.#unitShift)]! & entryMask;
		const slab = index * descriptorWords;
		// The heap has more slabs now than when the tables were last looked at.
		if (slab + slabStateBase >= this.#descriptors.length) this.#readTables();
		const descriptors = this.#descriptors;
		const inSlab = offset - ((descriptors[slab + slabStart]! & this.#segmentMask) << this.#unitShift);
		const slot = imul(inSlab >>> quantumShift, inverseSizes[code]!) >>> inverseShift;
		let state = descriptors[slab + slabStateBase]! * stateStep + slot;
		if (state < 0) state += stateSpan;
		if (state >= this.#slotStates.length) this.#readTables();
		const states = this.#slotStates;
		const generation = following(states[state]!);
		states[state] = generation | isOut;
		return this.#first + (this.#units + state) * generations + generation;
	}

	/** The code of a handle's block; its place is in `segment` and `offset`. Throws if it is none, or freed. */
	find(handle: number): number {
		const local = handle - this.#first;
		if (!isSafeInteger(handle) || !(local >= 0 && local < this.#mostHandles)) {
			throw native.kindIsHandle(handle) ? wrongKind() : notABlock();
		}
		const number = floor(local / generations);
		const code = number < this.#units ? this.#lookForRun(number) : this.#lookForSlot(number - this.#units);
		this.#number = number;
		this.#out = local - number * generations + isOut;
		const was = this.#states[this.#state]!;
		// Nobody has ever had a handle of it; or it was an older one.
		if (was === 0) throw notABlock();
		if (was !== this.#out) throw freedAlready();
		return code;
	}

	/** As `free`, of any handle. Throws if it is none, or freed. */
	freeSlowly(handle: number): void {
		const code = this.find(handle);
		// Not what is there now: another thread may have freed it a moment ago.
		const out = this.#out;
		const states = this.#states;
		const state = this.#state;
		if (this.#isShared && !this.#isMine()) {
			if (!this.#freeForeign(this.#number, out)) throw freedAlready();
			return;
		}
		if (compareExchange(states, state, out, out ^ isOut) !== out) throw freedAlready();
		try {
			this.#give(code, this.segment, this.offset);
		} catch (error) {
			// As in free.
			states[state] = out;
			throw error;
		}
	}

	/** Whether the block is surely this thread's that `find` was last asked for. */
	#isMine(): boolean {
		if (this.#number < this.#units) return this.#ownsRun(this.#state);
		return this.#ownsSlot(this.#slabOf(this.#state), this.#state);
	}

	/** The first word of the descriptor that has the state. */
	#slabOf(state: number): number {
		return this.#stateSlabs[floor(state / 2 ** stateGroupShift)]! * descriptorWords;
	}

	#lookForSlot(state: number): number {
		if (state >= this.#slotStates.length) this.#readTables();
		this.#states = this.#slotStates;
		this.#state = state;
		// No slab has had it.
		if (!this.#slotStates[state]) throw notABlock();
		const slab = this.#slabOf(state);
		if (slab + slabStateBase >= this.#descriptors.length) this.#readTables();
		const descriptors = this.#descriptors;
		const start = descriptors[slab + slabStart]!;
		const shape = descriptors[slab + slabShape]!;
		const slot = state - (descriptors[slab + slabStateBase]! >>> 0) * stateStep;
		// The slab is gone, and was empty then; or it had more slots once.
		const isGone = this.#unitMap[start] !== (slabEntry | (slab / descriptorWords));
		if (isGone || slot >= ((shape >>> slabClassBits) & slotsMask)) throw freedAlready();
		const code = shape & classMask;
		this.segment = start >>> this.#segmentShift;
		this.offset = ((start & this.#segmentMask) << this.#unitShift) + slot * classSizes[code]!;
		return code;
	}

	#lookForRun(unit: number): number {
		this.#states = this.#runStates;
		this.#state = unit;
		const entry = this.#unitMap[unit]!;
		// What was once a block here has been freed, or a slab has been made of it.
		if (entry >>> unitTagShift !== largeTag) throw this.#runStates[unit] === 0 ? notABlock() : freedAlready();
		this.segment = unit >>> this.#segmentShift;
		this.offset = (unit & this.#segmentMask) << this.#unitShift;
		return runCodeOf(entry & entryMask);
	}

	#readTables(): void {
		const tables = this.#read();
		this.#first = tables.firstHandle;
		this.#mostHandles = tables.mostHandles;
		this.#unitMap = new Int32Array(tables.unitMap);
		this.#descriptors = new Int32Array(tables.descriptors);
		this.#stateSlabs = new Int32Array(tables.stateSlabs);
		this.#slotStates = new Uint16Array(tables.slotStates);
		this.#runStates = new Uint16Array(tables.runStates);
		this.#slotOwners = new Uint16Array(tables.slotOwners);
		this.#runOwners = new Uint16Array(tables.runOwners);
		this.#units = this.#unitMap.length;
	}
}

/** The generation after that of a state. */
function following(state: number): number {
	return (state & generationMask) === generationMask ? 1 : (state & generationMask) + 1;
}

function wrongKind(): Error {
	return daxkindError('ERR_DAXKIND_WRONG_KIND', 'This handle belongs to another kind; free it there');
}

function notABlock(): Error {
	return daxkindError('ERR_DAXKIND_NOT_A_BLOCK', 'This number is not a handle. Pass what mallocRaw returned');
}

function freedAlready(): Error {
	return daxkindError('ERR_DAXKIND_DOUBLE_FREE', 'The block of this handle has been freed already');
}
