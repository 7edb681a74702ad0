// Several threads do the same work on one kind. They start together, warm up together, and begin each turn together. A
// turn ends when the last of them has ended. In every other turn the first thread works alone. A shared machine can be
// twice as fast in one second as in the next, so one thread now and two threads a minute later could not be compared.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { openKind } from '../place.mjs';
import { merge } from './histogram.mjs';

/** Number of words that the threads share: those of a barrier, and the sum of their rates. */
const sharedWords = 8;

/** The results of all threads. */
async function resultsOf(cell, policy) {
	const { directory, kindSize, threads } = cell;
	const kind = openKind(directory, { maxSize: kindSize, ...(policy !== 'default' && { policy }) });
	const words = new SharedArrayBuffer(4 * sharedWords);
	const results = await Promise.all(
		Array.from({ length: threads }, async (_, index) => {
			const workerData = { ...cell, index, seed: cell.seed + index, words, shared: kind.share() };
			const worker = new Worker(new URL('thread.mjs', import.meta.url), { workerData });
			const ended = once(worker, 'exit');
			const [result] = await once(worker, 'message');
			await ended;
			return result;
		}),
	);
	const leaks = kind.close();
	if (leaks !== undefined) throw new Error(`${leaks.blocks} blocks are left after all were freed`);
	return results;
}

/**
 * What some threads did in one turn: operations for each microsecond of wall time, and the CPU time of each operation.
 */
function together(samples, operations) {
	const from = Math.min(...samples.map((sample) => sample.from));
	const to = Math.max(...samples.map((sample) => sample.to));
	const cpu = samples.reduce((sum, sample) => sum + sample.cpu, 0) / samples.length;
	return { cpu, throughput: (samples.length * operations * 1000) / (to - from) };
}

export async function runThreads(cell) {
	const results = await resultsOf(cell, 'default');
	const { operations, spins } = results[0];
	const aloneAndTogether = (turns, count) => ({
		one: together([turns[0].one], count),
		all: together(
			turns.map(({ all }) => all),
			count,
		),
	});
	const turns = results[0].turns.map((_, index) => {
		const these = results.map((result) => result.turns[index]);
		const machine = aloneAndTogether(
			these.map((turn) => turn.machine),
			spins,
		);
		return { ...aloneAndTogether(these, operations), machine: machine.all.throughput / machine.one.throughput };
	});
	return { operations, turns };
}

/** The latencies of all threads in one kind, which is conservative for tail-conservative. */
export async function runTail(cell) {
	const results = await resultsOf(cell, cell.inner);
	return Object.fromEntries(
		['malloc', 'free', 'clock'].map((call) => [call, merge(results.map((result) => result[call]))]),
	);
}
