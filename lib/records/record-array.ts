// RecordArray: millions of records of one size, in as few blocks of a kind as there can be, without an object for each.
import { type InspectOptions, inspect } from 'node:util';
import { requireBoolean, requireInteger, requireOptions } from '../arguments.ts';
import {
	daxkindError,
	illegalConstructor,
	invalidArgType,
	invalidArgValue,
	invalidState,
	invalidThis,
} from '../errors.ts';
import { type Block, type BlockReference, Kind } from '../kind/index.ts';
import { type Fields, makeFields } from './fields.ts';
import { allocateParts, mostShift, type Parts, partCount, partSizes } from './parts.ts';
import { layOut, type RecordLayout, type RecordSchema } from './schema.ts';
import type { RecordFields, RecordSources, RecordValues } from './types.ts';

/** The most records of an array. An index is an unsigned integer of 32 bits. */
const mostRecords = 2 ** 32 - 1;

export interface RecordArrayOptions {
	/**
	 * Fill all records with zeros, in this thread. That takes as long as writing the memory does. Default false: the
	 * content is whatever was there before, as with `malloc`.
	 */
	zero?: boolean;
}

/** A record array, for `RecordArray.attach` in another thread of this process. `records.share()` makes it. */
export interface SharedRecordArray<S extends RecordSchema = RecordSchema> {
	readonly type: 'daxkind.RecordArray';
	readonly schema: S;
	/** How many records there are. */
	readonly length: number;
	/** log2 of how many records each block holds. */
	readonly shift: number;
	readonly blocks: readonly BlockReference[];
}

/** What a RecordArray is made from. */
interface Origin extends Parts {
	kind: Kind;
	layout: RecordLayout;
	length: number;
	isCreator: boolean;
}

/** Nobody else has this object, so nobody else makes record arrays. */
let nextOrigin: Origin | undefined;

function requireKind(kind: unknown): Kind {
	if (!(kind instanceof Kind)) throw invalidArgType('kind', 'an instance of Kind', kind);
	return kind;
}

/**
 * Records of one size in a kind, for indexes of millions of entries. The records lie one after the other in a few large
 * blocks. Fields are read and written by the number of the record, and no object is made for that.
 *
 * ```js
 * import { PmemKind, RecordArray } from 'daxkind';
 *
 * const kind = PmemKind.create('/dev/shm', { maxSize: 64 * 1024 * 1024 });
 * const schema = { price: 'f64', id: 'u32', symbol: { bytes: 8 }, vector: { type: 'f32', length: 4 } };
 * const trades = RecordArray.create(kind, schema, 1_000_000);
 * const { price, symbol } = trades.fields;
 * price.set(7, 99.5);
 * symbol.set(7, 'ABC');
 * console.log(price.get(7), symbol.text(7));
 * trades.free();
 * kind.close();
 * ```
 *
 * The fields lie as in a struct of C: in the order of the schema, each at a multiple of the size of its element.
 * Integer-like names come first, as in any object. `offset` of a field and `recordSize` say where. To waste nothing, put
 * the longest elements first. Numbers are in the processor's byte order.
 */
export class RecordArray<S extends RecordSchema = RecordSchema> implements Disposable {
	/** The kind that holds the records. */
	readonly kind: Kind;
	/** How many records there are. */
	readonly length: number;
	/** From one record to the next, in bytes. */
	readonly recordSize: number;
	/** The fields by name. Each reads and writes its value in a record by the record's number. */
	readonly fields: RecordFields<S>;
	#layout: RecordLayout;
	#all: Fields;
	#blocks: Block[];
	readonly #shift: number;
	readonly #isCreator: boolean;
	#isFreed = false;

	/** Not for callers: see `create` and `attach`. */
	private constructor() {
		const origin = nextOrigin;
		nextOrigin = undefined;
		if (origin === undefined) throw illegalConstructor('RecordArray.create(kind, schema, length)');
		const { kind, layout, length, blocks, shift, isCreator } = origin;
		this.kind = kind;
		this.length = length;
		this.recordSize = layout.size;
		this.#layout = layout;
		this.#all = makeFields(layout, blocks, length, shift);
		this.fields = this.#all.byName as RecordFields<S>;
		this.#blocks = blocks;
		this.#shift = shift;
		this.#isCreator = isCreator;
	}

