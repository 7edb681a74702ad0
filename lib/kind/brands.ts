// The types of blocks and handles, which only a kind can make. With them the compiler refuses what the run time
// refuses: a Buffer from elsewhere or a part of a block for `free`, any number for `freeRaw`. Brands are for the
// compiler alone: no value has such a property.

declare const brand: unique symbol;

/** A value that only kinds make. `Name` tells one such type from another. */
export interface Branded<Name extends string> {
	/** For the compiler alone: there is no such property. */
	readonly [brand]: Name;
}

/**
 * A block of a kind: a Buffer, which can be used wherever a Buffer can. `subarray`, `slice` and `Buffer.from` make
 * ordinary Buffers of it, which `free` refuses, and so does the compiler.
 *
 * Its memory is never a SharedArrayBuffer. Keep blocks that are to be freed in variables of this type: a
 * `Map<string, Block>`.
 */
export interface Block extends NonSharedBuffer, Branded<'Block'> {}

/**
 * A number that stands for a block. It may be kept wherever numbers can be. The compiler takes a value from a
 * Float64Array, from JSON or from another thread for a plain number: `as RawHandle` says that it was a handle.
 *
 * ```ts
 * const handles = new Float64Array(1_000_000);
 * handles[0] = kind.mallocRaw(64);
 * kind.freeRaw(handles[0] as RawHandle);
 * ```
 *
 * The number 0 stands for no block. It needs no `as RawHandle`.
 */
export type RawHandle = number & Branded<'RawHandle'>;
