// What a major garbage collection costs while a kind's worth of 4 KiB blocks is live, and while nothing is.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const blockSize = 4096;

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc');

/** Milliseconds of each of some collections, after some that do not count. */
function collections(samples) {
	const took = [];
	for (let i = 0; i < 3 + samples; i++) {
		const from = performance.now();
		gc();
		took.push(performance.now() - from);
	}
	return took.slice(3);
}

export function collect({ malloc, free, newList }, { kindSize, samples }) {
	const empty = collections(4 * samples);
	const count = Math.floor(kindSize / blockSize);
	const index = newList(count);
	for (let i = 0; i < count; i++) index[i] = malloc(blockSize);
	const full = collections(4 * samples);
	for (const block of index) free(block);
	return { empty, full, bytes: count * blockSize };
}
