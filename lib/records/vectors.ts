// The fields that are several elements: bytes, and numbers of one type.
import { invalidArgType, outOfRange } from '../errors.ts';
import { FastBuffer } from '../fast-buffer.ts';
import type { Column } from './column.ts';
import type { FieldLayout } from './schema.ts';

/** A typed array, without the methods that differ between arrays of numbers and arrays of bigints. */
interface Elements {
	readonly buffer: ArrayBufferLike;
	readonly byteOffset: number;
	readonly length: number;
	set(source: ArrayLike<never>, offset: number): void;
	slice(): unknown;
	fill(value: never, start: number, end: number): unknown;
}

/** A field of records that is several numbers of one type: its array in each record. */
export interface RecordArrayField<A extends ArrayBufferView, Source = ArrayLike<number>> {
	/** Where the field begins in a record, in bytes. */
	readonly offset: number;
	/** How many elements it has. */
	readonly length: number;
	/**
	 * The elements in a record as an array over their memory, which makes an object. The array does not keep the memory:
	 * after `free` it shows whatever has the memory then.
	 *
	 * @param index The number of the record, from 0 on.
	 * @throws RangeError ERR_OUT_OF_RANGE, TypeError ERR_INVALID_ARG_TYPE if there is no such record; Error
	 *   ERR_INVALID_STATE when the records have been freed or the kind is closed.
	 */
	view(index: number): A;
	/** A copy of the elements in a record. Throws as `view`. */
	get(index: number): A;
	/**
	 * Stores elements in a record. If the source is shorter than the field, the rest becomes zeros. No object is made.
	 *
	 * @throws As `view`; RangeError ERR_OUT_OF_RANGE if the source is longer than the field; TypeError
	 *   ERR_INVALID_ARG_TYPE if it is no array, or has something else than numbers, or bigints for `u64` and `i64`.
	 *   Nothing has changed then.
	 */
	set(index: number, source: Source): void;
}

/** A field of records that is bytes: its Buffer in each record. `set` takes a string, too, and stores it as UTF-8. */
export interface RecordBytesField extends RecordArrayField<NonSharedBuffer, ArrayLike<number> | string> {
	/** The bytes in a record up to the first zero, or all of them, read as UTF-8. Throws as `view`. */
	text(index: number): string;
}

const isArrayLike = (value: unknown): value is ArrayLike<never> =>
	typeof value === 'object' &&
	value !== null &&
	Number.isInteger((value as ArrayLike<never>).length) &&
	(value as ArrayLike<never>).length >= 0;

/**
 * Refuses an array with an element of another type than `zero`. Two loops, because a comparison with a word that is not
 * a constant takes several times as long.
 */
function requireElements(source: ArrayLike<unknown>, zero: number | bigint): void {
	const { length } = source;
	let i = 0;
	if (typeof zero === 'number') while (i < length && typeof source[i] === 'number') i += 1;
	else while (i < length && typeof source[i] === 'bigint') i += 1;
	if (i < length) throw invalidArgType(`source[${i}]`, `of type ${typeof zero}`, source[i]);
}

/** Makes an array over a part of the memory of a view. */
type Make<A> = (buffer: ArrayBuffer, byteOffset: number, length: number) => A;

export class ArrayField<A extends ArrayBufferView, View extends Elements> implements RecordArrayField<A> {
	readonly offset: number;
	readonly length: number;
	readonly #column: Column<View>;
	readonly #elementSize: number;
	readonly #zero: never;
	readonly #make: Make<A>;

	/** @param zero The element zero: 0 or 0n. */
	constructor(
		{ offset, length, elementSize }: FieldLayout,
		column: Column<View>,
		zero: number | bigint,
		make: Make<A>,
	) {
		this.offset = offset;
		this.length = length;
		this.#column = column;
		this.#elementSize = elementSize;
		this.#zero = zero as never;
		this.#make = make;
	}

	view(index: number): A {
		const view = this.#column.live(index);
		const at = view.byteOffset + this.#column.at(index) * this.#elementSize;
		return this.#make(view.buffer as ArrayBuffer, at, this.length);
	}

	get(index: number): A {
		// V8 keeps short copies in its own heap, and does not have to allocate memory elsewhere.
		return (this.view(index) as unknown as Elements).slice() as A;
	}

	set(index: number, source: ArrayLike<number>): void {
		const view = this.#column.live(index);
		if (!isArrayLike(source)) throw invalidArgType('source', 'an array or a typed array', source);
		const { length } = source;
		if (length > this.length) throw outOfRange('source', `an array of at most ${this.length} elements`, length);
		// `set` of a typed array refuses an element when it comes to it, and has stored those before. Only another typed array
		// it refuses at once.
		const isView = ArrayBuffer.isView(source);
		if (!isView) requireElements(source, this.#zero);
		const at = this.#column.at(index);
		try {
			view.set(source as ArrayLike<never>, at);
		} catch (error) {
			if (!isView) throw error;
			throw invalidArgType('source', `an array with elements of type ${typeof this.#zero}`, source);
		}
		if (length < this.length) view.fill(this.#zero, at + length, at + this.length);
	}
}

export class BytesField extends ArrayField<NonSharedBuffer, NonSharedBuffer> implements RecordBytesField {
	readonly #column: Column<NonSharedBuffer>;

	constructor(layout: FieldLayout, column: Column<NonSharedBuffer>) {
		super(layout, column, 0, (buffer, byteOffset, length) => new FastBuffer(buffer, byteOffset, length));
		this.#column = column;
	}

	override get(index: number): NonSharedBuffer {
		return Buffer.from(this.view(index));
	}

	override set(index: number, source: ArrayLike<number> | string): void {
		if (typeof source !== 'string') {
			super.set(index, source);
			return;
		}
		const column = this.#column;
		const view = column.live(index);
		const length = Buffer.byteLength(source);
		if (length > this.length) throw outOfRange('source', `a string of at most ${this.length} bytes in UTF-8`, length);
		const at = column.at(index);
		view.write(source, at, length);
		view.fill(0, at + length, at + this.length);
	}

	text(index: number): string {
		const column = this.#column;
		const view = column.live(index);
		const at = column.at(index);
		let end = at;
		while (end < at + this.length && view[end] !== 0) end += 1;
		return view.toString('utf8', at, end);
	}
}
