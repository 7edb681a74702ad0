// A kind made in a worker thread: it goes with the worker, however the worker ends.
import { expect, test } from 'vitest';
import { testDirectory } from '../helpers/directory.ts';
import { runChild } from '../helpers/process.ts';

const directory = testDirectory();

const inWorker = (ending: string) => `
	import { parentPort, workerData } from 'node:worker_threads';
	import { PmemKind } from 'daxkind';
	const kind = PmemKind.create(workerData, { maxSize: 64 * 1024 * 1024 });
	const held = [];
	for (let i = 0; i < 2000; i++) held.push(kind.malloc(i * 7).fill(i));
	for (let i = 0; i < 2000; i += 2) kind.free(held[i]);
	parentPort.postMessage('ready');
	${ending}`;

const inMain = (ending: string) => `
	import { once } from 'node:events';
	import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
	import { Worker } from 'node:worker_threads';
	const directory = process.argv[1];
	const link = (fd) => { try { return readlinkSync('/proc/self/fd/' + fd); } catch { return ''; } };
	const left = () => {
		const maps = readFileSync('/proc/self/maps', 'utf8').split('\\n');
		return [readdirSync('/proc/self/fd').map(link), maps].map((lines) => lines.filter((line) => line.includes(directory + '/')).length);
	};
	for (let round = 0; round < 3; round++) {
		const worker = new Worker(${JSON.stringify(inWorker(ending))}, { eval: true, workerData: directory });
		const exit = once(worker, 'exit');
		await once(worker, 'message');
		if (${ending.includes('for (;;)')}) {
			await new Promise((resolve) => setTimeout(resolve, 50));
			await worker.terminate();
		}
		await exit;
		console.log(...left());
	}`;

for (const [end, code] of [
	['ends by itself', ''],
	['calls process.exit', 'process.exit(0);'],
	['closes its kind', 'kind.close();'],
	[
		'is terminated in the middle of malloc and free',
		'for (;;) { const b = kind.malloc(Math.random() * 9000 | 0); kind.free(b); }',
	],
	[
		'is terminated while it creates kinds and asks for statistics',
		'for (;;) { const other = PmemKind.create(workerData); try { PmemKind.create("/missing"); } catch {} other.stats(); other.close(); }',
	],
] as const) {
	test(`a worker that ${end} leaves no descriptor and no mapping`, () => {
		const child = runChild(inMain(code), directory);
		expect(child.stderr).toBe('');
		expect(child.stdout).toBe('0 0\n'.repeat(3));
		expect({ status: child.status, signal: child.signal }).toEqual({ status: 0, signal: null });
	});
}
