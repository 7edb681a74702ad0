// Copying, in the engine's own words: others may be put in their place later.

const { apply } = Reflect;
const { fill, set } = Uint8Array.prototype;

/** Copies all of `from` to the start of `to`. */
export function copy(to: Uint8Array, from: Uint8Array): void {
	apply(set, to, [from]);
}

/** Fills it with zeros. */
export function clear(bytes: Uint8Array): void {
	apply(fill, bytes, [0]);
}
