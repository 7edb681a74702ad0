// Raw handles: numbers that stand for blocks, for indexes of millions of them without an object each.
//
// A handle is a safe integer of 53 bits: a tag of the kind (6 bits), whether the block is a slot of a slab (1 bit), which
// one (30 bits for the slab's descriptor and 10 for the slot, or 30 for the unit where a run begins), and a generation (6
// bits). One byte of state for each slot, and for each unit, says whether a handle of it is out, and of which generation.
// The state stays with the descriptor when the slab is gone, so that it never forgets: memory that becomes another slab's
// has other handles. It is shared by all threads of the kind, so that a handle may be freed by any of them, once. All of it
// is looked up in the heap's own tables (native/heap/slab_allocator.h, run_allocator.h), without a native call.
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
	noSlot,
	descriptorWords,
	unitTagShift,
	largeTag,
	slabTag,
} = native.kindLayout;

// The low word of a handle: generation, slot, and the low half of the index. The high word: the rest of that, whether it
// is a slab's, the tag.
const wordSpan = 2 ** 32;
const generationMask = 0x3f;
const slotShift = 6;
const slotMask = 0x3ff;
const indexShift = 16;
const lowHalf = 0xffff;
const highIndexMask = 0x3fff;
const isSlab = 1 << 14;
const tagShift = 15;
/** Tags are 1 to 63: a handle is never 0, and a small number never a handle. */
const tags = 63;

const classMask = 2 ** slabClassBits - 1;
const slotsMask = 2 ** slabSlotsBits - 1;
const entryMask = 2 ** unitTagShift - 1;
const ownerMask = slabOwners - 1;
const slabEntry = slabTag << unitTagShift;
/** Of longer runs the code is no small integer. */
const mostSmallUnits = 2 ** (30 - unitsShift) - 1;
/** A slab's state base is a number without a sign, in units of eight bytes. */
const stateSpan = 8 * 2 ** 32;
const quantumShift = Math.log2(sizeQuantum);
/** To divide a multiple of a class's size by it, both in quanta: exact below 2^19 quanta. */
const inverseShift = 19;
const inverseSizes = Int32Array.from(classSizes, (size) => Math.ceil(2 ** inverseShift / (size / sizeQuantum)));

/** What raw handles need of their kind. */
interface Owner {
	/** The thread cache, or one that has nothing. */
	cache: Int32Array;
	number: number;
	/** As the heap knows whose this thread's blocks are. */
	owner: number;
	unitShift: number;
	isShared: boolean;
	/** Gives the heap's tables as they are now. */
	read: () => RawTables;
	/** Frees a block that is no handle's any more, and that the cache would not have. */
	giveBack: (code: number, segment: number, offset: number) => void;
	/**
	 * Takes a handle back and frees its block, which may be another thread's: one that this cache handed out again would
	 * be freed when that thread ends. False if the handle is not out.
	 */
	freeForeign: (index: number, slot: number, out: number) => boolean;
}

/** What `release` gives in place of a code. */
const freedCode = -1;

/** The raw handles of one thread's hold on a kind. */
export class RawHandles {
	/** Whether other threads may free handles, too. Once true it stays so. */
	#isShared: boolean;
	/** Where the block is that `find` or `release` was last asked for. */
	segment = 0;
	offset = 0;
	#cache: Int32Array;
	#giveBack: Owner['giveBack'];
	#freeForeign: Owner['freeForeign'];
	#owner: number;
	#tag: number;
	#slabTag: number;
	#unitShift: number;
	#unitMask: number;
	/** log2 of the units in a segment. */
	#segmentShift: number;
	#segmentMask: number;
	#read: () => RawTables;
	#unitMap = new Int32Array(0);
	#descriptors = new Int32Array(0);
	#slotStates = new Uint8Array(0);
	#runStates = new Uint8Array(0);
	#slotOwners = new Uint16Array(0);
	#runOwners = new Uint16Array(0);

