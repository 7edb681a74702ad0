// Worker threads that increment the same words at once, in pages that their file has lost and that nobody has touched.
// Argument: the directory. Prints the numbers that the words came to, each number once.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { FixedKind } from 'daxkind';
import { lossyFile, pageSize } from './lossy.mjs';

const pages = 200;
const count = 4;
const { mapping, lose } = lossyFile(`${process.argv[2]}/file`, pages + 10);
const kind = FixedKind.create(mapping);
const block = kind.memalign(pageSize, pages * pageSize);
const gate = new Int32Array(new SharedArrayBuffer(8));

const source = `
	import { workerData } from 'node:worker_threads';
	import { Kind } from 'daxkind';
	const { shared, reference, gate, pages, pageSize } = workerData;
	const kind = Kind.attach(shared);
	const block = kind.deref(reference);
	const words = new Int32Array(block.buffer, block.byteOffset, block.length / 4);
	const increment = (page) => Atomics.add(words, (page * pageSize) / 4, 1);
	Atomics.add(gate, 0, 1);
	Atomics.wait(gate, 1, 0);
	for (let page = 0; page < pages; page++) for (let i = 0; i < 5; i++) increment(page);
	kind.close();`;
const workers = Array.from(
	{ length: count },
	() =>
		new Worker(source, {
			eval: true,
			execArgv: ['--input-type=module'],
			workerData: { shared: kind.share(), reference: kind.ref(block), gate, pages, pageSize },
		}),
);
const exits = Promise.all(workers.map((worker) => once(worker, 'exit')));
while (Atomics.load(gate, 0) < count) await new Promise((resolve) => setTimeout(resolve, 5));
lose();
Atomics.store(gate, 1, 1);
Atomics.notify(gate, 1);
for (const [status] of await exits) if (status !== 0) throw new Error(`a worker ended with status ${status}`);
const counts = new Set();
for (let page = 0; page < pages; page++) counts.add(block.readInt32LE(page * pageSize));
console.log([...counts].join());