	/**
	 * Allocates `length` records in a kind. They lie in one block if they fit into a segment (1 GiB) and the kind has so
	 * much in one piece. Otherwise they lie in several blocks, each of a power of two records. It blocks as `malloc`
	 * does.
	 *
	 * @param schema For each field its type: 'u8', 'i8', 'u16', 'i16', 'u32', 'i32', 'f32' or 'f64' for a number, 'u64'
	 *   or 'i64' for a bigint, `{ bytes: 16 }` for so many bytes, `{ type: 'f32', length: 128 }` for so many numbers.
	 * @param length How many records, up to 4,294,967,295.
	 * @throws OutOfMemoryError ERR_DAXKIND_OUT_OF_MEMORY as `malloc`. `requested` is the length of one block, or of
	 *   all of them if the kind is smaller. Nothing has changed then.
	 * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, also for an unknown type or option; RangeError
	 *   ERR_OUT_OF_RANGE, also for a record that is longer than 1 GiB; Error ERR_INVALID_STATE when the kind is closed.
	 */
	static create<const S extends RecordSchema>(
		kind: Kind,
		schema: S,
		length: number,
		options: RecordArrayOptions = {},
	): RecordArray<S> {
		requireKind(kind);
		const layout = layOut(schema);
		requireInteger('length', length, 0, mostRecords);
		const { zero = false } = requireOptions<RecordArrayOptions>('options', options, ['zero']);
		requireBoolean('options.zero', zero);
		if (kind.closed) throw invalidState('the kind is closed');
		const parts = allocateParts(kind, layout.size, length);
		if (zero) for (const block of parts.blocks) block.fill(0);
		return RecordArray.#make({ kind, layout, length, isCreator: true, ...parts });
	}

	/**
	 * The records that another thread has shared: the same memory. It does not block.
	 *
	 * @param kind The kind of the records, as `Kind.attach` returned it in this thread.
	 * @param shared What `share` returned.
	 * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE for an object that `share` did not make; Error
	 *   ERR_DAXKIND_STALE_REFERENCE when the records have been freed; ERR_DAXKIND_WRONG_KIND when they are in another
	 *   kind; ERR_INVALID_STATE when the kind is closed.
	 */
	static attach<S extends RecordSchema>(kind: Kind, shared: SharedRecordArray<S>): RecordArray<S> {
		requireKind(kind);
		const expected = 'the value that records.share() returned';
		if (typeof shared !== 'object' || shared === null || shared.type !== 'daxkind.RecordArray') {
			throw invalidArgType('shared', expected, shared);
		}
		const { schema, length, shift, blocks: references } = shared;
		const layout = layOut(schema);
		requireInteger('shared.length', length, 0, mostRecords);
		requireInteger('shared.shift', shift, 0, mostShift(layout.size));
		if (!Array.isArray(references) || references.length !== partCount(length, shift)) {
			throw invalidArgType('shared', expected, shared);
		}
		const blocks = partSizes(layout.size, length, shift).map((size, part) => {
			const block = kind.deref(references[part]);
			if (block.length !== size) throw invalidArgValue('shared', expected, `a block of ${block.length} bytes`);
			return block;
		});
		return RecordArray.#make({ kind, layout, length, isCreator: false, blocks, shift });
	}

