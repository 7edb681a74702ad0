// Worker threads that all begin at the same moment, and their results.
import { Worker } from 'node:worker_threads';
import { until } from './process.ts';

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
 * Runs the same body in `count` threads at once. It sees `Kind`, `PmemKind`, `OutOfMemoryError`, `data` and its number
 * `index`. It returns what the bodies return, in the order of their numbers. An error in one of them is thrown.
 */
export async function inThreads<Result>(count: number, body: string, data: unknown): Promise<Result[]> {
	const gate = new Int32Array(new SharedArrayBuffer(8));
	const workers = Array.from(
		{ length: count },
		(_, index) => new Worker(source(body), { eval: true, workerData: { data, index, gate } }),
	);
	const results = workers.map(
		(worker) =>
			new Promise<Result>((resolve, reject) => {
				let result: [Result] | undefined;
				worker.once('message', (message) => {
					result = [message];
				});
				worker.once('error', reject);
				worker.once('exit', (status) => {
					if (result === undefined) reject(new Error(`A thread has ended with status ${status} and no result`));
					else resolve(result[0]);
				});
			}),
	);
	const all = Promise.all(results);
	let hasFailed = false;
	all.catch(() => {
		hasFailed = true;
	});
	try {
		// A thread that fails before the gate makes all of them fail.
		await until(() => hasFailed || Atomics.load(gate, 0) === count, 5);
		Atomics.store(gate, 1, 1);
		Atomics.notify(gate, 1);
		return await all;
	} finally {
		// After a failure some threads still run.
		await Promise.all(workers.map((worker) => worker.terminate()));
	}
}
