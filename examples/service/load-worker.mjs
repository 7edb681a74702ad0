// Runs the load in a thread of its own, so that the load's garbage is not counted as the service's.
import { parentPort, workerData } from 'node:worker_threads';
import { runLoad } from './load.mjs';

parentPort?.postMessage(await runLoad(workerData));
