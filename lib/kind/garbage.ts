// V8's garbage collector frees the blocks of `buffer()`. It does not know how much a kind can hold, so it would look
// for garbage long after the kind is full of it. So a kind that runs short asks it to collect. That takes turns of the
// event loop: the engine keeps every object that was made in a turn, because WeakRefs to it exist, until that turn has
// ended. And Node runs finalizers in turns of their own.
import { setImmediate, setTimeout } from 'node:timers';
import { promisify } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { native } from '../native.ts';

/** The collector is asked when this part of a kind is in use, and this part of the kind may be garbage… */
const shortPart = 3 / 4;
const leastPart = 1 / 8;
/** …or when an allocation fails, and this part of the kind may be garbage. */
const leastPartOfFailure = 1 / 64;
/** The kind looks whether that is so each time that this part of it has been allocated. */
const lookPart = 1 / 16;

/** After how many turns of the event loop the finalizers have run. With Node 20 and 24 it was one turn. */
const turnsOfFinalizers = 3;
/** `retry` waits longer if it must: it looks this often, and waits so many milliseconds before each look. */
const mostLooks = 50;
const lookMs = 2;

// Taken once, because a script may replace them later.
const nextTurn = setImmediate;
const { min } = Math;

const turn = promisify(setImmediate);
const sleep = promisify(setTimeout);

type Collector = (options?: { type: 'minor' }) => void;

let collectGarbage: Collector | undefined;
let hasCollected = false;

/** Finds V8's own `gc`. A global of that name may be a script's. */
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
		// This runtime has no such function, and no such flag.
		return undefined;
	}
}

/** Collects garbage in all of V8's heap, at most once in a turn of the event loop. No script runs in here. */
function collect(): void {
	if (hasCollected) return;
	collectGarbage ??= findCollector();
	if (collectGarbage === undefined) return;
	nextTurn(() => {
		hasCollected = false;
	}).unref();
	hasCollected = true;
	collectGarbage();
	// Another thread of V8 frees the garbage later. But a collection of the young generation begins by waiting for
	// that.
	collectGarbage({ type: 'minor' });
}

/** Watches how much of a kind's memory may be garbage. */
export class Garbage {
	readonly #id: number;
	readonly #capacity: number;
	/** Bytes to be allocated before the next look. Infinite until the first block of `buffer()`. */
	#untilLook = Number.POSITIVE_INFINITY;
	/** At most so many bytes were reachable after the last collection. */
	#reachable = 0;
	/** Whether a collection's finalizers have still to run. Until they have, it is not known what was garbage. */
	#isCollecting = false;

	constructor(id: number, capacity: number) {
		this.#id = id;
		this.#capacity = capacity;
	}

	/** Bytes in blocks that the collector frees, in all threads. */
	get mostBytes(): number {
		return native.kindCollectable(this.#id, 0);
	}

	/** A block of that many bytes, which the collector frees, has been made. */
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
		// Memory that has come back since then was not reachable. Its finalizers were only late.
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
	 * Tries an allocation, and tries again after a collection, as long as finalizers may have work to do.
	 *
	 * @param attempt Returns undefined if there is no memory.
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
