// The child process of the benchmark: measures one workload of one contestant in a fresh V8, and prints the result as
// one line of JSON. memkind.c is its twin in C, with the same arguments.
import { makeAllocator } from './allocators.mjs';
import { measure } from './clock.mjs';
import { fill } from './fill.mjs';
import { patterns } from './patterns.mjs';

/** Of large Buffers, so that a sample holds its share of garbage collections. */
const leastOperations = 100;

/** Runs until the code is compiled for good, the live blocks have been replaced; returns operations per millisecond. */
function warmUp(run, { warmUpMs, live }) {
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

function time(allocator, cell) {
	const { run, end } = patterns[cell.pattern](allocator, cell);
	const operations = Math.max(leastOperations, Math.ceil(warmUp(run, cell) * cell.sampleMs));
	const samples = Array.from({ length: cell.samples }, () => measure(operations, run));
	end();
	return { operations, samples };
}

const [contestant, directory, pattern, ...numbers] = process.argv.slice(2);
const [kindSize, size, live, seed, touch, warmUpMs, samples, sampleMs] = numbers.map(Number);
const allocator = await makeAllocator(contestant, { directory, kindSize, touch: touch === 1 });
const cell = { pattern, size, live, seed, warmUpMs, samples, sampleMs };
const result = pattern === 'fill' ? fill(allocator, cell) : time(allocator, cell);
allocator.end();
console.log(JSON.stringify(result));
