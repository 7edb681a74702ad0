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
	type LogFacts,
	magic,
	mostRecordBytes,
	readHeader,
	recordBytes,
	recordsAt,
	unfinished,
	writeHeader,
} from './format.ts';

/** What the log is on. log.ts has it on a mapping. */
export interface LogMedium {
	readonly length: number;
	/** The bytes of a range, over the memory itself. */
	at(offset: number, length: number): Buffer;
	/** Stores bytes. They are persistent after the next drain. */
	write(offset: number, bytes: Uint8Array): void;
	drain(): void;
	/** Whether a part of the range is lost, so that it reads as zeros. */
	hasLost(offset: number, length: number): boolean;
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
	/**
	 * Whether there is the beginning of a record behind the end: of an append that a crash has cut off, and that had not
	 * returned. It may also have left nothing that can be told from older bytes.
	 */
	torn: boolean;
}

/** Records up to this length are copied together with their headers, and stored by one call. */
const copiedBytes = 4096;

/** ERR_DAXKIND_LOG_CORRUPTED. */
function corrupted(what: string, facts: object = {}): Error {
	return Object.assign(daxkindError('ERR_DAXKIND_LOG_CORRUPTED', what), facts);
}

/** Makes an empty log of `size` bytes. The medium holds zeros there. A power failure leaves a log, or none. */
export function format(medium: LogMedium, size: number, salt: number): void {
	medium.write(0, unfinished);
	medium.drain();
	const pieces = [factsPiece({ size, salt }), checkpointPiece({ sequence: 0, tail: recordsAt, generation: 1 })];
	for (const { offset, bytes } of pieces) medium.write(offset, bytes);
	medium.drain();
	medium.write(0, magic);
	medium.drain();
}

/** So much is compared with zeros at once. */
const zeros = Buffer.alloc(65536);

/**
 * Whether the medium holds a log, or nothing yet, or something else.
 *
 * @param length How many bytes of it must be zeros where there is no log.
 */
export function contentOf(medium: LogMedium, length: number): 'log' | 'nothing' | 'other' {
	const first = medium.at(0, Math.min(magic.length, medium.length));
	if (medium.length >= recordsAt && first.equals(magic)) return 'log';
	if (first.equals(unfinished)) return 'nothing';
	for (let at = 0; at < length; at += zeros.length) {
		const part = medium.at(at, Math.min(zeros.length, length - at));
		if (!part.equals(zeros.subarray(0, part.length))) return 'other';
	}
	return 'nothing';
}

/** What the head of a log says, checked. */
export function headOf(medium: LogMedium): { facts: LogFacts; checkpoint: Checkpoint } {
	if (medium.hasLost(0, recordsAt)) throw corrupted('The memory of the head of the log is lost');
	const head = medium.at(0, recordsAt);
	const facts = factsIn(head);
	const checkpoint = checkpointIn(head);
	if (facts === undefined || checkpoint === undefined) {
		throw corrupted('The head of the log is not as it was written');
	}
	if (facts.size > medium.length) {
		throw corrupted(`The log has ${facts.size} bytes, and its file ${medium.length}: it was cut off`);
	}
	if (checkpoint.tail < recordsAt || checkpoint.tail > facts.size) {
		throw corrupted('The head of the log is not as it was written');
	}
	return { facts, checkpoint };
}

/** A log that is open. */
export class Journal {
	readonly #medium: LogMedium;
	readonly size: number;
	readonly #salt: number;
	readonly recovery: PmemLogRecovery;
	/** The last checkpoint that is persistent for certain. */
	#checkpoint: Checkpoint;
	#tail: number;
	/** The highest generation that was ever begun, also in vain. */
	#lastGeneration: number;
	/** The sequence of the next checkpoint. After one that failed it is in the same slot, because the other one is good. */
	#nextSequence: number;
	/**
	 * Whether a store has failed. What it has left may be on the medium: records of this generation behind the end, or a
	 * checkpoint that nobody was told of.
	 */
	#isInDoubt = false;
	/** Counts truncations. An iteration that one has overtaken ends. */
	#truncations = 0;
	readonly #staging = Buffer.allocUnsafeSlow(recordBytes(copiedBytes));
	readonly #header = Buffer.allocUnsafeSlow(headerBytes);

