// The blocks that hold the records of an array. They are as few as possible. No record lies in two of them, and none is
// longer than a segment, so that an ArrayBuffer of a segment covers it.
import { constants } from 'node:os';
import { type Block, insideOf, type Kind, OutOfMemoryError } from '../kind/index.ts';
import { native } from '../native.ts';

const { segmentSize } = native.kindLayout;

/** The shortest blocks that a fragmented kind is asked for. Shorter ones would rather hide that it is full. */
const leastPart = 64 * 1024;

export interface Parts {
	blocks: Block[];
	/** log2 of how many records a block holds. */
	shift: number;
}

/** How many blocks there are. */
export function partCount(length: number, shift: number): number {
	return Math.ceil(length / 2 ** shift);
}

/** How many bytes each of the blocks has. The last one has what is left. */
export function partSizes(size: number, length: number, shift: number): number[] {
	const perPart = 2 ** shift;
	const count = partCount(length, shift);
	return Array.from({ length: count }, (_, part) => size * Math.min(perPart, length - part * perPart));
}

/** The largest shift for records of that size. */
export function mostShift(size: number): number {
	return Math.floor(Math.log2(segmentSize / size));
}

function allocate(kind: Kind, sizes: number[]): Block[] {
	const blocks: Block[] = [];
	try {
		for (const size of sizes) blocks.push(kind.malloc(size));
		return blocks;
	} catch (error) {
		for (const block of blocks) kind.free(block);
		throw error;
	}
}

/** Whether shorter blocks may succeed after such an error. */
function isFragmented(error: unknown, kind: Kind, total: number): boolean {
	if (!(error instanceof OutOfMemoryError) || (error.reason !== 'fragmented' && error.reason !== 'limit')) return false;
	const { free, cached } = kind.stats();
	return free + cached >= total;
}

/**
 * Allocates the blocks of so many records. If the kind has no free memory that is long enough, it takes more and shorter
 * blocks.
 *
 * @param size From one record to the next, in bytes.
 */
export function allocateParts(kind: Kind, size: number, length: number): Parts {
	// There would be more blocks than an array can have, and it is clear that they do not fit.
	if (size * length > kind.capacity) return insideOf(kind).outOfMemory(size * length, -constants.errno.ENOMEM);
	let shift = Math.min(mostShift(size), Math.ceil(Math.log2(Math.max(1, length))));
	for (;;) {
		try {
			return { blocks: allocate(kind, partSizes(size, length, shift)), shift };
		} catch (error) {
			const isLeast = shift === 0 || 2 ** (shift - 1) * size < leastPart;
			if (isLeast || !isFragmented(error, kind, size * length)) throw error;
			shift -= 1;
		}
	}
}
