// Looking at, copying and filling bytes.

// Taken once: others may be put in their place later.
const { apply } = Reflect;
const { fill, set, subarray } = Uint8Array.prototype;

/** The first bytes, at most so many, without a copy. */
export function firstOf(bytes: Uint8Array, most: number): Uint8Array {
	return apply(subarray, bytes, [0, most]) as Uint8Array;
}

/** Copies all of `from` to the start of `to`. */
export function copy(to: Uint8Array, from: Uint8Array): void {
	apply(set, to, [from]);
}

/** Fills it with zeros. */
export function clear(bytes: Uint8Array): void {
	apply(fill, bytes, [0]);
}
