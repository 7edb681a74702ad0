// Typed arrays over blocks: `kind.array`. Such an array is an ordinary Float32Array, or whatever its class is, that
// carries its block in a private field. So it has the prototype that others expect, `subarray`, `slice` and `map` give
// arrays without a block, and nobody can forge one. Why it is no subclass and no WeakMap: docs/decisions/typed-arrays.md.
import { requireBoolean, requireInteger, requireOptions } from '../arguments.ts';
import { invalidArgType, outOfRange } from '../errors.ts';
import { BlockBuffer } from './block.ts';
import type { Branded } from './brands.ts';

/** The classes of typed arrays that `kind.array` makes. It makes a Float16Array, too, where the runtime has it. */
export type TypedArrayClass =
	| Int8ArrayConstructor
	| Uint8ArrayConstructor
	| Uint8ClampedArrayConstructor
	| Int16ArrayConstructor
	| Uint16ArrayConstructor
	| Int32ArrayConstructor
	| Uint32ArrayConstructor
	| Float32ArrayConstructor
	| Float64ArrayConstructor
	| BigInt64ArrayConstructor
	| BigUint64ArrayConstructor;

/**
 * A typed array that is a block of a kind. `free` takes it. `subarray`, `slice` and `map` make ordinary arrays of it,
 * which `free` refuses, and so does the compiler. Keep arrays that are to be freed in variables of this type:
 *
 * ```ts
 * const vectors = new Map<string, KindArray<Float32Array>>();
 * ```
 */
export type KindArray<A extends ArrayBufferView = ArrayBufferView> = A & Branded<'Array'>;

/** What `kind.array` returns for a class. */
export type ArrayOf<C extends TypedArrayClass> = KindArray<InstanceType<C>>;

export interface KindArrayOptions {
	/**
	 * Fill the array with zeros, in this thread. That takes as long as writing the memory does. Default false: the
	 * content is whatever was there before, as with `malloc`.
	 */
	zero?: boolean;
}

/** How many bytes an element of each class has. */
const elementSizes = new Map<unknown, number>();
for (const name of [
	...['Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array'],
	...['Float16Array', 'Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array'],
]) {
	const type = (globalThis as unknown as Record<string, TypedArrayClass | undefined>)[name];
	if (type !== undefined) elementSizes.set(type, type.BYTES_PER_ELEMENT);
}

/** How many bytes an element of the class has. Buffer and other classes that extend a typed array's are refused. */
export function elementSizeOf(type: unknown): number {
	const size = elementSizes.get(type);
	if (size === undefined) throw invalidArgType('type', 'a class of typed arrays, such as Float32Array', type);
	return size;
}

/** How many bytes an array has. The number need not be a safe integer. */
export function byteSizeOf(type: unknown, length: number): number {
	return elementSizeOf(type) * requireInteger('length', length);
}

/** The option `zero`. */
export function zeroOf(options: KindArrayOptions | undefined): boolean {
	if (options === undefined) return false;
	const { zero = false } = requireOptions<KindArrayOptions>('options', options, ['zero']);
	return requireBoolean('options.zero', zero);
}

/** Returns an object that exists already, so that a class that extends this one puts its private fields into it. */
class Existing {
	constructor(object: object) {
		// biome-ignore lint/correctness/noConstructorReturn: this is what the class is for.
		return object;
	}
}

/** The private field of an array. No object has this class's prototype. */
class Carrier extends Existing {
	readonly #block: BlockBuffer;

	constructor(array: object, block: BlockBuffer) {
		super(array);
		this.#block = block;
	}

	static blockOf(value: unknown): BlockBuffer | undefined {
		return typeof value === 'object' && value !== null && #block in value ? value.#block : undefined;
	}
}

const { blockOf } = Carrier;

/** The block that a value is, if it is an array over one. All other values are returned as they are. */
export function blockUnder(value: unknown): unknown {
	return blockOf(value) ?? value;
}

/** The block of an array. undefined if the value is no array over a block. */
export const blockOfArray = blockOf;

/** The array over all of a block that `length` elements fit into exactly. */
export function arrayOver<C extends TypedArrayClass>(type: C, block: BlockBuffer, length: number): ArrayOf<C> {
	const array = new type(BlockBuffer.backingOf(block).buffer, block.byteOffset, length);
	new Carrier(array, block);
	return array as ArrayOf<C>;
}

/** The same for a block of any length. */
export function arrayOverAll<C extends TypedArrayClass>(type: C, block: BlockBuffer): ArrayOf<C> {
	const size = elementSizeOf(type);
	const bytes = block.length;
	if (bytes % size !== 0) {
		throw outOfRange('type', `a class whose elements fill a block of ${bytes} bytes`, (type as { name: string }).name);
	}
	return arrayOver(type, block, bytes / size);
}
