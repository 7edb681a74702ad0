// The values of the load: made again from key and version at any time, so that every byte of an answer can be verified
// without keeping a copy.

/** The generator of the load: mulberry32, a public-domain generator of 32 bits, the same sequence for the same seed. */
export function makeRandom(seed: number): () => number {
	let state = seed >>> 0;
	return () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let mixed = Math.imul(state ^ (state >>> 15), state | 1);
		mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
	};
}

const minValueBytes = 16;
export const maxValueBytes = 256 * 1024;

// Random bytes, of which a value is a piece: no two pieces are alike, and cutting one out costs a memcpy.
const poolBytes = 2 ** 20 + maxValueBytes;
let pool: Buffer | undefined;

function randomPool(): Buffer {
	if (pool) return pool;
	const random = makeRandom(1);
	const words = new Uint32Array(poolBytes / 4);
	for (let i = 0; i < words.length; i++) words[i] = random() * 2 ** 32;
	pool = Buffer.from(words.buffer);
	return pool;
}

/** The content of one version of a key's value: its length log-uniform from 16 B to 256 KiB, the key and version in front. */
export function makeContent(key: number, version: number): Buffer {
	const random = makeRandom(Math.imul(key, 0x9e3779b1) ^ version);
	const length = Math.floor(minValueBytes * (maxValueBytes / minValueBytes) ** random());
	const from = Math.floor(random() * 2 ** 20);
	const content = Buffer.from(randomPool().subarray(from, from + length));
	content.writeUInt32LE(key, 0);
	content.writeUInt32LE(version, 4);
	return content;
}

/** The mean length of a value, for planning: the integral of the log-uniform distribution. */
export const meanValueBytes = (maxValueBytes - minValueBytes) / Math.log(maxValueBytes / minValueBytes);
