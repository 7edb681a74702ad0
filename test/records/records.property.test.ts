// Random schemas and random stores, against plain objects.
import { type PmemKind, RecordArray, type RecordFieldSpec, type RecordNumberType, type RecordSchema } from 'daxkind';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { testDirectory } from '../helpers/directory.ts';
import { closeAfterEach, create } from '../helpers/kinds.ts';

const directory = testDirectory();
closeAfterEach();

const values = {
	u8: fc.integer({ min: 0, max: 0xff }),
	i8: fc.integer({ min: -0x80, max: 0x7f }),
	u16: fc.integer({ min: 0, max: 0xffff }),
	i16: fc.integer({ min: -0x8000, max: 0x7fff }),
	u32: fc.integer({ min: 0, max: 0xffff_ffff }),
	i32: fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }),
	u64: fc.bigInt(0n, 2n ** 64n - 1n),
	i64: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
	f32: fc.float(),
	f64: fc.double(),
};
const types = Object.keys(values) as RecordNumberType[];

const spec: fc.Arbitrary<RecordFieldSpec> = fc.oneof(
	fc.constantFrom(...types),
	fc.record({ bytes: fc.integer({ min: 1, max: 40 }) }),
	fc.record({ type: fc.constantFrom(...types), length: fc.integer({ min: 1, max: 9 }) }),
);
const schema: fc.Arbitrary<RecordSchema> = fc.dictionary(
	fc.string({ minLength: 1, maxLength: 8 }).filter((name) => name !== '__proto__'),
	spec,
	{ minKeys: 1, maxKeys: 8, noNullPrototype: true },
);

function valueFor(field: RecordFieldSpec): fc.Arbitrary<unknown> {
	if (typeof field === 'string') return values[field];
	const [element, length] = 'bytes' in field ? [values.u8, field.bytes] : [values[field.type], field.length];
	return fc.array<number | bigint>(element, { maxLength: length });
}

/** What a field holds after such a store, as plain values. */
function stored(field: RecordFieldSpec, value: unknown): unknown {
	if (typeof field === 'string') return value;
	const length = 'bytes' in field ? field.bytes : field.length;
	const zero = 'type' in field && (field.type === 'u64' || field.type === 'i64') ? 0n : 0;
	return Array.from({ length }, (_, at) => (value as unknown[])[at] ?? zero);
}

const plain = (value: unknown) => (ArrayBuffer.isView(value) ? Array.from(value as Uint8Array) : value);

const stores = schema.chain((schema) => {
	const fields = Object.entries(schema);
	const store = fc
		.constantFrom(...fields)
		.chain(([name, field]) => fc.record({ name: fc.constant(name), index: fc.nat(299), value: valueFor(field) }));
	return fc.record({ schema: fc.constant(schema), stores: fc.array(store, { maxLength: 60 }) });
});

/** Leaves no two free MiB beside each other, so that records lie in several blocks. */
function fragment(kind: PmemKind): void {
	const held = Array.from({ length: 250 }, () => kind.malloc(63 * 1024));
	for (let i = 0; i < held.length; i += 2) kind.free(held[i]!);
	kind.malloc(kind.stats().largestFree);
	kind.purge();
}

for (const isFragmented of [false, true]) {
	test(`each field of each record keeps what was stored there last (${isFragmented ? 'some blocks' : 'one block'})`, () => {
		const kind = create(directory, { maxSize: 16 * MIB });
		if (isFragmented) fragment(kind);
		const { blocks } = kind.stats();
		fc.assert(
			fc.property(stores, ({ schema, stores }) => {
				// In a fragmented kind, so many that they do not fit into one block.
				const size = RecordArray.create(kind, schema, 0).recordSize;
				const length = isFragmented ? Math.max(300, Math.ceil((200 * 1024) / size)) : 300;
				using records = RecordArray.create(kind, schema, length, { zero: true });
				expect(kind.stats().blocks - blocks).toBeGreaterThan(isFragmented ? 1 : 0);
				const scale = Math.floor(length / 300);
				const model = new Map<string, unknown>();
				for (const { name, index, value } of stores) {
					records.fields[name]!.set(index * scale, value as never);
					model.set(`${index * scale} ${name}`, stored(schema[name]!, value));
				}
				for (let index = 0; index < length; index += scale) {
					for (const [name, field] of Object.entries(records.fields)) {
						const expected = model.get(`${index} ${name}`);
						const found = plain(field.get(index));
						if (expected !== undefined) expect(found).toEqual(expected);
						else if ([found].flat().some((value) => Number(value) !== 0)) expect.fail(`${name} of ${index}`);
					}
				}
			}),
			{ numRuns: 60 },
		);
		expect(kind.stats().blocks).toBe(blocks);
	});
}
