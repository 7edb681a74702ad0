// The fast paths of raw handles; raw-tables.ts says what a handle is. `freeRaw` leaves a block in the thread cache by
// the number of its place. So neither `freeRaw` nor the next `mallocRaw` has to look up where the block is.
import { native } from '../native.ts';
import * as codes from './codes.ts';
import * as fastPath from './fast-path.ts';
import * as rawTables from './raw-tables.ts';
import { handleFreedAlready } from './refusals.ts';
import type { FoundMemory } from './thread-heap.ts';

// V8 knows the values of this module's constants, but looks at an import each time.
const { classFor, smallRunCode, smallRunCodeOf } = codes;
const { unitOf } = rawTables;
const { isFor, newest, numberAt, offsetAt, pop, popSlot, push, pushNumber, segmentAt } = fastPath;
const {
	maxSlabSize,
	runCode,
	unitsShift,
	handleOut,
	groupShift,
	rawGenerationBits,
	unitTagShift,
	largeTag,
	leastUnitShift,
} = native.kindLayout;

// Taken once, because a script may replace it later.
const { compareExchange } = Atomics;

/** Generations are 1 to 2,047, so a state of 0 says that the place has never had a handle. */
const generations = 2 ** rawGenerationBits;
const generationMask = generations - 1;
const entryMask = 2 ** unitTagShift - 1;
/** The code of a longer run is not a small integer. */
const mostSmallUnits = 2 ** (30 - unitsShift) - 1;

const slabClasses = native.kindLayout.classSizes.length;
/** How many blocks are left in the cache by segment and offset after `malloc` has found one there by its number. */
const wantedFor = 64;

/** What raw handles need from their kind. */
export interface RawOptions extends rawTables.TableOptions {
	/** The thread cache, or an empty one. */
	cache: Int32Array;
	/** Whether other threads may free this kind's handles, too. */
	isShared: boolean;
	/**
	 * Frees a block that no handle stands for any more, and that the cache did not take. If it throws, nothing has
	 * changed.
	 */
	giveBack: (code: number, segment: number, offset: number) => void;
	/**
	 * Takes a handle back and frees its block, which may be another thread's. Such a block must not go to this thread's
	 * cache: if this cache handed it out again, it would be freed when the other thread ends. False if the handle is
	 * not out.
	 */
	freeForeign: (number: number, out: number) => boolean;
}

/** The raw handles of one thread's hold on a kind. */
export class RawHandles extends rawTables.RawTables {
	readonly #cache: Int32Array;
	readonly #unitGrowth: number;
	readonly #giveBack: RawOptions['giveBack'];
	readonly #freeForeign: RawOptions['freeForeign'];
	/** Never becomes false again. */
	#isShared: boolean;
	/**
	 * By class + 1, and 0 for runs: how many blocks `freeRaw` is to leave in the thread cache by segment and offset,
	 * because `malloc` takes blocks of that class. Runs are always left so.
	 */
	readonly #placesWanted = new Uint8Array(slabClasses + 1);

	constructor({ cache, isShared, giveBack, freeForeign, ...tables }: RawOptions) {
		super(tables);
		this.#cache = cache;
		this.#unitGrowth = tables.unitShift - leastUnitShift;
		this.#giveBack = giveBack;
		this.#freeForeign = freeForeign;
		this.#isShared = isShared;
		this.#placesWanted[0] = 1;
	}

