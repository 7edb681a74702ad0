// The fields that are one number. Each type has a class of its own, whose code is the same but for a few words, because
// V8 remembers for each function which classes of typed arrays it has met. One class for all types takes 9 ns for a
// read instead of 5 once it has met eight of them. A factory of classes would not help: the functions that one piece of
// source makes share what they have met.
import { invalidArgType, outOfRange } from '../errors.ts';
import type { Column } from './column.ts';
import type { FieldLayout } from './schema.ts';

/** A field of records that is a number: its value in each record. */
export interface RecordNumberField<Value extends number | bigint = number> {
	/** Where the field begins in a record, in bytes. */
	readonly offset: number;
	/**
	 * The value in a record.
	 *
	 * @param index The number of the record, from 0 on.
	 * @throws RangeError ERR_OUT_OF_RANGE, TypeError ERR_INVALID_ARG_TYPE if there is no such record; Error
	 *   ERR_INVALID_STATE when the records have been freed or the kind is closed.
	 */
	get(index: number): Value;
	/**
	 * Stores a value in a record.
	 *
	 * @throws As `get`; RangeError ERR_OUT_OF_RANGE, TypeError ERR_INVALID_ARG_TYPE if the field cannot hold the value.
	 *   Nothing has changed then. An `f32` holds the nearest number of its precision.
	 */
	set(index: number, value: Value): void;
}

function refuseValue(value: unknown, least: number | bigint, most: number | bigint): never {
	const type = typeof least;
	if (typeof value !== type) throw invalidArgType('value', `of type ${type}`, value);
	if (typeof value === 'number' && !Number.isInteger(value)) throw outOfRange('value', 'an integer', value);
	throw outOfRange('value', `>= ${least} && <= ${most}`, value);
}

class U8Field implements RecordNumberField {
	readonly offset: number;
	readonly #column: Column<Uint8Array>;

	constructor({ offset }: FieldLayout, column: Column<Uint8Array>) {
		this.offset = offset;
		this.#column = column;
	}

	get(index: number): number {
		const column = this.#column;
		return column.view(index)[column.at(index)] ?? column.gone();
	}

	set(index: number, value: number): void {
		const column = this.#column;
		const view = column.view(index);
		const at = column.at(index);
		if (typeof value !== 'number' || (value | 0) !== value || value < 0 || value > 0xff) refuseValue(value, 0, 0xff);
		if (at >= view.length) column.gone();
		view[at] = value;
	}
}

class I8Field implements RecordNumberField {
	readonly offset: number;
	readonly #column: Column<Int8Array>;

	constructor({ offset }: FieldLayout, column: Column<Int8Array>) {
		this.offset = offset;
		this.#column = column;
	}

	get(index: number): number {
		const column = this.#column;
		return column.view(index)[column.at(index)] ?? column.gone();
	}

	set(index: number, value: number): void {
		const column = this.#column;
		const view = column.view(index);
		const at = column.at(index);
		if (typeof value !== 'number' || (value | 0) !== value || value < -0x80 || value > 0x7f)
			refuseValue(value, -0x80, 0x7f);
		if (at >= view.length) column.gone();
		view[at] = value;
	}
}

class U16Field implements RecordNumberField {
	readonly offset: number;
	readonly #column: Column<Uint16Array>;

	constructor({ offset }: FieldLayout, column: Column<Uint16Array>) {
		this.offset = offset;
		this.#column = column;
	}

	get(index: number): number {
		const column = this.#column;
		return column.view(index)[column.at(index)] ?? column.gone();
	}

	set(index: number, value: number): void {
		const column = this.#column;
		const view = column.view(index);
		const at = column.at(index);
		if (typeof value !== 'number' || (value | 0) !== value || value < 0 || value > 0xffff)
			refuseValue(value, 0, 0xffff);
		if (at >= view.length) column.gone();
		view[at] = value;
	}
}

class I16Field implements RecordNumberField {
	readonly offset: number;
	readonly #column: Column<Int16Array>;

	constructor({ offset }: FieldLayout, column: Column<Int16Array>) {
		this.offset = offset;
		this.#column = column;
	}

	get(index: number): number {
		const column = this.#column;
		return column.view(index)[column.at(index)] ?? column.gone();
	}

	set(index: number, value: number): void {
		const column = this.#column;
		const view = column.view(index);
		const at = column.at(index);
		if (typeof value !== 'number' || (value | 0) !== value || value < -0x8000 || value > 0x7fff)
			refuseValue(value, -0x8000, 0x7fff);
		if (at >= view.length) column.gone();
		view[at] = value;
	}
}

