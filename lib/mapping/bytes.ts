// The bytes that callers give to be stored.
import { requireInteger } from '../arguments.ts';
import { invalidArgType, outOfRange } from '../errors.ts';

/** The bytes of a view that is the argument `name`, not copied. */
export function bytesOf(name: string, view: unknown): Uint8Array {
	if (view instanceof Uint8Array) return view;
	if (!ArrayBuffer.isView(view)) throw invalidArgType(name, 'a Buffer, TypedArray or DataView', view);
	return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** Throws if `length` bytes have no room at `offset` in a mapping of `most` bytes. */
export function requirePlace(offset: number, length: number, most: number): void {
	if (length > most) throw outOfRange('source.byteLength', `<= ${most}, the length of the mapping`, length);
	requireInteger('offset', offset, 0, most - length);
}
