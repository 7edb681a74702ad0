// A process of the benchmark. It measures one workload of one contestant in a fresh V8, and prints the result as one
// line of JSON. memkind/cell.c is its twin in C, with the same arguments.
import { makeAllocator } from './allocators.mjs';
import { cache } from './cache.mjs';
import { fail } from './fail.mjs';
import { touchAll } from './faults.mjs';
import { fill } from './fill.mjs';
import { collect } from './gc.mjs';
import { createMany, createOne, metadata } from './memory.mjs';
import { patterns } from './patterns.mjs';
import { persist } from './persist.mjs';
import { runTail, runThreads } from './threads.mjs';
import { time } from './timing.mjs';
import { view } from './view.mjs';

/** Patterns that open their own kinds, or need none. All others get an allocator. */
const whole = {
	threads: runThreads,
	tail: runTail,
	metadata,
	create: createOne,
	many: createMany,
	view,
	persist,
	cache,
};
const single = { fail, fill, faults: touchAll, gc: collect };

async function withAllocator(cell) {
	const allocator = await makeAllocator(cell.contestant, cell);
	const result = single[cell.pattern]?.(allocator, cell) ?? time(patterns[cell.pattern](allocator, cell), cell);
	allocator.end();
	return result;
}

const [contestant, directory, pattern, ...numbers] = process.argv.slice(2);
const [kindSize, size, live, threads, seed, touch, warmUpMs, samples, sampleMs, operations] = numbers.map(Number);
const cell = { contestant, directory, kindSize, size, live, threads, seed, touch: touch === 1 };
// threads-hold is the pattern hold in several threads. tail-conservative is the pattern tail in a conservative kind.
const [name, inner] = pattern.split('-');
Object.assign(cell, { pattern: name, inner, warmUpMs, samples, sampleMs, operations });
console.log(JSON.stringify(await (whole[name] ?? withAllocator)(cell)));