class U32Field implements RecordNumberField {
	readonly offset: number;
	readonly #column: Column<Uint32Array>;

	constructor({ offset }: FieldLayout, column: Column<Uint32Array>) {
		this.offset = offset;
		this.#column = column;
	}

	get(index: number): number {
		const column = this.#column;
		return column.view(index)[column.at(index)] ?? column.gone();
	}

	set(index: number, value: number): void {
		const column = this.#column;
		const view = column.view(index);
		const at = column.at(index);
		if (typeof value !== 'number' || value >>> 0 !== value) refuseValue(value, 0, 0xffff_ffff);
		if (at >= view.length) column.gone();
		view[at] = value;
	}
}

class I32Field implements RecordNumberField {
	readonly offset: number;
	readonly #column: Column<Int32Array>;

	constructor({ offset }: FieldLayout, column: Column<Int32Array>) {
		this.offset = offset;
		this.#column = column;
	}

	get(index: number): number {
		const column = this.#column;
		return column.view(index)[column.at(index)] ?? column.gone();
	}

	set(index: number, value: number): void {
		const column = this.#column;
		const view = column.view(index);
		const at = column.at(index);
		if (typeof value !== 'number' || (value | 0) !== value) refuseValue(value, -0x8000_0000, 0x7fff_ffff);
		if (at >= view.length) column.gone();
		view[at] = value;
	}
}

class U64Field implements RecordNumberField<bigint> {
	readonly offset: number;
	readonly #column: Column<BigUint64Array>;

	constructor({ offset }: FieldLayout, column: Column<BigUint64Array>) {
		this.offset = offset;
		this.#column = column;
	}

	get(index: number): bigint {
		const column = this.#column;
		return column.view(index)[column.at(index)] ?? column.gone();
	}

	set(index: number, value: bigint): void {
		const column = this.#column;
		const view = column.view(index);
		const at = column.at(index);
		if (typeof value !== 'bigint' || value < 0n || value > 0xffff_ffff_ffff_ffffn)
			refuseValue(value, 0n, 0xffff_ffff_ffff_ffffn);
		if (at >= view.length) column.gone();
		view[at] = value;
	}
}

class I64Field implements RecordNumberField<bigint> {
	readonly offset: number;
	readonly #column: Column<BigInt64Array>;

	constructor({ offset }: FieldLayout, column: Column<BigInt64Array>) {
		this.offset = offset;
		this.#column = column;
	}

	get(index: number): bigint {
		const column = this.#column;
		return column.view(index)[column.at(index)] ?? column.gone();
	}

	set(index: number, value: bigint): void {
		const column = this.#column;
		const view = column.view(index);
		const at = column.at(index);
		if (typeof value !== 'bigint' || value < -0x8000_0000_0000_0000n || value > 0x7fff_ffff_ffff_ffffn)
			refuseValue(value, -0x8000_0000_0000_0000n, 0x7fff_ffff_ffff_ffffn);
		if (at >= view.length) column.gone();
		view[at] = value;
	}
}

class F32Field implements RecordNumberField {
	readonly offset: number;
	readonly #column: Column<Float32Array>;

	constructor({ offset }: FieldLayout, column: Column<Float32Array>) {
		this.offset = offset;
		this.#column = column;
	}

	get(index: number): number {
		const column = this.#column;
		return column.view(index)[column.at(index)] ?? column.gone();
	}

	set(index: number, value: number): void {
		const column = this.#column;
		const view = column.view(index);
		const at = column.at(index);
		if (typeof value !== 'number') throw invalidArgType('value', 'of type number', value);
		if (at >= view.length) column.gone();
		view[at] = value;
	}
}

class F64Field implements RecordNumberField {
	readonly offset: number;
	readonly #column: Column<Float64Array>;

	constructor({ offset }: FieldLayout, column: Column<Float64Array>) {
		this.offset = offset;
		this.#column = column;
	}

	get(index: number): number {
		const column = this.#column;
		return column.view(index)[column.at(index)] ?? column.gone();
	}

	set(index: number, value: number): void {
		const column = this.#column;
		const view = column.view(index);
		const at = column.at(index);
		if (typeof value !== 'number') throw invalidArgType('value', 'of type number', value);
		if (at >= view.length) column.gone();
		view[at] = value;
	}
}

/** The class of the fields of each type. */
export const numberFields = {
	u8: U8Field,
	i8: I8Field,
	u16: U16Field,
	i16: I16Field,
	u32: U32Field,
	i32: I32Field,
	u64: U64Field,
	i64: I64Field,
	f32: F32Field,
	f64: F64Field,
} as const;
