// What blocks are filled with: bytes that follow from the block's identity and from where in the block they are, so that
// a byte of another block, or of another place, is recognised. Written and compared at the speed of memcpy and memcmp.
import { Random } from './random.mjs';

// A prime, so that no two places of a block whose distance is a power of two have the same bytes.
const period = 1_048_583;
const pattern = Buffer.alloc(period);
const random = new Random(0x6b696e64);
for (let i = 0; i < period; i++) pattern[i] = random.next() >>> 24;

const phaseOf = (id) => (Math.imul(id, 0x9e3779b1) >>> 0) % period;

/** Calls `part(from, to, at)` for each stretch [from, to) of the block whose bytes are those at `at` of the pattern. */
function eachPart(id, from, to, part) {
	for (let start = from; start < to; ) {
		const at = (phaseOf(id) + start) % period;
		const end = Math.min(to, start + period - at);
		if (part(start, end, at) === false) return;
		start = end;
	}
}

/** Fills a block, or the part [from, to) of it, with the content of the identity `id`. */
export function paint(block, id, from = 0, to = block.length) {
	eachPart(id, from, to, (start, end, at) => {
		block.set(pattern.subarray(at, at + end - start), start);
	});
}

/** The byte that belongs at an offset of a block. */
export function expectedByte(id, offset) {
	return pattern[(phaseOf(id) + offset) % period];
}

/** The first offset in [from, to) whose byte is not what `paint` has put there; -1 if all are. */
export function firstWrong(block, id, from = 0, to = block.length) {
	let found = -1;
	eachPart(id, from, to, (start, end, at) => {
		if (block.compare(pattern, at, at + end - start, start, end) === 0) return true;
		found = start;
		while (block[found] === expectedByte(id, found)) found++;
		return false;
	});
	return found;
}

const wholeUpTo = 64 * 1024;
const edge = 4096;
const spots = 16;
const spot = 256;

/** As firstWrong, for a whole small block; of a large one its edges and random spots, and now and then all of it. */
export function sampleWrong(block, id, chooser) {
	const { length } = block;
	if (length <= wholeUpTo || chooser.chance(1 / 8)) return firstWrong(block, id);
	let wrong = firstWrong(block, id, 0, edge);
	if (wrong < 0) wrong = firstWrong(block, id, length - edge, length);
	for (let i = 0; i < spots && wrong < 0; i++) {
		const from = chooser.below(length - spot);
		wrong = firstWrong(block, id, from, from + spot);
	}
	return wrong;
}

const zeros = Buffer.alloc(wholeUpTo);

/** The first byte that is not zero; -1 if all are. */
export function firstNotZero(block) {
	for (let from = 0; from < block.length; from += zeros.length) {
		const to = Math.min(block.length, from + zeros.length);
		if (block.compare(zeros, 0, to - from, from, to) === 0) continue;
		for (let i = from; i < to; i++) if (block[i] !== 0) return i;
	}
	return -1;
}
