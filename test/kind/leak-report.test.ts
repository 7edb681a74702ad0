// The leak report where several threads hold the kind. One of them gets it, and it names what nobody has freed.
import { expect, test } from 'vitest';
import { testDirectory } from '../helpers/directory.ts';
import { runChild } from '../helpers/process.ts';

const directory = testDirectory();

test('of threads that close a kind at the same time one gets the report', () => {
	const rounds = 300;
	const code = `
		import { Kind } from 'daxkind';
		import { Worker } from 'node:worker_threads';
		const arrivals = new Int32Array(new SharedArrayBuffer(4));
		const meet = (times) => {
			Atomics.add(arrivals, 0, 1);
			while (Atomics.load(arrivals, 0) < 2 * times);
		};
		const kinds = [];
		for (let i = 0; i < ${rounds}; i++) {
			kinds.push(PmemKind.create(process.argv[1], { maxSize: 16 * 1024 * 1024 }));
			kinds[i].malloc(100);
		}
		const reports = [];
		const worker = new Worker(${JSON.stringify(`
			import { parentPort, workerData } from 'node:worker_threads';
			import { Kind } from 'daxkind';
			const { shared, arrivals } = workerData;
			const kinds = shared.map((each) => Kind.attach(each));
			const meet = (times) => {
				Atomics.add(arrivals, 0, 1);
				while (Atomics.load(arrivals, 0) < 2 * times);
			};
			const reports = kinds.map((kind, i) => {
				meet(i + 1);
				return kind.close();
			});
			parentPort.postMessage(reports);
		`)}, { eval: true, workerData: { shared: kinds.map((kind) => kind.share()), arrivals } });
		worker.on('message', (others) => {
			const told = kinds.map((_, i) => [reports[i], others[i]].filter((report) => report !== undefined));
			console.log(told.filter((each) => each.length === 1 && each[0].blocks === 1).length);
		});
		worker.on('online', () => {
			kinds.forEach((kind, i) => {
				meet(i + 1);
				reports.push(kind.close());
			});
		});`;
	const child = runChild(code, directory);
	expect(child.stderr).toBe('');
	expect(child.stdout).toBe(`${rounds}\n`);
});

test('in debug mode it names the places of what is left, not of what another thread has freed', () => {
	const code = `
		import { Worker } from 'node:worker_threads';
		const kind = PmemKind.create(process.argv[1], { maxSize: 16 * 1024 * 1024, debug: true });
		const references = Array.from({ length: 3000 }, function freedElsewhere() { return kind.ref(kind.malloc(100)); });
		(function leftBehind() { kind.malloc(77); })();
		const worker = new Worker(${JSON.stringify(`
			import { workerData } from 'node:worker_threads';
			import { Kind } from 'daxkind';
			const kind = Kind.attach(workerData.shared);
			for (const reference of workerData.references) kind.free(kind.deref(reference));
			kind.close();
		`)}, { eval: true, workerData: { shared: kind.share(), references } });
		worker.on('exit', () => {
			const { blocks, bytes, stacks } = kind.close();
			console.log(blocks, bytes, stacks.length, stacks[0].blocks, stacks[0].bytes, /leftBehind/.test(stacks[0].stack));
		});`;
	expect(runChild(code, directory).stdout).toBe('1 112 1 1 112 true\n');
});
