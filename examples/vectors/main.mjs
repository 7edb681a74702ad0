// A search for the nearest of a million vectors, such as the embeddings of documents. The vectors are one typed array on
// a kind: 256 MB that the garbage collector does not see.
//
//     node examples/vectors/main.mjs [DIRECTORY] [COUNT]
import { PmemKind } from 'daxkind';

const [directory = '/dev/shm', given = '1000000'] = process.argv.slice(2);
const count = Number(given);
if (!Number.isSafeInteger(count) || count < 1) {
	console.error('Usage: node examples/vectors/main.mjs [DIRECTORY] [COUNT]');
	process.exit(2);
}
const dimensions = 64;
const queries = 10;

const kind = PmemKind.create(directory, { maxSize: count * dimensions * 4 + 32 * 2 ** 20, name: 'vectors' });
const vectors = kind.array(Float32Array, count * dimensions);

/** Numbers from -0.5 to 0.5, the same in each run. */
let state = 1;
function random() {
	state ^= state << 13;
	state ^= state >>> 17;
	state ^= state << 5;
	return (state >>> 0) / 2 ** 32 - 0.5;
}
for (let i = 0; i < vectors.length; i++) vectors[i] = random();

/** The index of the vector with the smallest distance. */
function nearest(query) {
	let best = -1;
	let least = Number.POSITIVE_INFINITY;
	for (let index = 0, at = 0; index < count; index++, at += dimensions) {
		let sum = 0;
		for (let i = 0; i < dimensions; i++) {
			const difference = vectors[at + i] - query[i];
			sum += difference * difference;
		}
		if (sum < least) {
			least = sum;
			best = index;
		}
	}
	return best;
}

// Each query is one of the vectors, a little changed.
let found = 0;
const from = performance.now();
for (let i = 0; i < queries; i++) {
	const wanted = Math.floor((random() + 0.5) * count);
	const query = vectors.slice(wanted * dimensions, (wanted + 1) * dimensions).map((value) => value + random() / 20);
	if (nearest(query) === wanted) found++;
}
const each = (performance.now() - from) / queries;

const megabytes = Math.round(kind.usableSize(vectors) / 1e6);
console.log(`${count} vectors of ${dimensions} numbers, ${megabytes} MB; ${found} of ${queries} found`);
console.error(`${each.toFixed(0)} ms for each search`);
kind.free(vectors);
kind.close();
