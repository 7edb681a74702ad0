// The log itself, over any medium that stores and persists as a mapping does. It knows no file. The tests run it over a
// medium that knows which stores are persistent, and try what a power failure may leave of the others.
import { daxkindError } from '../errors.ts';
import {
	type Checkpoint,
	checkpointBytes,
	checkpointIn,
	checkpointPiece,
	checksumOf,
	factsIn,
	factsPiece,
	headerBytes,
	leastBytes,
	magic,
	mostRecordBytes,
	readHeader,
	recordBytes,
	recordsAt,
	unfinished,
	writeHeader,
} from './format.ts';

/** What the log is on: a part of {@link PmemMapping}. */
export interface LogMedium {
	/** The bytes of a range, over the memory itself. */
	at(offset: number, length: number): Buffer;
	/** Stores bytes. They are persistent when it returns, or with `drain: false`, after the next drain. */
	write(offset: number, bytes: Uint8Array, options?: { drain: boolean }): void;
	drain(): void;
}

/** A record of a log. */
export interface PmemLogRecord {
	/** Where it is, in bytes of the file. It is what `append` returned, and what `truncate` and `iterate` take. */
	position: number;
	/** A copy of its data. */
	data: NonSharedBuffer;
}

/** What was found when a log was opened. */
export interface PmemLogRecovery {
	/** How many records were found behind the last checkpoint. 0 after a clean close. */
	records: number;
	/** How many bytes were looked at for that. */
	scanned: number;
	/** Whether the last append was cut off, so that its record is gone. It had not returned. */
	torn: boolean;
}

/** Records up to this length are copied together with their headers, and stored by one call. */
const copiedBytes = 4096;

/** The error of a record that is not as it was written. */
function corrupted(position: number): Error {
	return Object.assign(
		daxkindError('ERR_DAXKIND_LOG_CORRUPTED', `The record at byte ${position} of the log is not as it was written`),
		{ position },
	);
}

/** Makes an empty log of `size` bytes. The medium holds zeros. A power failure leaves a log, or none. */
export function format(medium: LogMedium, size: number, salt: number): void {
	const pieces = [factsPiece({ size, salt }), checkpointPiece({ sequence: 0, tail: recordsAt, generation: 1 })];
	medium.write(0, unfinished);
	for (const { offset, bytes } of pieces) medium.write(offset, bytes, { drain: false });
	medium.drain();
	medium.write(0, magic);
}

/** Whether the medium holds a log, or nothing yet, or something else. */
export function contentOf(medium: LogMedium, length: number): 'log' | 'nothing' | 'other' {
	const head = medium.at(0, Math.min(length, recordsAt));
	const first = head.subarray(0, magic.length);
	if (length >= leastBytes && first.equals(magic)) return 'log';
	return first.equals(unfinished) || head.every((byte) => byte === 0) ? 'nothing' : 'other';
}

/** A log that is open. */
export class Journal {
	readonly #medium: LogMedium;
	readonly size: number;
	readonly #salt: number;
	readonly recovery: PmemLogRecovery;
	#checkpoint: Checkpoint;
	#tail: number;
	/** Whether an append that failed may have left records behind the end. */
	#hasLeftovers = false;
	/** Counts truncations. An iteration that one has overtaken ends. */
	#truncations = 0;
	readonly #staging = Buffer.allocUnsafeSlow(recordBytes(copiedBytes));
	readonly #header = Buffer.allocUnsafeSlow(headerBytes);