	/** Says that other threads may free handles from now on. */
	share(): void {
		if (this.#isShared) return;
		this.readTables();
		this.#isShared = true;
	}

	/**
	 * A handle for a block out of the thread cache. 0 if the cache has no block for this size, which is more than 0.
	 */
	malloc(size: number): number {
		if (size > maxSlabSize) return this.#mallocRun(smallRunCode(size, this.#unitGrowth));
		const cache = this.#cache;
		const code = classFor(size);
		const entry = newest(cache, code);
		if (entry === 0) return 0;
		let number = numberAt(cache, entry);
		if (number < 0) number = this.#lookUp(code, entry);
		const states = this.states;
		const generation = following(states[number]!);
		popSlot(cache, entry);
		states[number] = generation | handleOut;
		return this.first + number * generations + generation;
	}

	/** The number of the place of a cached block of a class. */
	#lookUp(code: number, entry: number): number {
		return this.numberOfSlot(code, segmentAt(this.#cache, entry), offsetAt(this.#cache, entry));
	}

	#mallocRun(code: number): number {
		const cache = this.#cache;
		const entry = newest(cache, code);
		if (entry === 0 || !isFor(cache, code)) return 0;
		const number = this.numberOfRun(segmentAt(cache, entry), offsetAt(cache, entry));
		const states = this.states;
		const generation = following(states[number]!);
		pop(cache, entry, code);
		states[number] = generation | handleOut;
		return this.first + number * generations + generation;
	}

	/**
	 * Frees the block of a handle. False if the number is not a handle, or if anything is out of the ordinary. Nothing
	 * has changed then.
	 */
	free(handle: number): boolean {
		const local = handle - this.first;
		const number = (local / generations) | 0;
		const generation = local & generationMask;
		// This refuses fractions, NaN, and numbers that are far away.
		if (number * generations + generation !== local) return false;
		const states = this.states;
		if (states[number] !== (generation | handleOut)) return false;
		if (this.#isShared) return this.#freeShared(number, generation | handleOut);
		// The handle is out, so the block is still there, and the group still has its class.
		const classAndOne = this.classes[number >>> groupShift]!;
		if (this.#placesWanted[classAndOne]! > 0) return this.#freeByPlace(number, classAndOne, generation);
		if (!pushNumber(this.#cache, classAndOne - 1, number)) return false;
		states[number] = generation;
		return true;
	}

	/**
	 * The same for a run, and for a class where `malloc` has lately found numbers. Looking them up costs `malloc` more
	 * than looking up the place costs here.
	 */
	#freeByPlace(number: number, classAndOne: number, generation: number): boolean {
		if (classAndOne === 0) return this.#freeRun(number, generation);
		const { segment, offset } = this.slotAt(number);
		if (!push(this.#cache, classAndOne - 1, segment, offset)) return false;
		this.#placesWanted[classAndOne]! -= 1;
		this.states[number] = generation;
		return true;
	}

	/** The place of a slot that lies in the thread cache by its number. `malloc` asks for it. */
	resolve(number: number): { segment: number; offset: number } {
		this.#placesWanted[this.classes[number >>> groupShift]!] = wantedFor;
		return this.slotAt(number);
	}

	#freeRun(number: number, generation: number): boolean {
		const unit = unitOf(number);
		const entry = this.unitMap[unit]!;
		const units = entry & entryMask;
		if (entry >>> unitTagShift !== largeTag || units > mostSmallUnits) return false;
		if (!push(this.#cache, smallRunCodeOf(units), this.segmentOf(unit), this.offsetOf(unit))) return false;
		this.states[number] = generation;
		return true;
	}

	/** As `free`, when other threads may free the handle at the same time. */
	#freeShared(number: number, out: number): boolean {
		if (!this.owns(number)) return this.#freeForeign(number, out);
		const classAndOne = this.classes[number >>> groupShift]!;
		const unit = classAndOne === 0 ? unitOf(number) : 0;
		const units = classAndOne === 0 ? this.unitMap[unit]! & entryMask : 0;
		if (units > mostSmallUnits || !this.#takeBack(number, out)) return false;
		try {
			const isPlaceWanted = this.#placesWanted[classAndOne]! > 0;
			if (units > 0) this.#give(smallRunCodeOf(units), this.segmentOf(unit), this.offsetOf(unit));
			else if (isPlaceWanted || !pushNumber(this.#cache, classAndOne - 1, number)) {
				if (isPlaceWanted) this.#placesWanted[classAndOne]! -= 1;
				const { segment, offset } = this.slotAt(number);
				this.#give(classAndOne - 1, segment, offset);
			}
		} catch (error) {
			// For example, the stack is at its end. The handle becomes valid again. It was not out meanwhile, so nobody
			// else can have taken it.
			this.states[number] = out;
			throw error;
		}
		return true;
	}

	/** As `free`, for any handle. Throws if it is not a handle, or has been freed. */
	freeSlowly(handle: number): void {
		const { number, out, code, segment, offset } = this.find(handle);
		if (this.#isShared && !this.owns(number)) {
			if (!this.#freeForeign(number, out)) throw handleFreedAlready();
			return;
		}
		if (!this.#takeBack(number, out)) throw handleFreedAlready();
		try {
			this.#give(code, segment, offset);
		} catch (error) {
			// The handle becomes valid again, as in `#freeShared`.
			this.states[number] = out;
			throw error;
		}
	}

	/** Takes back a handle that was out. False if another thread has been faster. */
	#takeBack(number: number, out: number): boolean {
		if (this.#isShared) return compareExchange(this.states, number, out, out ^ handleOut) === out;
		this.states[number] = out ^ handleOut;
		return true;
	}

	#give(code: number, segment: number, offset: number): void {
		if (!push(this.#cache, code, segment, offset)) this.#giveBack(code, segment, offset);
	}

	/**
	 * Makes a handle for a block that was found.
	 *
	 * @param take Takes the block. It is called as the last step.
	 */
	handleFor({ code, segment, offset }: FoundMemory, take: () => void): number {
		const isRun = code > runCode;
		const number = isRun ? this.numberOfRun(segment, offset) : this.numberOfSlot(code, segment, offset);
		const states = this.states;
		const was = states[number]!;
		const generation = following(was);
		states[number] = generation | handleOut;
		try {
			take();
		} catch (error) {
			states[number] = was;
			throw error;
		}
		return this.first + number * generations + generation;
	}
}

/** The generation that follows the one of a state. */
function following(state: number): number {
	return (state + 1) & generationMask || 1;
}
