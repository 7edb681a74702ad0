// The types of what only a kind can make, so that the compiler refuses what the run time refuses: a Buffer from elsewhere or a part of a
// block for `free`, any number for `freeRaw`. Brands are for the compiler alone: no value has such a property.

declare const brand: unique symbol;

/** What a value is made by. */
export interface Branded<Name extends string> {
	/** For the compiler alone: there is no such property. */
	readonly [brand]: Name;
}

/**
 * A block of a kind: a Buffer, to be used wherever one can be. What `subarray`, `slice` and `Buffer.from` make of it are ordinary Buffers,
 * which `free` refuses, and so does the compiler.
 *
 * Its memory is never a SharedArrayBuffer. Keep blocks that are to be freed in variables of this type: a `Map<string, Block>`.
 */
export interface Block extends NonSharedBuffer, Branded<'Block'> {}

/**
 * A number that stands for a block. It may be kept wherever numbers can be: what comes out of a Float64Array, of JSON or of another thread
 * is a number to the compiler, and `as RawHandle` says that it was a handle.
 *
 * ```ts
 * const handles = new Float64Array(1_000_000);
 * handles[0] = kind.mallocRaw(64);
 * kind.freeRaw(handles[0] as RawHandle);
 * ```
 *
 * The number 0 stands for no block, and needs no such word.
 */
export type RawHandle = number & Branded<'RawHandle'>;
