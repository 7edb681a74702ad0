// The content of blocks. Each byte follows from the block's identity and from its place in the block, so that a byte of
// another block or another place is recognised. Content is written and compared at the speed of memcpy and memcmp.
import { Random } from '../random.mjs';

/** The length of the longest block that can be filled, in bytes. */
export const longest = 8 * 2 ** 20;
/** It is a prime, because the distances of blocks are powers of two. */
const phases = 1_048_573;
const pattern = Buffer.alloc(longest + phases + 3);
const random = new Random(0x6b696e64);
for (let at = 0; at < longest + phases; at += 4) pattern.writeUInt32LE(random.next(), at);

/** The content of the identity `id` in the range [from, to). */
export function contentOf(id, from, to) {
	const phase = (Math.imul(id, 0x9e3779b1) >>> 0) % phases;
	return pattern.subarray(phase + from, phase + to);
}

/** Fills a block, or the part [from, to) of it, with the content of the identity `id`. */
export function paint(block, id, from = 0, to = block.length) {
	block.set(contentOf(id, from, to), from);
}

function firstDifference(block, expected, from) {
	if (block.compare(expected, 0, expected.length, from, from + expected.length) === 0) return -1;
	let at = 0;
	while (block[from + at] === expected[at]) at++;
	return from + at;
}

/** The first offset in [from, to) whose byte is not what `paint` wrote there. -1 if all are right. */
export function firstWrong(block, id, from = 0, to = block.length) {
	return firstDifference(block, contentOf(id, from, to), from);
}

/**
 * Does the same as firstWrong. It checks a small block as a whole. Of a large one it checks the edges and random spots,
 * and sometimes everything.
 */
export function sampleWrong(block, id, chooser) {
	const { length } = block;
	if (length <= 64 * 1024 || chooser.chance(1 / 8)) return firstWrong(block, id);
	const spots = [
		[0, 4096],
		[length - 4096, length],
	];
	for (let i = 0; i < 16; i++) {
		const from = chooser.below(length - 256);
		spots.push([from, from + 256]);
	}
	return Math.max(...spots.map(([from, to]) => firstWrong(block, id, from, to)));
}

const zeros = Buffer.alloc(longest);

/** The offset of the first byte that is not zero. -1 if all are. */
export function firstNotZero(block) {
	return firstDifference(block, zeros.subarray(0, block.length), 0);
}