	constructor({ cache, number, owner, unitShift, isShared, read, giveBack, freeForeign }: Owner) {
		this.#cache = cache;
		this.#owner = owner;
		this.#freeForeign = freeForeign;
		this.#isShared = isShared;
		this.#tag = (1 + (number % tags)) << tagShift;
		this.#slabTag = this.#tag | isSlab;
		this.#giveBack = giveBack;
		this.#read = read;
		this.#unitShift = unitShift;
		this.#unitMask = 2 ** unitShift - 1;
		this.#segmentShift = Math.log2(segmentSize) - unitShift;
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

	/** Frees a block. False, with nothing changed, if the handle is none, or out of the ordinary. */
	free(handle: number): boolean {
		const high = (handle / wordSpan) | 0;
		const low = handle >>> 0;
		const index = ((high & highIndexMask) << indexShift) | (low >>> indexShift);
		const slab = index * descriptorWords;
		const descriptors = this.#descriptors;
		if ((high & ~highIndexMask) !== this.#slabTag || slab + slabStateBase >= descriptors.length) {
			return this.#freeRun(handle, high, index);
		}
		const start = descriptors[slab + slabStart]!;
		const shape = descriptors[slab + slabShape]!;
		const slot = (low >>> slotShift) & slotMask;
		const state = descriptors[slab + slabStateBase]! * 8 + slot;
		const out = (low & generationMask) | isOut;
		if (
			high * wordSpan + low !== handle ||
			slot >= ((shape >>> slabClassBits) & slotsMask) ||
			this.#unitMap[start] !== (slabEntry | index)
		) {
			return false;
		}
		const states = this.#slotStates;
		if (states[state] !== out) return false;
		if (!this.#isShared) states[state] = out ^ isOut;
		else if (!this.#ownsSlot(slab, state)) return this.#freeForeign(index, slot, out);
		// Another thread may have been faster.
		else if (Atomics.compareExchange(states, state, out, out ^ isOut) !== out) return false;
		const code = shape & classMask;
		const offset = ((start & this.#segmentMask) << this.#unitShift) + slot * classSizes[code]!;
		const segment = start >>> this.#segmentShift;
		if (!push(this.#cache, code, segment, offset)) this.#giveBack(code, segment, offset);
		return true;
	}

	#freeRun(handle: number, high: number, unit: number): boolean {
		const low = handle >>> 0;
		const isRun = (high & ~highIndexMask) === this.#tag && high * wordSpan + low === handle;
		if (!isRun || unit >= this.#unitMap.length) return false;
		const entry = this.#unitMap[unit]!;
		const units = entry & entryMask;
		if (entry >>> unitTagShift !== largeTag || units > mostSmallUnits) return false;
		// A run has no slot: with one, this is the number of no state.
		const out = (low & lowHalf) + isOut;
		const states = this.#runStates;
		if (states[unit] !== out) return false;
		if (!this.#isShared) states[unit] = out ^ isOut;
		else if (!this.#ownsRun(unit)) return this.#freeForeign(unit, noSlot, out);
		else if (Atomics.compareExchange(states, unit, out, out ^ isOut) !== out) return false;
		const code = smallRunCode(units);
		const offset = (unit & this.#segmentMask) << this.#unitShift;
		const segment = unit >>> this.#segmentShift;
		if (!push(this.#cache, code, segment, offset)) this.#giveBack(code, segment, offset);
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

	/** A handle for a block that has just been taken. */
	take(code: number, segment: number, offset: number): number {
		return code > runCode ? this.#takeRun(segment, offset) : this.#takeSlot(code, segment, offset);
	}

	#takeRun(segment: number, offset: number): number {
		const unit = (segment << this.#segmentShift) + (offset >>> this.#unitShift);
		const generation = following(this.#runStates[unit]!);
		this.#runStates[unit] = generation | isOut;
		return (this.#tag | (unit >>> indexShift)) * wordSpan + (((unit << indexShift) | generation) >>> 0);
	}

	#takeSlot(code: number, segment: number, offset: number): number {
		const index = this.#unitMap[(segment << this.#segmentShift) + (offset >>> this.#unitShift)]! & entryMask;
		const slab = index * descriptorWords;
		// The heap has more slabs now than when the tables were last looked at.
		if (slab + slabStateBase >= this.#descriptors.length) this.#readTables();
		const descriptors = this.#descriptors;
		const inSlab = offset - ((descriptors[slab + slabStart]! & this.#segmentMask) << this.#unitShift);
		const slot = Math.imul(inSlab >>> quantumShift, inverseSizes[code]!) >>> inverseShift;
		let state = descriptors[slab + slabStateBase]! * 8 + slot;
		if (state < 0) state += stateSpan;
		if (state >= this.#slotStates.length) this.#readTables();
		const states = this.#slotStates;
		const generation = following(states[state]!);
		states[state] = generation | isOut;
		const low = (index << indexShift) | (slot << slotShift) | generation;
		return (this.#slabTag | (index >>> indexShift)) * wordSpan + (low >>> 0);
	}

	/** The code of a handle's block; its place is in `segment` and `offset`. Throws if it is none, or freed. */
	find(handle: number): number {
		return this.#look(handle, false);
	}

	/** As find, and the handle is one no longer; -1 if its block has been freed, too. */
	release(handle: number): number {
		return this.#look(handle, true);
	}

	#look(handle: number, isReleased: boolean): number {
		const high = Math.floor(handle / wordSpan);
		const low = handle - high * wordSpan;
		const tag = Math.floor(high / 2 ** tagShift);
		if (!Number.isSafeInteger(handle) || tag < 1 || tag > tags) throw notABlock();
		if (tag !== this.#tag >>> tagShift) {
			throw daxkindError('ERR_DAXKIND_WRONG_KIND', 'This handle belongs to another kind; free it there');
		}
		const index = ((high & highIndexMask) << indexShift) | (low >>> indexShift);
		const slot = (low >>> slotShift) & slotMask;
		const [code, states, state] =
			(high & isSlab) !== 0 ? this.#lookForSlot(index, slot) : this.#lookForRun(index, slot);
		const generation = low & generationMask;
		const out = generation | isOut;
		if (isReleased && this.#isShared && states[state] === out) {
			const [isMine, which] =
				(high & isSlab) === 0 ? [this.#ownsRun(index), noSlot] : [this.#ownsSlot(index * descriptorWords, state), slot];
			if (!isMine && this.#freeForeign(index, which, out)) return freedCode;
			if (!isMine) throw freedAlready();
		}
		const was = isReleased ? Atomics.compareExchange(states, state, out, generation) : states[state];
		// Nobody has ever had a handle of it; or it was an older one.
		if (was === 0) throw notABlock();
		if (was !== out) throw freedAlready();
		return code;
	}

	#lookForSlot(index: number, slot: number): [code: number, states: Uint8Array, state: number] {
		const slab = index * descriptorWords;
		if (slab + slabStateBase >= this.#descriptors.length) this.#readTables();
		const descriptors = this.#descriptors;
		if (slab + slabStateBase >= descriptors.length) throw notABlock();
		const start = descriptors[slab + slabStart]!;
		const shape = descriptors[slab + slabShape]!;
		// The slab is gone, and was empty then.
		if (this.#unitMap[start] !== (slabEntry | index)) throw freedAlready();
		const code = shape & classMask;
		this.segment = start >>> this.#segmentShift;
		this.offset = ((start & this.#segmentMask) << this.#unitShift) + slot * classSizes[code]!;
		const state = (descriptors[slab + slabStateBase]! >>> 0) * 8 + slot;
		if (state >= this.#slotStates.length) this.#readTables();
		// The descriptor's slab had more slots once.
		if (slot >= ((shape >>> slabClassBits) & slotsMask)) throw this.#slotStates[state] ? freedAlready() : notABlock();
		return [code, this.#slotStates, state];
	}

	#lookForRun(unit: number, slot: number): [code: number, states: Uint8Array, state: number] {
		if (unit >= this.#unitMap.length || slot !== 0) throw notABlock();
		const entry = this.#unitMap[unit]!;
		// What was once a block here has been freed, or a slab has been made of it.
		if (entry >>> unitTagShift !== largeTag) throw this.#runStates[unit] === 0 ? notABlock() : freedAlready();
		this.segment = unit >>> this.#segmentShift;
		this.offset = (unit & this.#segmentMask) << this.#unitShift;
		return [runCodeOf(entry & entryMask), this.#runStates, unit];
	}

	#readTables(): void {
		const { unitMap, descriptors, slotStates, runStates, slotOwners, runOwners } = this.#read();
		this.#unitMap = new Int32Array(unitMap);
		this.#descriptors = new Int32Array(descriptors);
		this.#slotStates = new Uint8Array(slotStates);
		this.#runStates = new Uint8Array(runStates);
		this.#slotOwners = new Uint16Array(slotOwners);
		this.#runOwners = new Uint16Array(runOwners);
	}
}

/** The generation after that of a state: 1 to 63, so that a state of 0 is one that has never had a handle. */
function following(state: number): number {
	return (state & generationMask) === generationMask ? 1 : (state & generationMask) + 1;
}

function notABlock(): Error {
	return daxkindError('ERR_DAXKIND_NOT_A_BLOCK', 'This number is not a handle. Pass what mallocRaw returned');
}

function freedAlready(): Error {
	return daxkindError('ERR_DAXKIND_DOUBLE_FREE', 'The block of this handle has been freed already');
}
