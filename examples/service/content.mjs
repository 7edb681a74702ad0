// The values of the load. They are computed again from key and version at any time, so that every byte of a response
// can be checked without a copy.
import { createCipheriv, createHash } from 'node:crypto';

/** A stream of random bytes: the key stream of AES. The same seed gives the same bytes. */
function randomStream(seed) {
	const key = createHash('sha256').update(seed).digest().subarray(0, 16);
	return createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
}

/** Random numbers from 0 to 1. The same seed gives the same numbers. */
export function makeRandom(seed) {
	const stream = randomStream(`${seed}`);
	const word = Buffer.alloc(4);
	return () => stream.update(word).readUInt32LE() / 2 ** 32;
}

const minValueBytes = 16;
export const maxValueBytes = 256 * 1024;

// A value is a piece of these random bytes. No two pieces are alike, and cutting one out costs a memcpy.
const poolBytes = 2 ** 20 + maxValueBytes;
const pool = randomStream('pool').update(Buffer.alloc(poolBytes));

/**
 * The content of one version of a key's value. Key and version come first. The length is log-uniform from 16 B to 256
 * KiB.
 */
export function makeContent(key, version) {
	const random = makeRandom(`${key} ${version}`);
	const length = Math.floor(minValueBytes * (maxValueBytes / minValueBytes) ** random());
	const from = Math.floor(random() * 2 ** 20);
	const content = Buffer.from(pool.subarray(from, from + length));
	content.writeUInt32LE(key, 0);
	content.writeUInt32LE(version, 4);
	return content;
}

/** The mean length of a value, from the integral of the log-uniform distribution. The load is planned with it. */
export const meanValueBytes = (maxValueBytes - minValueBytes) / Math.log(maxValueBytes / minValueBytes);
