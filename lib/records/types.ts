// The types of fields and records that follow from a schema.
import type { RecordNumberField } from './numbers.ts';
import type { RecordFieldSpec, RecordNumberType, RecordSchema } from './schema.ts';
import type { RecordArrayField, RecordBytesField } from './vectors.ts';

/** The number that a type stands for. */
export type RecordNumber<T extends RecordNumberType> = T extends 'u64' | 'i64' ? bigint : number;

/** The class of arrays of a type. */
export type RecordTypedArray<T extends RecordNumberType> = {
	u8: Uint8Array<ArrayBuffer>;
	i8: Int8Array<ArrayBuffer>;
	u16: Uint16Array<ArrayBuffer>;
	i16: Int16Array<ArrayBuffer>;
	u32: Uint32Array<ArrayBuffer>;
	i32: Int32Array<ArrayBuffer>;
	u64: BigUint64Array<ArrayBuffer>;
	i64: BigInt64Array<ArrayBuffer>;
	f32: Float32Array<ArrayBuffer>;
	f64: Float64Array<ArrayBuffer>;
}[T];

/** What reads and writes a field. */
export type RecordField<F extends RecordFieldSpec> = F extends RecordNumberType
	? RecordNumberField<RecordNumber<F>>
	: F extends { readonly bytes: number }
		? RecordBytesField
		: F extends { readonly type: infer T extends RecordNumberType }
			? RecordArrayField<RecordTypedArray<T>, ArrayLike<RecordNumber<T>>>
			: never;

/** The value of a field in one record. */
export type RecordValue<F extends RecordFieldSpec> = F extends RecordNumberType
	? RecordNumber<F>
	: F extends { readonly bytes: number }
		? NonSharedBuffer
		: F extends { readonly type: infer T extends RecordNumberType }
			? RecordTypedArray<T>
			: never;

/** What can be stored in a field. */
export type RecordSource<F extends RecordFieldSpec> = Parameters<RecordField<F>['set']>[1];

/** What reads and writes each field, by name. */
export type RecordFields<S extends RecordSchema> = { readonly [Name in keyof S]: RecordField<S[Name]> };

/** The values of all fields of one record, by name. */
export type RecordValues<S extends RecordSchema> = { -readonly [Name in keyof S]: RecordValue<S[Name]> };

/** What can be stored in a record, by the name of the field. */
export type RecordSources<S extends RecordSchema> = { -readonly [Name in keyof S]?: RecordSource<S[Name]> };
