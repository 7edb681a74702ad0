// A pool of workers on one cache: what one of them has computed, all others find. Without it each thread would have a
// cache of its own, and compute everything again.
//
//     node examples/worker-pool/main.mjs [DIRECTORY] [WORKERS]
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { PmemCache } from 'daxkind/cache';

const [directory = '/dev/shm', count = '4'] = process.argv.slice(2);
const keys = 500;
const tasks = 5000;

const cache = PmemCache.create(directory, { maxSize: 64 * 2 ** 20, name: 'derived keys' });
const path = fileURLToPath(new URL('worker.mjs', import.meta.url));

/** Hands the tasks out one after the other, and adds up how many of them a worker had to compute. */
let next = 0;
async function run() {
	const worker = new Worker(path, { workerData: cache.share() });
	let computed = 0;
	while (next < tasks) {
		worker.postMessage(`password ${next++ % keys}`);
		const [wasComputed] = await once(worker, 'message');
		if (wasComputed) computed++;
	}
	worker.postMessage(undefined);
	await once(worker, 'exit');
	return computed;
}
const computed = await Promise.all(Array.from({ length: Number(count) }, run));

const sum = computed.reduce((total, each) => total + each, 0);
// Two workers may begin the same key at the same moment.
console.log(
	`${tasks} tasks by ${count} workers, ${cache.size} keys, none computed twice or nearly so: ${sum < keys * 1.1}`,
);
cache.close();
