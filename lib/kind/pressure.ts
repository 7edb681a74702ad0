// Tells the owner of a kind that its memory runs short.
import { setImmediate } from 'node:timers';
import { requireCallback } from '../arguments.ts';
import { invalidArgType, invalidArgValue, outOfRange } from '../errors.ts';
import { native } from '../native.ts';
import { clearPressure } from './fast-path.ts';
import type { KindStats } from './kind-stats.ts';

// Taken once, because a script may replace it later.
const nextTurn = setImmediate;

/** The argument of `onPressure`. */
export interface KindPressure {
	/**
	 * - `threshold`: more than `pressureThreshold` of the capacity is in use. It is told once, in the next turn of the
	 *   event loop at the earliest, and again only after less has been in use.
	 * - `out-of-memory`: an allocation is about to fail, and waits for the callback. Then the kind tries again with the
	 *   memory that the callback freed.
	 */
	reason: 'threshold' | 'out-of-memory';
	/** How many bytes the allocation asks for; 0 for `threshold`. */
	requested: number;
	stats: KindStats;
}

export interface KindPressureOptions {
	/**
	 * Called when memory runs short, in the thread that gave it, for the allocations of that thread. An `out-of-memory`
	 * call comes in the middle of the allocation.
	 */
	onPressure?: (pressure: KindPressure) => void;
	/**
	 * The part of the capacity that may be in use before `onPressure` is called: more than 0, at most 1. If the
	 * directory's file system or quota has less than the capacity, it is the part of that. Default 0.9. It must not be
	 * given without `onPressure`.
	 */
	pressureThreshold?: number;
}

/** The names of the options. */
export const pressureOptions = ['onPressure', 'pressureThreshold'] as const;

/**
 * Checks the options and returns them. It reads each one once, because a getter could say something else the next time.
 */
export function checkPressureOptions({
	onPressure,
	pressureThreshold: given,
}: KindPressureOptions): CheckedPressureOptions {
	const pressureThreshold = given === undefined ? 0.9 : given;
	requireCallback('options.onPressure', onPressure);
	if (typeof pressureThreshold !== 'number') {
		throw invalidArgType('options.pressureThreshold', 'of type number', pressureThreshold);
	}
	if (!(pressureThreshold > 0 && pressureThreshold <= 1)) {
		throw outOfRange('options.pressureThreshold', '> 0 && <= 1', pressureThreshold);
	}
	if (given !== undefined && onPressure === undefined) {
		throw invalidArgValue('options.pressureThreshold', 'absent unless options.onPressure is given', given);
	}
	return { onPressure, pressureThreshold };
}

/** The options as {@link checkPressureOptions} returns them. */
export interface CheckedPressureOptions {
	onPressure: KindPressureOptions['onPressure'] | undefined;
	pressureThreshold: number;
}

/** What this needs of a kind. It is not the Kind itself, because a script can replace a Kind's methods. */
interface Watched {
	readonly heap: { readonly cache: Int32Array };
	readonly isOpen: boolean;
	stats(): KindStats;
}

export class PressureWatch {
	readonly #onPressure: (pressure: KindPressure) => void;
	readonly #kind: Watched;
	#isCalling = false;

	constructor(id: number, onPressure: (pressure: KindPressure) => void, threshold: number, kind: Watched) {
		this.#onPressure = onPressure;
		this.#kind = kind;
		native.kindWatch(id, threshold);
	}

	/** The threshold has been passed: tells the owner in the next turn of the event loop. */
	tell(): void {
		const kind = this.#kind;
		const pressure: KindPressure = { reason: 'threshold', requested: 0, stats: kind.stats() };
		nextTurn(() => {
			if (kind.isOpen) this.#onPressure(pressure);
		});
		// This comes last: if anything above throws, the owner is told later.
		clearPressure(kind.heap.cache);
	}

	/**
	 * Tells the owner before an allocation fails.
	 *
	 * @returns Whether it is worth another try.
	 */
	outOfMemory(requested: number): boolean {
		// An allocation that the callback itself makes just fails.
		if (this.#isCalling) return false;
		this.#isCalling = true;
		try {
			this.#onPressure({ reason: 'out-of-memory', requested, stats: this.#kind.stats() });
			return true;
		} finally {
			this.#isCalling = false;
		}
	}
}
