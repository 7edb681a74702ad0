// Worker threads that all begin at the same moment, and what came out of them.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

const source = (body: string) => `
	const { parentPort, workerData } = require('node:worker_threads');
	const { data, index, gate } = workerData;
	import('daxkind').then(async ({ Kind, OutOfMemoryError, PmemKind }) => {
		Atomics.add(gate, 0, 1);
		Atomics.wait(gate, 1, 0);
		parentPort.postMessage(await (async () => { ${body} })());
		// A thread that ends while V8 compiles for it in the background may hang for ever, and all others with it: it waits for the
		// compiler, which waits for a garbage collection by the thread (nodejs/node#54918).
		setTimeout(() => {}, 100);
	});`;

/**
 * Runs the same body in so many threads at once. It sees `Kind`, `PmemKind`, `OutOfMemoryError`, `data` and its number `index`.
 * Gives what the bodies return, in the order of their numbers; an error in one of them is thrown.
 */
export async function inThreads<Result>(count: number, body: string, data: unknown): Promise<Result[]> {
	const gate = new Int32Array(new SharedArrayBuffer(8));
	const workers = Array.from(
		{ length: count },
		(_, index) => new Worker(source(body), { eval: true, workerData: { data, index, gate } }),
	);
	const results = Promise.all(
		workers.map(async (worker) => {
			const exit = once(worker, 'exit');
			const [result] = (await once(worker, 'message')) as [Result];
			await exit;
			return result;
		}),
	);
	// Whoever fails before the gate fails all.
	const open = async () => {
		while (Atomics.load(gate, 0) < count) await new Promise((resolve) => setTimeout(resolve, 5));
	};
	await Promise.race([open(), results]);
	Atomics.store(gate, 1, 1);
	Atomics.notify(gate, 1);
	return results;
}
