// Makes the fields of a record array over its blocks.
import type { Block } from '../kind/index.ts';
import { Column } from './column.ts';
import { numberFields } from './numbers.ts';
import { arrayTypes, type FieldLayout, type RecordLayout } from './schema.ts';
import { ArrayField, BytesField } from './vectors.ts';

/** A field of any type. */
interface AnyField {
	get(index: number): unknown;
	set(index: number, value: never): void;
}

export interface Fields {
	/** For the caller: a frozen object without a prototype. */
	byName: object;
	names: string[];
	entries: [name: string, field: AnyField][];
	/** Throws if there is no such record, or if it has no memory. */
	check(index: number): void;
	/** Takes the memory away from all fields. */
	end(): void;
}

type AnyView = InstanceType<(typeof arrayTypes)[keyof typeof arrayTypes]>;

/** All of each block as elements of a type. */
function viewsOf(blocks: readonly Block[], type: keyof typeof arrayTypes): AnyView[] {
	const ArrayType = arrayTypes[type];
	return blocks.map(
		({ buffer, byteOffset, length }) => new ArrayType(buffer, byteOffset, length / ArrayType.BYTES_PER_ELEMENT),
	);
}

export function makeFields(layout: RecordLayout, blocks: readonly Block[], length: number, shift: number): Fields {
	const columns: Column<never>[] = [];
	const column = (field: FieldLayout, views: readonly { readonly length: number }[]): Column<never> => {
		const made = new Column(
			[...views],
			length,
			shift,
			layout.size / field.elementSize,
			field.offset / field.elementSize,
		);
		columns.push(made as unknown as Column<never>);
		return made as unknown as Column<never>;
	};
	const make = (field: FieldLayout): AnyField => {
		const { type, isSingle } = field;
		// A block is a Buffer already.
		if (type === 'bytes') return new BytesField(field, column(field, blocks));
		const at = column(field, viewsOf(blocks, type));
		if (isSingle) return new numberFields[type](field, at);
		const ArrayType = arrayTypes[type] as Float32ArrayConstructor;
		const zero = type === 'u64' || type === 'i64' ? 0n : 0;
		return new ArrayField(field, at, zero, (buffer, byteOffset, size) => new ArrayType(buffer, byteOffset, size));
	};
	const entries = layout.fields.map((field): [string, AnyField] => [field.name, make(field)]);
	return {
		byName: Object.freeze(Object.assign(Object.create(null), Object.fromEntries(entries))),
		names: layout.fields.map(({ name }) => name),
		entries,
		// All columns have the same records, and a schema has a field.
		check: (index) => void columns[0]!.live(index),
		end: () => {
			for (const each of columns) each.end();
		},
	};
}
