// Many small writes to a mapping, made persistent together.
import { illegalConstructor } from '../errors.ts';
import { bytesOf, requirePlace } from './bytes.ts';

/** The bytes of some writes, one after the other, and where each goes: two numbers for each, an offset and a length. */
type Flush = (bytes: Uint8Array, places: Float64Array, count: number) => void;

/** Makes a batch of a mapping of `length` bytes. */
export let makeBatch: (length: number, flush: Flush) => PmemBatch;

/** This key is known here alone. */
const makersKey = Symbol('batch');

/** How much a new batch has room for. It grows by itself. */
const firstWrites = 16;
const firstBytes = 1024;

/**
 * Small writes that are collected, and become persistent together: made by {@link PmemMapping.batch}. Nothing is stored
 * in the mapping before {@link PmemBatch.persist}.
 *
 * The writes are made in their order, but they are not atomic: after a power failure in the middle of `persist`, any of
 * them may be there, or a part of one.
 */
export class PmemBatch {
	readonly #most: number;
	readonly #flush: Flush;
	#bytes = new Uint8Array(firstBytes);
	#places = new Float64Array(2 * firstWrites);
	#used = 0;
	#count = 0;

	static {
		makeBatch = (length, flush) => new PmemBatch(makersKey, length, flush);
	}

	private constructor(key: typeof makersKey, length: number, flush: Flush) {
		if (key !== makersKey) throw illegalConstructor('mapping.batch()');
		this.#most = length;
		this.#flush = flush;
	}

	/** How many writes are collected. */
	get size(): number {
		return this.#count;
	}

	/**
	 * Collects a write. The bytes are copied at once, so the source can be used again.
	 *
	 * @param offset Where in the mapping the bytes go.
	 * @param source A Buffer, typed array or DataView.
	 * @returns The batch.
	 * @throws RangeError ERR_OUT_OF_RANGE; TypeError ERR_INVALID_ARG_TYPE.
	 */
	write(offset: number, source: NodeJS.ArrayBufferView): this {
		const bytes = bytesOf('source', source);
		const length = bytes.byteLength;
		requirePlace(offset, length, this.#most);
		const used = this.#used;
		if (used + length > this.#bytes.length || 2 * this.#count === this.#places.length) this.#grow(length);
		this.#bytes.set(bytes, used);
		this.#used = used + length;
		this.#places[2 * this.#count] = offset;
		this.#places[2 * this.#count + 1] = length;
		this.#count += 1;
		return this;
	}

	#grow(length: number): void {
		const bytes = new Uint8Array(Math.max(2 * this.#bytes.length, this.#used + length));
		bytes.set(this.#bytes.subarray(0, this.#used));
		this.#bytes = bytes;
		if (2 * this.#count < this.#places.length) return;
		const places = new Float64Array(2 * this.#places.length);
		places.set(this.#places);
		this.#places = places;
	}

	/**
	 * Makes all writes that are collected, in their order, and makes them persistent. Then the batch is empty. It blocks
	 * as {@link PmemMapping.persist} does; with `page` granularity there is an msync for each run of pages.
	 *
	 * @throws As {@link PmemMapping.persist}. The writes are collected still.
	 */
	persist(): void {
		if (this.#count > 0) this.#flush(this.#bytes, this.#places, this.#count);
		this.clear();
	}

	/** Forgets the writes that are collected. */
	clear(): void {
		this.#used = 0;
		this.#count = 0;
	}
}
