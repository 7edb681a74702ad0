// Telling the owner of a kind that its memory runs short.
import { invalidArgType, outOfRange } from '../errors.ts';
import { native } from '../native.ts';
import type { Kind } from './kind.ts';
import type { KindStats } from './kind-stats.ts';

const { pressureWord } = native.kindLayout;

/** What `onPressure` is told. */
export interface Pressure {
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

export interface PressureOptions {
	/** Called when memory runs short, in the thread that created the kind, for its allocations. */
	onPressure?: (pressure: Pressure) => void;
	/**
	 * Which part of the capacity, or of what the directory's file system or quota has if that is less, may be in use before
	 * `onPressure` is called: more than 0, at most 1. Default 0.9.
	 */
	pressureThreshold?: number;
}

/** Checks the options. */
export function checkPressureOptions(options: PressureOptions): PressureOptions {
	const { onPressure, pressureThreshold } = options;
	if (onPressure !== undefined && typeof onPressure !== 'function') {
		throw invalidArgType('options.onPressure', 'of type function', onPressure);
	}
	if (pressureThreshold !== undefined) {
		if (typeof pressureThreshold !== 'number') {
			throw invalidArgType('options.pressureThreshold', 'of type number', pressureThreshold);
		}
		if (!(pressureThreshold > 0 && pressureThreshold <= 1)) {
			throw outOfRange('options.pressureThreshold', '> 0 && <= 1', pressureThreshold);
		}
	}
	return options;
}

export class PressureWatch {
	#onPressure: (pressure: Pressure) => void;
	#isCalling = false;

	constructor(id: number, { onPressure, pressureThreshold = 0.9 }: PressureOptions) {
		this.#onPressure = onPressure!;
		native.kindWatch(id, pressureThreshold);
	}

	/** After an allocation: whether the threshold has been passed. */
	check(cache: Int32Array, kind: Kind): void {
		if (cache[pressureWord] === 0) return;
		cache[pressureWord] = 0;
		const pressure: Pressure = { reason: 'threshold', requested: 0, stats: kind.stats() };
		setImmediate(() => {
			if (!kind.closed) this.#onPressure(pressure);
		});
	}

	/** Before an allocation fails. Whether it is worth another try. */
	outOfMemory(requested: number, kind: Kind): boolean {
		// What the callback itself asks for in vain just fails.
		if (this.#isCalling) return false;
		this.#isCalling = true;
		try {
			this.#onPressure({ reason: 'out-of-memory', requested, stats: kind.stats() });
			return true;
		} finally {
			this.#isCalling = false;
		}
	}
}
