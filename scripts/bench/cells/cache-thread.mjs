// One of the threads that cells/cache.mjs starts: the mixed load on a cache that all of them share.
import { parentPort, workerData } from 'node:worker_threads';
import { attach } from './caches.mjs';
import { mixed } from './mixed.mjs';

const cache = attach(workerData.shared);
const load = mixed(cache, workerData);
await load.run(Math.min(workerData.operations, 300_000));
const result = await load.run(workerData.operations);
cache.end();
parentPort.postMessage(result);
// As in test/helpers/threads.ts: the thread must not end while V8 compiles (nodejs/node#54918).
setTimeout(() => {}, 100);
