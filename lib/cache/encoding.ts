// How values become bytes, and bytes values again. A cache stores the number of the encoding with each value.
import { deserialize, serialize } from 'node:v8';
import { invalidArgType } from '../errors.ts';
import { FastBuffer } from '../fast-buffer.ts';

/**
 * Makes bytes of values that are neither strings nor typed arrays, and values of bytes. The default is the structured
 * clone algorithm, as `serialize` and `deserialize` of node:v8 have it.
 */
export interface PmemCacheSerializer {
	serialize(value: unknown): Uint8Array;
	/** The bytes are a copy, which nobody else has. */
	deserialize(bytes: NonSharedBuffer): unknown;
}

export const defaultSerializer: PmemCacheSerializer = { serialize, deserialize };

export const encodings = { buffer: 0, latin1: 1, utf8: 2, utf16: 3, serialized: 4 } as const;

/** The classes of typed arrays; the encoding of the first one is `firstArray`. */
const arrays = [
	Uint8Array,
	Int8Array,
	Uint8ClampedArray,
	Int16Array,
	Uint16Array,
	Int32Array,
	Uint32Array,
	Float32Array,
	Float64Array,
	BigInt64Array,
	BigUint64Array,
] as const;
const firstArray = 16;

const arrayNames = new Map<string | undefined, number>(arrays.map(({ name }, at) => [name, firstArray + at]));

/** The name of the class of a typed array, whatever its prototype or its properties say. */
const nameOfArray = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag)!
	.get as (this: unknown) => string | undefined;

export interface Encoded {
	bytes: Uint8Array;
	encoding: number;
}

// Node 20 has it, but the types of ES2023 do not.
const { isWellFormed } = String.prototype as unknown as { isWellFormed(this: string): boolean };

function encodeString(text: string): Encoded {
	const utf8 = Buffer.byteLength(text);
	if (utf8 === text.length) return { bytes: Buffer.from(text, 'latin1'), encoding: encodings.latin1 };
	// UTF-8 has no lone surrogates.
	return isWellFormed.call(text)
		? { bytes: Buffer.from(text), encoding: encodings.utf8 }
		: { bytes: Buffer.from(text, 'utf16le'), encoding: encodings.utf16 };
}

/**
 * Encodes a value.
 *
 * @throws TypeError ERR_INVALID_ARG_TYPE for undefined, or if the serializer gives no Uint8Array; what it throws.
 */
export function encode(value: unknown, serializer: PmemCacheSerializer): Encoded {
	if (typeof value === 'string') return encodeString(value);
	if (Buffer.isBuffer(value)) return { bytes: value, encoding: encodings.buffer };
	const encoding = arrayNames.get(nameOfArray.call(value));
	if (encoding !== undefined) {
		const { buffer, byteOffset, byteLength } = value as Uint8Array;
		return { bytes: new Uint8Array(buffer, byteOffset, byteLength), encoding };
	}
	if (value === undefined)
		throw invalidArgType('value', 'something else than undefined, which stands for a miss', value);
	const bytes = serializer.serialize(value);
	if (!(bytes instanceof Uint8Array)) throw invalidArgType('serialize(value)', 'an instance of Uint8Array', bytes);
	return { bytes, encoding: encodings.serialized };
}

/**
 * Decodes bytes that nobody else has.
 *
 * @param from A multiple of 8.
 */
export function decode(
	encoding: number,
	memory: NonSharedBuffer,
	from: number,
	length: number,
	serializer: PmemCacheSerializer,
): unknown {
	const to = from + length;
	const start = memory.byteOffset + from;
	if (encoding === encodings.buffer) return new FastBuffer(memory.buffer, start, length);
	if (encoding === encodings.latin1) return memory.toString('latin1', from, to);
	if (encoding === encodings.utf8) return memory.toString('utf8', from, to);
	if (encoding === encodings.utf16) return memory.toString('utf16le', from, to);
	if (encoding === encodings.serialized) return serializer.deserialize(memory.subarray(from, to));
	const type = arrays[encoding - firstArray]!;
	// An ArrayBuffer of its own, as every typed array has that did not come out of another one.
	return new type(memory.buffer.slice(start, start + length));
}