	/** Opens the log: finds its end behind the last checkpoint, and begins a new generation there. */
	constructor(medium: LogMedium) {
		const { facts, checkpoint } = headOf(medium);
		this.#medium = medium;
		this.size = facts.size;
		this.#salt = facts.salt;
		this.#checkpoint = checkpoint;
		this.#lastGeneration = checkpoint.generation;
		this.#nextSequence = checkpoint.sequence + 1;
		this.#tail = checkpoint.tail;
		let records = 0;
		for (let end = this.#endOfRecord(this.#tail, checkpoint.generation); end !== undefined; records++) {
			this.#tail = end;
			end = this.#endOfRecord(end, checkpoint.generation);
		}
		const scanned = this.#tail - checkpoint.tail;
		if (medium.hasLost(checkpoint.tail, Math.min(scanned + headerBytes, this.size - checkpoint.tail))) {
			throw corrupted(`Memory behind byte ${checkpoint.tail} of the log is lost, and records may be in it`);
		}
		this.recovery = { records, scanned, torn: this.#isTorn() };
		this.#mark(this.#tail, true);
	}

	/** Where the next record goes. */
	get tail(): number {
		return this.#tail;
	}

	/** Where the record at a position ends. undefined if there is no whole record of that generation. */
	#endOfRecord(position: number, generation?: number): number | undefined {
		if (position + headerBytes > this.size) return undefined;
		const header = readHeader(this.#medium.at(position, headerBytes));
		if (header.length > mostRecordBytes) return undefined;
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

	/**
	 * Writes a checkpoint.
	 *
	 * @param isNewGeneration Whether the records behind it belong to a generation of their own.
	 */
	#mark(tail: number, isNewGeneration: boolean): void {
		const sequence = this.#nextSequence;
		if (isNewGeneration) this.#lastGeneration += 1;
		const generation = isNewGeneration ? this.#lastGeneration : this.#checkpoint.generation;
		const checkpoint = { sequence, tail, generation };
		const { offset, bytes } = checkpointPiece(checkpoint);
		this.#nextSequence = sequence + 2;
		this.#isInDoubt = true;
		this.#medium.write(offset, bytes);
		this.#medium.drain();
		this.#isInDoubt = false;
		this.#nextSequence = sequence + 1;
		this.#checkpoint = checkpoint;
	}

	/** After a store that failed: a new generation, at the end that callers know. So nothing that it has left counts. */
	#settle(): void {
		if (this.#isInDoubt) this.#mark(this.#tail, true);
	}

	/** Calls it. If it throws, settles at once, if that is possible. */
	#attempt<T>(change: () => T): T {
		this.#settle();
		try {
			return change();
		} catch (error) {
			this.#isInDoubt = true;
			try {
				this.#settle();
			} catch {
				// The next call tries it again.
			}
			throw error;
		}
	}

	/** Throws if the records do not fit behind the end. */
	#requireRoom(records: readonly Uint8Array[]): void {
		const bytes = records.reduce((sum, { length }) => sum + recordBytes(length), 0);
		if (bytes <= this.size - this.#tail && records.every(({ length }) => length <= mostRecordBytes)) return;
		const room = Math.floor((this.size - this.#tail) / 8) * 8 - headerBytes;
		const left = Math.max(0, Math.min(room, mostRecordBytes));
		const what = `${bytes} bytes of records and their headers do not fit into the log. It has room for a record of ${left} bytes`;
		throw Object.assign(daxkindError('ERR_DAXKIND_LOG_FULL', `${what}. Fix: truncate it`), { left });
	}

	/** Stores a record, and gives its end. It is persistent after the next drain. */
	#store(position: number, data: Uint8Array): number {
		const { length } = data;
		const end = position + recordBytes(length);
		const { generation } = this.#checkpoint;
		const headerOf = (stored: Uint8Array) => ({
			length,
			generation,
			checksum: checksumOf(this.#salt, position, generation, stored),
		});
		if (length > copiedBytes) {
			// Another thread could change shared memory between the checksum and the store.
			const own = data.buffer instanceof SharedArrayBuffer ? Buffer.from(data) : data;
			writeHeader(this.#header, headerOf(own));
			this.#medium.write(position + headerBytes, own);
			this.#medium.write(position, this.#header);
			return end;
		}
		const record = this.#staging.subarray(0, end - position);
		record.fill(0, headerBytes + length);
		record.set(data, headerBytes);
		writeHeader(record, headerOf(record.subarray(headerBytes, headerBytes + length)));
		this.#medium.write(position, record);
		return end;
	}

	/**
	 * Appends records, and makes them persistent together. Gives the position of each. After an error the log is as it
	 * was before.
	 */
	append(records: readonly Uint8Array[]): number[] {
		this.#requireRoom(records);
		const positions: number[] = [];
		this.#tail = this.#attempt(() => {
			let end = this.#tail;
			for (const data of records) {
				positions.push(end);
				end = this.#store(end, data);
			}
			this.#medium.drain();
			return end;
		});
		if (this.#tail - this.#checkpoint.tail >= checkpointBytes) {
			try {
				this.#mark(this.#tail, false);
			} catch {
				// The records are persistent all the same. The next call settles it.
			}
		}
		return positions;
	}

	/** Whether a record of the log begins there, or the log ends there. */
	isBorder(position: number): boolean {
		if (position === this.#tail || position === recordsAt) return true;
		return position > recordsAt && position < this.#tail && this.#endOfRecord(position) !== undefined;
	}

	/** Removes all records from a border on. */
	truncate(position: number): void {
		if (position === this.#tail) return;
		this.#attempt(() => this.#mark(position, true));
		this.#tail = position;
		this.#truncations += 1;
	}

	/** The records from a border on, also those that are appended meanwhile. It ends when the log is truncated. */
	iterate(from: number): Generator<PmemLogRecord, void, undefined> {
		return this.#records(from, this.#truncations);
	}

	*#records(from: number, truncations: number): Generator<PmemLogRecord, void, undefined> {
		for (let position = from; position < this.#tail && this.#truncations === truncations; ) {
			const end = this.#endOfRecord(position);
			if (end === undefined) {
				throw corrupted(`The record at byte ${position} of the log is not as it was written`, { position });
			}
			const { length } = readHeader(this.#medium.at(position, headerBytes));
			yield { position, data: Buffer.from(this.#medium.at(position + headerBytes, length)) };
			position = end;
		}
	}

	/** Writes a checkpoint, so that the next opening scans nothing. */
	close(): void {
		if (this.#isInDoubt) this.#settle();
		else if (this.#tail > this.#checkpoint.tail) this.#mark(this.#tail, false);
	}
}
