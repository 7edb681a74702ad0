// Times a pattern: warms it up until it runs as it will run, then takes samples.
import { measure } from './clock.mjs';

/** Of large Buffers, so that a sample holds its share of garbage collections. */
const leastOperations = 100;

/** Runs until the code is compiled for good, the live blocks have been replaced; returns operations per millisecond. */
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
