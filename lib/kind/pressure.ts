// Telling the owner of a kind that its memory runs short.
import { setImmediate } from 'node:timers';
import { requireCallback } from '../arguments.ts';
import { invalidArgType, outOfRange } from '../errors.ts';
import { native } from '../native.ts';
import { clearPressure } from './fast-path.ts';
import type { KindStats } from './kind-stats.ts';

// Taken once: another may be put in its place later.
const nextTurn = setImmediate;

/** What `onPressure` is told. */
export interface KindPressure {
	/**
	 * - `threshold`: more than `pressureThreshold` of the capacity is in use; told once until less is in use again, in the
	 *   next turn of the event loop at the earliest.
	 * - `out-of-memory`: an allocation is about to fail. Blocks that the callback frees are used to try it once more.
	 */
	reason: 'threshold' | 'out-of-memory';
	/** Bytes that are being asked for; 0 for `threshold`. */
	requested: number;
	stats: KindStats;
}

export interface KindPressureOptions {
	/** Called when memory runs short, in the thread that gave it, for the allocations of that thread. */
	onPressure?: (pressure: KindPressure) => void;
	/**
	 * Which part of the capacity, or of what the directory's file system or quota has if that is less, may be in use before
	 * `onPressure` is called: more than 0, at most 1. Default 0.9.
	 */
	pressureThreshold?: number;
}

/** The names of the options. */
export const pressureOptions = ['onPressure', 'pressureThreshold'] as const;

/** Checks the options, reading each once, and gives them: a getter could say something else the next time. */
export function checkPressureOptions({
	onPressure,
	pressureThreshold = 0.9,
}: KindPressureOptions): CheckedPressureOptions {
	requireCallback('options.onPressure', onPressure);
	if (typeof pressureThreshold !== 'number') {
		throw invalidArgType('options.pressureThreshold', 'of type number', pressureThreshold);
	}
	if (!(pressureThreshold > 0 && pressureThreshold <= 1)) {
		throw outOfRange('options.pressureThreshold', '> 0 && <= 1', pressureThreshold);
	}
	return { onPressure, pressureThreshold };
}

/** The options as {@link checkPressureOptions} gives them. */
export interface CheckedPressureOptions {
	onPressure: KindPressureOptions['onPressure'] | undefined;
	pressureThreshold: number;
}

/** What this has to know of a kind: not the Kind itself, whose methods a script can replace. */
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

	/** The threshold has been passed: tells so in the next turn of the event loop. */
	tell(): void {
		const kind = this.#kind;
		const pressure: KindPressure = { reason: 'threshold', requested: 0, stats: kind.stats() };
		nextTurn(() => {
			if (kind.isOpen) this.#onPressure(pressure);
		});
		// Last: if any of this throws, it is told later.
		clearPressure(kind.heap.cache);
	}

	/** Before an allocation fails. Whether it is worth another try. */
	outOfMemory(requested: number): boolean {
		// What the callback itself asks for in vain just fails.
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
