// The bytes that callers give to be stored.
import { requireInteger } from '../arguments.ts';
import { invalidArgType, outOfRange } from '../errors.ts';

/** The bytes of a view, not copied. */
export function bytesOf(source: unknown): Uint8Array {
	if (source instanceof Uint8Array) return source;
	if (!ArrayBuffer.isView(source)) throw invalidArgType('source', 'a Buffer, TypedArray or DataView', source);
	return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
}

/** Throws if `length` bytes have no room at `offset` in a mapping of `most` bytes. */
export function requirePlace(offset: number, length: number, most: number): void {
	if (length > most) throw outOfRange('source.byteLength', `<= ${most}, the length of the mapping`, length);
	requireInteger('offset', offset, 0, most - length);
}
