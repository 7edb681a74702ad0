// One of the threads that threads.mjs starts.
import { parentPort, workerData } from 'node:worker_threads';
import { makeAllocator } from './allocators.mjs';
import { measure } from './clock.mjs';
import { patterns } from './patterns.mjs';
import { tail } from './tail.mjs';
import { operationsFor, warmUp } from './timing.mjs';

const cell = workerData;
const words = new Int32Array(cell.words);
const [arrived, generation, rates] = [0, 1, 2];
/** Turns for each sample of the options. */
const turnsForSample = 3;
/** Rounds of `spin`. They take some milliseconds. */
const spins = 2_000_000;
const { imul } = Math;

/**
 * Needs all of a processor, and nothing else: eight chains of instructions that do not wait for each other. Where the
 * two processors are one core, two threads do no more of this work than one thread does.
 */
function spin(rounds) {
	let [a, b, c, d, e, f, g, h] = [1, 2, 3, 4, 5, 6, 7, 8];
	for (let i = 0; i < rounds; i++) {
		a = imul(a, 5) ^ i;
		b = (b + a) | 0;
		c = imul(c, 9) ^ i;
		d = (d + c) | 0;
		e = (e ^ i) + 7;
		f = (f + i) ^ 3;
		g = (g ^ i) - 5;
		h = (h - i) ^ 9;
	}
	return a ^ b ^ c ^ d ^ e ^ f ^ g ^ h;
}

/** Waits until all threads are here. */
function meet() {
	const now = Atomics.load(words, generation);
	if (Atomics.add(words, arrived, 1) + 1 === cell.threads) {
		Atomics.store(words, arrived, 0);
		Atomics.add(words, generation, 1);
		Atomics.notify(words, generation);
	} else {
		// Wait again if nothing has changed: the last thread of the previous meeting may notify late.
		while (Atomics.load(words, generation) === now) Atomics.wait(words, generation, now);
	}
}

/** The first thread alone, then all of them, in turns. */
function turnsOf(allocator) {
	const { run, end } = patterns[cell.inner](allocator, cell);
	meet();
	Atomics.add(words, rates, Math.ceil(warmUp(run, cell)));
	meet();
	// All threads make the same number of operations, so that they end together.
	const operations = operationsFor(Atomics.load(words, rates) / cell.threads, cell);
	const aloneAndTogether = (count, work) => {
		meet();
		const one = cell.index === 0 ? measure(count, work) : undefined;
		meet();
		return { one, all: measure(count, work) };
	};
	spin(spins);
	const turns = Array.from({ length: turnsForSample * cell.samples }, () => ({
		machine: aloneAndTogether(spins, spin),
		...aloneAndTogether(operations, run),
	}));
	meet();
	end();
	return { operations, spins, turns };
}

function latenciesOf(allocator) {
	const { replace, end } = tail(allocator, cell);
	meet();
	warmUp(replace, cell);
	meet();
	const took = replace(cell.operations);
	meet();
	end();
	return took;
}

const allocator = makeAllocator(cell.contestant, cell);
const result = cell.pattern === 'tail' ? latenciesOf(allocator) : turnsOf(allocator);
allocator.end();
parentPort.postMessage(result);
// As in test/helpers/threads.ts: the thread must not end while V8 compiles (nodejs/node#54918).
setTimeout(() => {}, 100);
