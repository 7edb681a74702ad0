// A mixed load: nine reads to one write, of keys by Zipf's law, of which a fifth does not fit into the cache. Each call
// is timed, and each turn of the event loop.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { newHistogram, record } from './histogram.mjs';
import { randomNumbers } from './sequence.mjs';
import { between, now } from './tail.mjs';
import { zipf } from './zipf.mjs';

/** Calls of one turn of the event loop: a millisecond or less. */
const callsInTurn = 200;
/**
 * So many ranks are drawn before the calls begin, because drawing one takes longer than a call. They are more than the
 * calls of a full run. If they came again, all of their keys would be in the cache, and nothing would be evicted.
 */
const drawn = 2 ** 24;

export function mixed(cache, { live, size, seed }) {
	const words = randomNumbers(seed);
	const keys = Math.ceil(live * 1.2);
	const draw = zipf(keys, 0.99, words);
	// The ranks are spread over the keys: the factor is a prime that divides no number of keys that is used.
	const numbers = Int32Array.from({ length: drawn }, () => (draw() * 7919) % keys);
	const isWrite = Uint8Array.from({ length: drawn }, () => (words() % 10 === 0 ? 1 : 0));
	const template = Buffer.alloc(size, 1);
	const value = cache.isCopying ? () => template : () => Buffer.from(template);
	let at = 0;
	const run = async (operations) => {
		const latency = newHistogram();
		let reads = 0;
		let hits = 0;
		let longestTurnMs = 0;
		const from = performance.now();
		let before = from;
		for (let done = 0; done < operations; done += callsInTurn) {
			for (let i = 0; i < callsInTurn; i++) {
				at = (at + 1) & (drawn - 1);
				const start = now();
				const key = `user:${numbers[at]}`;
				if (isWrite[at] === 1) {
					cache.set(key, value());
				} else {
					reads++;
					if (cache.get(key) === undefined) cache.set(key, value());
					else hits++;
				}
				record(latency, between(start, now()));
			}
			await nextTurn();
			const after = performance.now();
			if (after - before > longestTurnMs) longestTurnMs = after - before;
			before = after;
		}
		return { operations, reads, hits, latency, longestTurnMs, wall: (performance.now() - from) / 1000 };
	};
	return { run };
}
