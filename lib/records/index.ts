// The door of lib/records.
export type { RecordNumberField } from './numbers.ts';
export { RecordArray, type RecordArrayOptions, type SharedRecordArray } from './record-array.ts';
export type { RecordFieldSpec, RecordNumberType, RecordSchema } from './schema.ts';
export type {
	RecordField,
	RecordFields,
	RecordNumber,
	RecordSource,
	RecordSources,
	RecordTypedArray,
	RecordValue,
	RecordValues,
} from './types.ts';
export type { RecordArrayField, RecordBytesField } from './vectors.ts';
