// Blocks of `buffer()` are freed by V8's garbage collector, which does not know how much a kind can hold: it would look for
// garbage long after the kind is full of it. So it is asked to when a kind runs short. That takes turns of the event loop:
// the engine keeps what has been made in a turn, because there are WeakRefs of it, until that turn has ended, and Node runs
// finalizers in turns of their own.
import { setImmediate, setTimeout } from 'node:timers';
import { promisify } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { native } from '../native.ts';

/** The collector is asked when so much of a kind is in use, and so much of the kind may be garbage… */
const shortPart = 3 / 4;
const leastPart = 1 / 8;
/** …or when an allocation fails, and so much of it may. */
const leastPartOfFailure = 1 / 64;
/** How often that is looked at: each time that so much of the kind has been allocated. */
const lookPart = 1 / 16;

/** In how many turns of the event loop the finalizers have run. Measured with Node 20 and 24: one. */
const turnsOfFinalizers = 3;
/** How much longer that may take: it is looked at so many times more, each so many milliseconds after the last. */
const mostLooks = 50;
const lookMs = 2;

// Taken once: others may be put in their place later.
const nextTurn = setImmediate;
const { min } = Math;

const turn = promisify(setImmediate);
const sleep = promisify(setTimeout);

type Collector = (options?: { type: 'minor' }) => void;

let collectGarbage: Collector | undefined;
let hasCollected = false;

/** V8's own function; a global that scripts have made would not do. */
function findCollector(): Collector | undefined {
	const find = () => runInNewContext('typeof gc === "function" ? gc : undefined') as Collector | undefined;
	try {
		const found = find();
		if (found !== undefined) return found;
		setFlagsFromString('--expose-gc');
		try {
			return find();
		} finally {
			setFlagsFromString('--no-expose-gc');
		}
	} catch {
		// A runtime that has neither.
		return undefined;
	}
}

/** Looks for garbage in all of the heap, once a turn of the event loop. No script runs in here. */
function collect(): void {
	if (hasCollected) return;
	collectGarbage ??= findCollector();
	if (collectGarbage === undefined) return;
	nextTurn(() => {
		hasCollected = false;
	}).unref();
	hasCollected = true;
	collectGarbage();
	// Another thread of V8's frees what was found, when it gets to it: a collection of the young begins by waiting for that.
	collectGarbage({ type: 'minor' });
}

/** What may be garbage of a kind's memory. */
export class Garbage {
	readonly #id: number;
	readonly #capacity: number;
	/** Bytes to be allocated before the next look; infinite as long as nothing has been. */
	#untilLook = Number.POSITIVE_INFINITY;
	/** Bytes that were none after the last collection, or fewer. */
	#reachable = 0;
	/** Whether the finalizers of a collection are to run, before which it is not known what was garbage. */
	#isCollecting = false;

	constructor(id: number, capacity: number) {
		this.#id = id;
		this.#capacity = capacity;
	}

	/** Bytes in blocks that the collector frees, of all threads. */
	get mostBytes(): number {
		return native.kindCollectable(this.#id, 0);
	}

	/** A block of so many bytes has been made that the collector frees. */
	allocated(size: number): void {
		if (this.#untilLook === Number.POSITIVE_INFINITY) this.#untilLook = this.#capacity * lookPart;
		this.#untilLook -= size;
		if (this.#untilLook > 0) return;
		this.#untilLook = this.#capacity * lookPart;
		this.#look(shortPart, leastPart);
	}

	/** An allocation is about to fail. */
	failed(): void {
		if (this.#untilLook !== Number.POSITIVE_INFINITY) this.#look(0, leastPartOfFailure);
	}

	#look(part: number, least: number): void {
		if (this.#isCollecting) return;
		const bytes = this.mostBytes;
		// What has come back since then was not reachable, only late.
		this.#reachable = min(this.#reachable, bytes);
		if (bytes - this.#reachable < this.#capacity * least) return;
		if (native.kindCollectable(this.#id, part) === 0) return;
		nextTurn(() => {
			collect();
			this.#awaitFinalizers(turnsOfFinalizers);
		}).unref();
		this.#isCollecting = true;
	}

	#awaitFinalizers(turns: number): void {
		nextTurn(() => {
			if (turns > 1) {
				this.#awaitFinalizers(turns - 1);
				return;
			}
			this.#isCollecting = false;
			this.#reachable = this.mostBytes;
		}).unref();
	}

	/**
	 * Tries an allocation, and again after a collection, as long as finalizers may have work to do.
	 *
	 * @param attempt Gives undefined if there is no memory.
	 */
	async retry<Result>(attempt: () => Result | undefined): Promise<Result | undefined> {
		let result = attempt();
		if (result !== undefined || this.mostBytes === 0) return result;
		await turn();
		collect();
		for (let turns = 0; result === undefined && turns < turnsOfFinalizers + mostLooks; turns++) {
			if (this.mostBytes === 0) break;
			await (turns < turnsOfFinalizers ? turn() : sleep(lookMs));
			result = attempt();
		}
		return result;
	}
}
