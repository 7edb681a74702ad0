// The format of a log, version 1. All numbers are little-endian. docs/persistence.md describes it for readers.
//
// Bytes 0 to 4095 are the head; the records follow. In the head are the magic word, the log's own facts with a checksum,
// and two slots for checkpoints, each in cache lines of its own. A checkpoint says where the log ended when it was
// written. The newer valid one counts, so a torn write of one never loses the other.
//
// A record is a header of 16 bytes, its data, and zeros up to a multiple of 8 bytes. Its checksum covers its position,
// its generation, its length and its data, with the log's salt. The generation is that of the checkpoint before it. A
// truncation and every opening begin a new generation, so no record that was there before can pass for one behind the
// new end.
import { crc32 } from 'node:zlib';

/** The first word of a log. A word of eight bytes reaches the medium as a whole. */
export const magic = Buffer.from('DAXKLOG1', 'latin1');
/** The first word while a log is made. A file that begins with it, or holds only zeros, is no log yet. */
export const unfinished = Buffer.from('DAXKLOG0', 'latin1');

/** Where the records begin. */
export const recordsAt = 4096;
/** How long the header of a record is. */
export const headerBytes = 16;
/** A log has room for at least this much behind the head. */
export const leastBytes = recordsAt + 4096;
/** The longest record. */
export const mostRecordBytes = 2 ** 31 - 1;
/** How many bytes are appended between two checkpoints, at least. A log that is opened is scanned from the last one. */
export const checkpointBytes = 65536;

/** Where the facts of the log are: its size, its salt, a checksum. */
const factsAt = 64;
const factsBytes = 16;
/** Where the two slots for checkpoints are. Flushes of one do not touch the other, even with lines of 256 bytes. */
const slotsAt = [1024, 2048] as const;
const slotBytes = 28;

/** What a log says of itself, for ever. */
export interface LogFacts {
	/** Bytes of the whole file that the log uses. */
	size: number;
	/** Random, so that data cannot be made that look like a record. */
	salt: number;
}

/** Where the log ended at a time. */
export interface Checkpoint {
	/** Counts the checkpoints. Its parity chooses the slot. */
	sequence: number;
	/** Where the next record goes. */
	tail: number;
	/** The generation of the records behind `tail`. */
	generation: number;
}

/** Some bytes and where in the log they go. */
export interface Piece {
	offset: number;
	bytes: Buffer;
}

/** How many bytes a record with so much data takes. */
export const recordBytes = (length: number): number => headerBytes + Math.ceil(length / 8) * 8;

// A BigInt for each of these numbers would take longer than the rest of an append.
function write64(bytes: Buffer, value: number, at: number): void {
	bytes.writeUInt32LE(value >>> 0, at);
	bytes.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4);
}
const read64 = (bytes: Buffer, at: number): number => bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;

/** A checksum of 32 bits after some bytes, in the last four. */
const seal = (bytes: Buffer): Buffer => {
	bytes.writeUInt32LE(crc32(bytes.subarray(0, -4)), bytes.length - 4);
	return bytes;
};
const isSealed = (bytes: Buffer): boolean => bytes.readUInt32LE(bytes.length - 4) === crc32(bytes.subarray(0, -4));

export function factsPiece({ size, salt }: LogFacts): Piece {
	const bytes = Buffer.alloc(factsBytes);
	write64(bytes, size, 0);
	bytes.writeUInt32LE(salt, 8);
	return { offset: factsAt, bytes: seal(bytes) };
}

/** The facts in the head of a log. undefined if their checksum is wrong. */
export function factsIn(head: Buffer): LogFacts | undefined {
	const bytes = head.subarray(factsAt, factsAt + factsBytes);
	if (!isSealed(bytes)) return undefined;
	return { size: read64(bytes, 0), salt: bytes.readUInt32LE(8) };
}

export function checkpointPiece({ sequence, tail, generation }: Checkpoint): Piece {
	const bytes = Buffer.alloc(slotBytes);
	write64(bytes, sequence, 0);
	write64(bytes, tail, 8);
	write64(bytes, generation, 16);
	return { offset: slotsAt[sequence % 2]!, bytes: seal(bytes) };
}

/** The newest valid checkpoint in the head of a log. undefined if both are broken. */
export function checkpointIn(head: Buffer): Checkpoint | undefined {
	const found = slotsAt
		.map((at) => head.subarray(at, at + slotBytes))
		.filter(isSealed)
		.map((bytes) => ({
			sequence: read64(bytes, 0),
			tail: read64(bytes, 8),
			generation: read64(bytes, 16),
		}));
	return found.sort((one, other) => other.sequence - one.sequence)[0];
}

/** What the header of a record says. */
export interface RecordHeader {
	length: number;
	checksum: number;
	generation: number;
}

export const readHeader = (bytes: Buffer): RecordHeader => ({
	length: bytes.readUInt32LE(0),
	checksum: bytes.readUInt32LE(4),
	generation: read64(bytes, 8),
});

/** Of records: position, generation, length. One for all, because nobody keeps it. */
const covered = Buffer.alloc(20);

/** The checksum of a record. */
export function checksumOf(salt: number, position: number, generation: number, data: Uint8Array): number {
	write64(covered, position, 0);
	write64(covered, generation, 8);
	covered.writeUInt32LE(data.length, 16);
	return crc32(data, crc32(covered, salt));
}

/** Writes a record's header into `bytes`. */
export function writeHeader(bytes: Buffer, { length, checksum, generation }: RecordHeader): void {
	bytes.writeUInt32LE(length, 0);
	bytes.writeUInt32LE(checksum, 4);
	write64(bytes, generation, 8);
}
