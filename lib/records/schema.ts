// What a record looks like: the fields that a caller names, and where each of them lies. Nothing here touches memory.
//
// The layout is that of a struct in C. Fields lie in the order of the schema. Each begins at a multiple of its alignment,
// which is the size of its element, and a record is as long as a multiple of the largest alignment. So an element is
// never torn, and typed arrays can read it.
import { requireInteger } from '../arguments.ts';
import { invalidArgType, invalidArgValue, outOfRange } from '../errors.ts';
import { native } from '../native.ts';

const { segmentSize } = native.kindLayout;

/** The classes of typed arrays in which elements of each type lie. */
export const arrayTypes = {
	u8: Uint8Array,
	i8: Int8Array,
	u16: Uint16Array,
	i16: Int16Array,
	u32: Uint32Array,
	i32: Int32Array,
	u64: BigUint64Array,
	i64: BigInt64Array,
	f32: Float32Array,
	f64: Float64Array,
} as const;

/**
 * A number in a record: unsigned (`u`), signed (`i`) or floating point (`f`), with its length in bits. Numbers of 64
 * bits, but for `f64`, are bigints.
 */
export type RecordNumberType = 'u8' | 'i8' | 'u16' | 'i16' | 'u32' | 'i32' | 'u64' | 'i64' | 'f32' | 'f64';

/** A field of a record: a number, so many bytes, or so many numbers of one type. */
export type RecordFieldSpec =
	| RecordNumberType
	| { readonly bytes: number }
	| { readonly type: RecordNumberType; readonly length: number };

/** The fields of a record by name, in the order in which they lie. */
export interface RecordSchema {
	readonly [name: string]: RecordFieldSpec;
}

/** Where a field lies. */
export interface FieldLayout {
	name: string;
	/** 'bytes', or the type of its elements. */
	type: RecordNumberType | 'bytes';
	/** Whether it is one number, and not several. */
	isSingle: boolean;
	/** How many elements it has. */
	length: number;
	/** How many bytes an element has. */
	elementSize: number;
	/** Where it begins in the record, in bytes. */
	offset: number;
}

/** Where everything lies. */
export interface RecordLayout {
	fields: FieldLayout[];
	/** From one record to the next, in bytes. */
	size: number;
	/** The same schema as a plain object of the caller's words, read once. */
	schema: RecordSchema;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

function requireType(name: string, type: unknown): RecordNumberType {
	if (typeof type !== 'string') throw invalidArgType(name, 'of type string, or an object such as { bytes: 16 }', type);
	if (Object.hasOwn(arrayTypes, type)) return type as RecordNumberType;
	throw invalidArgValue(name, `one of ${Object.keys(arrayTypes).join(', ')}`, type);
}

/** A field without its place, and its words in the schema. */
function fieldOf(name: string, spec: unknown): Omit<FieldLayout, 'offset'> & { spec: RecordFieldSpec } {
	const at = `schema.${name}`;
	if (!isObject(spec)) {
		const type = requireType(at, spec);
		return { name, type, isSingle: true, length: 1, elementSize: arrayTypes[type].BYTES_PER_ELEMENT, spec: type };
	}
	if (Object.hasOwn(spec, 'bytes')) {
		const bytes = requireInteger(`${at}.bytes`, spec.bytes, 1, segmentSize);
		return { name, type: 'bytes', isSingle: false, length: bytes, elementSize: 1, spec: { bytes } };
	}
	const type = requireType(`${at}.type`, spec.type);
	const elementSize = arrayTypes[type].BYTES_PER_ELEMENT;
	const length = requireInteger(`${at}.length`, spec.length, 1, segmentSize / elementSize);
	return { name, type, isSingle: false, length, elementSize, spec: { type, length } };
}

const alignUp = (offset: number, alignment: number) => Math.ceil(offset / alignment) * alignment;

/** Checks a schema, and lays its fields out. */
export function layOut(schema: unknown): RecordLayout {
	if (!isObject(schema) || Array.isArray(schema)) throw invalidArgType('schema', 'an object with the fields', schema);
	const entries = Object.entries(schema);
	if (entries.length === 0) throw invalidArgValue('schema', 'an object with at least one field', '{}');
	const fields: FieldLayout[] = [];
	const specs: [string, RecordFieldSpec][] = [];
	let end = 0;
	let alignment = 1;
	for (const [name, given] of entries) {
		// An object with such a property of its own does not survive postMessage.
		if (name === '__proto__') throw invalidArgValue('schema', 'without a field __proto__', name);
		const { spec, ...field } = fieldOf(name, given);
		const offset = alignUp(end, field.elementSize);
		fields.push({ ...field, offset });
		specs.push([name, spec]);
		end = offset + field.elementSize * field.length;
		alignment = Math.max(alignment, field.elementSize);
	}
	const size = alignUp(end, alignment);
	if (size > segmentSize) throw outOfRange('schema', `a record of at most ${segmentSize} bytes`, size);
	return { fields, size, schema: Object.fromEntries(specs) };
}
