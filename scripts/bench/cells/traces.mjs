// Traces of requests: numbers of keys. `live` is how many entries the cache holds.
import { randomNumbers } from './sequence.mjs';
import { zipf } from './zipf.mjs';

const requests = 1_000_000;
/** A tenth of the keys fits into the cache. */
const keys = 10;

function* zipfTrace({ live, seed }) {
	const next = zipf(live * keys, 0.99, randomNumbers(seed));
	for (let i = 0; i < requests; i++) yield next();
}

export const traces = {
	zipf: zipfTrace,
	/** Again and again the same keys, a fifth more than fit. */
	*loop({ live }) {
		const length = Math.ceil(live * 1.2);
		for (let i = 0; i < requests; i++) yield i % length;
	},
	/** Zipf, and a scan over keys that never come again, twice as long as the cache, each ten times its length. */
	*scan({ live, seed }) {
		let scanned = 2 ** 40;
		let count = 0;
		for (const key of zipfTrace({ live, seed })) {
			yield key;
			if (++count % (10 * live) !== 0) continue;
			for (let i = 0; i < 2 * live; i++) yield scanned++;
		}
	},
	/** Zipf, where the most wanted key changes every 100 requests: what was wanted is wanted less and less. */
	*shifting({ live, seed }) {
		let count = 0;
		for (const key of zipfTrace({ live, seed })) yield key + Math.floor(count++ / 100);
	},
};
