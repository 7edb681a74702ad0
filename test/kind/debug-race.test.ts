// Debug mode with several threads. A thread is not blamed for what another thread frees.
import { expect, test } from 'vitest';
import { testDirectory } from '../helpers/directory.ts';
import { runChild } from '../helpers/process.ts';

const directory = testDirectory();

// The red zone is as long as the alignment. Checking it takes so long that the other thread can be faster.
const rounds = 30;
const freeAll = `
	const meet = (times) => {
		Atomics.add(arrivals, 0, 1);
		while (Atomics.load(arrivals, 0) < 2 * times);
	};
	for (let round = 1; round <= ${rounds}; round++) {
		const block = take(round);
		meet(2 * round - 1);
		try {
			kind.free(block);
			codes.push('freed');
		} catch (error) {
			codes.push(error.code);
		}
		meet(2 * round);
	}`;

test('of two threads that free a block at once one does, and the other is told that it is freed', () => {
	const code = `
		import { Worker } from 'node:worker_threads';
		const kind = PmemKind.create(process.argv[1], { maxSize: 64 * 1024 * 1024, debug: true });
		const arrivals = new Int32Array(new SharedArrayBuffer(4));
		const blocks = Array.from({ length: ${rounds} }, () => kind.memalign(512 * 1024, 100));
		const references = blocks.map((block) => kind.ref(block));
		const codes = [];
		const take = (round) => blocks[round - 1];
		const worker = new Worker(${JSON.stringify(`
			import { parentPort, workerData } from 'node:worker_threads';
			import { Kind } from 'daxkind';
			const { shared, references, arrivals } = workerData;
			const kind = Kind.attach(shared);
			const codes = [];
			const take = (round) => kind.deref(references[round - 1]);
			${freeAll}
			parentPort.postMessage(codes);
			kind.close();
		`)}, { eval: true, workerData: { shared: kind.share(), references, arrivals } });
		worker.on('message', (others) => {
			for (let i = 0; i < ${rounds}; i++) console.log([codes[i], others[i]].sort().join(' '));
		});
		worker.on('exit', () => kind.close());
		worker.on('online', () => {${freeAll}});`;
	const child = runChild(code, directory);
	expect(child.stderr).toBe('');
	expect(child.stdout).toBe('ERR_DAXKIND_DOUBLE_FREE freed\n'.repeat(rounds));
});