	/**
	 * All fields of a record: numbers, and copies of the others.
	 *
	 * @throws RangeError ERR_OUT_OF_RANGE, TypeError ERR_INVALID_ARG_TYPE if there is no such record; Error
	 *   ERR_INVALID_STATE after `free`, and when the kind is closed.
	 */
	get(index: number): RecordValues<S> {
		RecordArray.#check(this);
		const values: Record<string, unknown> = {};
		for (const [name, field] of this.#all.entries) values[name] = field.get(index);
		return values as RecordValues<S>;
	}

	/**
	 * Stores some or all fields of a record, in the order of the schema.
	 *
	 * @throws As `get`, and as `set` of the fields. The fields before the wrong one have been stored then. TypeError
	 *   ERR_INVALID_ARG_VALUE for a name that is no field; nothing has been stored then.
	 */
	set(index: number, values: RecordSources<S>): void {
		RecordArray.#check(this);
		const { entries, names } = this.#all;
		if (values === undefined) throw invalidArgType('values', 'an object with values of fields', values);
		const given = requireOptions<Record<string, unknown>>('values', values as Record<string, unknown>, names, 'field');
		// Also for a record of which no field is stored.
		this.#all.check(index);
		for (const [name, field] of entries) {
			const value = given[name];
			if (value !== undefined) field.set(index, value as never);
		}
	}

	/**
	 * A plain object by which another thread finds the records: send it with that of `kind.share()`. From then on any
	 * thread may free the records, once.
	 *
	 * ```js
	 * worker.postMessage({ kind: kind.share(), records: records.share() });
	 * // in the worker
	 * parentPort.on('message', ({ kind, records }) => {
	 *   const { price } = RecordArray.attach(Kind.attach(kind), records).fields;
	 * });
	 * ```
	 *
	 * @throws Error ERR_INVALID_STATE after `free`, and when the kind is closed; ERR_DAXKIND_DOUBLE_FREE when another
	 *   thread has freed them.
	 */
	share(): SharedRecordArray<S> {
		RecordArray.#check(this);
		if (this.#isFreed) throw invalidState('the records have been freed');
		const blocks = this.#blocks.map((block) => this.kind.ref(block));
		const { length } = this;
		return { type: 'daxkind.RecordArray', schema: this.#layout.schema as S, length, shift: this.#shift, blocks };
	}

	/**
	 * Frees the records, for all threads. Their memory may go to other blocks at once, so the other threads must not use
	 * them any more: only this RecordArray knows, and refuses each access from now on.
	 *
	 * @throws Error ERR_DAXKIND_DOUBLE_FREE when they have been freed before, by any thread; ERR_INVALID_STATE when the
	 *   kind is closed; in debug mode ERR_DAXKIND_OVERRUN. The blocks before the wrong one have been freed then.
	 */
	free(): void {
		RecordArray.#check(this);
		if (this.#isFreed) throw daxkindError('ERR_DAXKIND_DOUBLE_FREE', 'These records have been freed already');
		// One that is freed is not kept, so a second attempt frees the rest.
		for (;;) {
			const [block] = this.#blocks;
			if (block === undefined) break;
			this.kind.free(block);
			this.#all.end();
			this.#blocks.shift();
		}
		this.#end();
	}

	/** True after `free` of this RecordArray. */
	get freed(): boolean {
		RecordArray.#check(this);
		return this.#isFreed;
	}

	/**
	 * For `using` and its downlevelled forms. Frees the records if `create` made this RecordArray, and they are not
	 * freed, and the kind is open. One that `attach` made only forgets them.
	 */
	[Symbol.dispose](): void {
		RecordArray.#check(this);
		if (this.#isFreed) return;
		if (this.#isCreator && !this.kind.closed) this.free();
		else this.#end();
	}

	/** What console.log shows. */
	[inspect.custom](depth: number, options: InspectOptions): string {
		RecordArray.#check(this);
		const { length, recordSize } = this;
		const shown = { kind: this.kind.name, length, recordSize, schema: this.#layout.schema, freed: this.#isFreed };
		return `RecordArray ${inspect(shown, { ...options, depth })}`;
	}

	static #make<S extends RecordSchema>(origin: Origin): RecordArray<S> {
		nextOrigin = origin;
		return new RecordArray<S>();
	}

	/** Refuses a receiver that is no RecordArray, with Node's error. */
	static #check(records: unknown): void {
		if (typeof records !== 'object' || records === null || !(#layout in records)) throw invalidThis('RecordArray');
	}

	#end(): void {
		this.#isFreed = true;
		this.#blocks = [];
		this.#all.end();
	}
}