	/**
	 * Opens the log: finds its end behind the last checkpoint, and begins a new generation there.
	 *
	 * @param length How many bytes the medium has.
	 */
	constructor(medium: LogMedium, length: number) {
		const head = medium.at(0, recordsAt);
		const facts = factsIn(head);
		const checkpoint = checkpointIn(head);
		const isWhole =
			facts !== undefined &&
			checkpoint !== undefined &&
			facts.size <= length &&
			checkpoint.tail >= recordsAt &&
			checkpoint.tail <= facts.size;
		if (!isWhole) {
			throw daxkindError('ERR_DAXKIND_LOG_CORRUPTED', 'The head of the log is not as it was written');
		}
		this.#medium = medium;
		this.size = facts.size;
		this.#salt = facts.salt;
		this.#checkpoint = checkpoint;
		this.#tail = checkpoint.tail;
		let records = 0;
		for (let end = this.#endOfRecord(this.#tail, checkpoint.generation); end !== undefined; records++) {
			this.#tail = end;
			end = this.#endOfRecord(end, checkpoint.generation);
		}
		this.recovery = { records, scanned: this.#tail - checkpoint.tail, torn: this.#isTorn() };
		this.#mark(this.#tail, checkpoint.generation + 1);
	}

	/** Where the next record goes. */
	get tail(): number {
		return this.#tail;
	}

	/** Where the record at a position ends. undefined if there is no whole record of that generation. */
	#endOfRecord(position: number, generation?: number): number | undefined {
		if (position + headerBytes > this.size) return undefined;
		const header = readHeader(this.#medium.at(position, headerBytes));
		const end = position + recordBytes(header.length);
		if (end > this.size || (generation !== undefined && header.generation !== generation)) return undefined;
		const data = this.#medium.at(position + headerBytes, header.length);
		return checksumOf(this.#salt, position, header.generation, data) === header.checksum ? end : undefined;
	}

	/** Whether there is the beginning of a record behind the end. */
	#isTorn(): boolean {
		if (this.#tail + headerBytes > this.size) return false;
		return readHeader(this.#medium.at(this.#tail, headerBytes)).generation === this.#checkpoint.generation;
	}

	/** Writes a checkpoint. */
	#mark(tail: number, generation: number): void {
		const checkpoint = { sequence: this.#checkpoint.sequence + 1, tail, generation };
		const { offset, bytes } = checkpointPiece(checkpoint);
		this.#medium.write(offset, bytes);
		this.#checkpoint = checkpoint;
	}

	/** Throws if the records do not fit behind the end. */
	#requireRoom(records: readonly Uint8Array[]): void {
		const bytes = records.reduce((sum, { length }) => sum + recordBytes(length), 0);
		if (bytes <= this.size - this.#tail && records.every(({ length }) => length <= mostRecordBytes)) return;
		const left = Math.max(0, this.size - this.#tail - headerBytes);
		const what = `${bytes} bytes of records and their headers do not fit into the log. It has room for a record of ${left} bytes`;
		throw Object.assign(daxkindError('ERR_DAXKIND_LOG_FULL', `${what}. Fix: truncate it`), { left });
	}

	/** Stores a record, and gives its end. It is persistent after the next drain. */
	#store(position: number, data: Uint8Array): number {
		const { length } = data;
		const end = position + recordBytes(length);
		const { generation } = this.#checkpoint;
		const header = { length, generation, checksum: checksumOf(this.#salt, position, generation, data) };
		if (length > copiedBytes) {
			this.#medium.write(position + headerBytes, data, { drain: false });
			writeHeader(this.#header, header);
			this.#medium.write(position, this.#header, { drain: false });
			return end;
		}
		const record = this.#staging.subarray(0, end - position);
		writeHeader(record, header);
		record.fill(0, headerBytes + length);
		record.set(data, headerBytes);
		this.#medium.write(position, record, { drain: false });
		return end;
	}

	/**
	 * Appends records, and makes them persistent together. Gives the position of each. After an error the log is as it
	 * was before.
	 */
	append(records: readonly Uint8Array[]): number[] {
		this.#requireRoom(records);
		if (this.#hasLeftovers) this.#disownLeftovers();
		const positions: number[] = [];
		let end = this.#tail;
		try {
			for (const data of records) {
				positions.push(end);
				end = this.#store(end, data);
			}
			this.#medium.drain();
		} catch (error) {
			this.#hasLeftovers = true;
			try {
				this.#disownLeftovers();
			} catch {
				// The next append tries it again.
			}
			throw error;
		}
		this.#tail = end;
		if (end - this.#checkpoint.tail >= checkpointBytes) this.#mark(end, this.#checkpoint.generation);
		return positions;
	}

	/**
	 * Begins a new generation. Whole records of this one behind the end would otherwise belong to the log after the next
	 * opening, or once other records end where they begin.
	 */
	#disownLeftovers(): void {
		this.#mark(this.#tail, this.#checkpoint.generation + 1);
		this.#hasLeftovers = false;
	}

	/** Whether a record of the log begins there, or the log ends there. */
	isBorder(position: number): boolean {
		if (position === this.#tail || position === recordsAt) return true;
		return position > recordsAt && position < this.#tail && this.#endOfRecord(position) !== undefined;
	}

	/** Removes all records from a border on. */
	truncate(position: number): void {
		if (position === this.#tail) return;
		this.#mark(position, this.#checkpoint.generation + 1);
		this.#tail = position;
		this.#hasLeftovers = false;
		this.#truncations += 1;
	}

	/** The records from a border on, also those that are appended meanwhile. It ends when the log is truncated. */
	*iterate(from: number): Generator<PmemLogRecord, void, undefined> {
		const truncations = this.#truncations;
		for (let position = from; position < this.#tail; ) {
			const end = this.#endOfRecord(position);
			if (end === undefined) throw corrupted(position);
			const { length } = readHeader(this.#medium.at(position, headerBytes));
			yield { position, data: Buffer.from(this.#medium.at(position + headerBytes, length)) };
			if (this.#truncations !== truncations) return;
			position = end;
		}
	}

	/** Writes a checkpoint, so that the next opening scans nothing. */
	close(): void {
		if (this.#tail > this.#checkpoint.tail) this.#mark(this.#tail, this.#checkpoint.generation);
	}
}
