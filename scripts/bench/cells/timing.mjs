// Times a pattern. It warms the pattern up first, then takes samples.
import { measure } from './clock.mjs';

/**
 * The least number of operations in a sample. With large Buffers, a sample then has its share of garbage collections.
 */
const leastOperations = 100;

/** Runs until the code is fully compiled and all live blocks have been replaced. Returns operations per millisecond. */
export function warmUp(run, { warmUpMs, live }) {
	const least = 2 * live;
	let done = 0;
	let rate = 0;
	const started = performance.now();
	for (let batch = 64; done < least || performance.now() - started < warmUpMs; ) {
		const from = performance.now();
		run(batch);
		const took = performance.now() - from;
		done += batch;
		rate = batch / Math.max(took, 0.001);
		if (took < 10) batch *= 2;
	}
	return rate;
}

export const operationsFor = (rate, { sampleMs }) => Math.max(leastOperations, Math.ceil(rate * sampleMs));

export function time({ run, end }, cell) {
	const operations = operationsFor(warmUp(run, cell), cell);
	const samples = Array.from({ length: cell.samples }, () => measure(operations, run));
	end();
	return { operations, samples };
}
