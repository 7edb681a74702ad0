// The values of the load: made again from key and version at any time, so that every byte of an answer can be verified
// without keeping a copy.
import { createCipheriv, createHash } from 'node:crypto';

/** A stream of random bytes that a seed repeats: the key stream of AES. */
function randomStream(seed) {
	const key = createHash('sha256').update(seed).digest().subarray(0, 16);
	return createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
}

/** Random numbers from 0 to 1 that a seed repeats. */
export function makeRandom(seed) {
	const stream = randomStream(`${seed}`);
	const word = Buffer.alloc(4);
	return () => stream.update(word).readUInt32LE() / 2 ** 32;
}

const minValueBytes = 16;
export const maxValueBytes = 256 * 1024;

// Random bytes, of which a value is a piece: no two pieces are alike, and cutting one out costs a memcpy.
const poolBytes = 2 ** 20 + maxValueBytes;
const pool = randomStream('pool').update(Buffer.alloc(poolBytes));

/** The content of one version of a key's value: its length log-uniform from 16 B to 256 KiB, the key and version in front. */
export function makeContent(key, version) {
	const random = makeRandom(`${key} ${version}`);
	const length = Math.floor(minValueBytes * (maxValueBytes / minValueBytes) ** random());
	const from = Math.floor(random() * 2 ** 20);
	const content = Buffer.from(pool.subarray(from, from + length));
	content.writeUInt32LE(key, 0);
	content.writeUInt32LE(version, 4);
	return content;
}

/** The mean length of a value, for planning: the integral of the log-uniform distribution. */
export const meanValueBytes = (maxValueBytes - minValueBytes) / Math.log(maxValueBytes / minValueBytes);
