// Looks at, copies and fills bytes.

// Taken once, because a script may replace them later.
const { apply } = Reflect;
const { fill, set, subarray } = Uint8Array.prototype;

/** The first bytes, at most `most`, without a copy. */
export function firstOf(bytes: Uint8Array, most: number): Uint8Array {
	return apply(subarray, bytes, [0, most]) as Uint8Array;
}

/** Copies all of `from` to the start of `to`. */
export function copy(to: Uint8Array, from: Uint8Array): void {
	apply(set, to, [from]);
}

/** Fills all bytes with zeros. */
export function clear(bytes: Uint8Array): void {
	apply(fill, bytes, [0]);
}
