// Programs for tests of worker threads: a process with a kind of its own, and the workers that it starts.

/** A worker that comes to a stage, says so and goes on. Its workerData is { directory, shared }. */
export const worker = (stage: string, ending: string) => `
	import { parentPort, workerData } from 'node:worker_threads';
	import { Kind, PmemKind } from 'daxkind';
	${stage}
	parentPort.postMessage('ready');
	${ending}`;

/**
 * A process with a kind that has one block; `code` may start workers and look at what they leave:
 * - `kind`, `block` and `isWhole()`: whether the block's bytes are what they were
 * - `files()`: how many descriptors and mappings of files in the directory there are
 * - `settled()`: waits until there is one of each, the process's own kind's, and gives that; or gives what there is after ten
 *   seconds: what jobs of a worker that has ended let go, they let go in a moment
 * - `start(code, shared)`: starts a worker and waits for its first message: { worker, message, exit }, the last one a promise
 *   of its exit code and its errors, which are expected. `shared` is what it attaches to, by default `kind`
 */
export const processWithWorkers = (code: string) => `
	import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
	import { setTimeout as sleep } from 'node:timers/promises';
	import { Worker } from 'node:worker_threads';
	import { Kind } from 'daxkind';
	const directory = process.argv[1];
	const kind = PmemKind.create(directory, { maxSize: 64 * 1024 * 1024 });
	const block = kind.malloc(100_000).fill('mine');
	const isWhole = () => block.equals(Buffer.alloc(100_000, 'mine'));
	const link = (fd) => { try { return readlinkSync('/proc/self/fd/' + fd); } catch { return ''; } };
	const files = () => {
		const maps = readFileSync('/proc/self/maps', 'utf8').split('\\n');
		const own = (lines) => lines.filter((line) => line.includes(directory + '/')).length;
		return [own(readdirSync('/proc/self/fd').map(link)), own(maps)].join(' ');
	};
	const settled = async () => {
		for (let tries = 0; tries < 500 && files() !== '1 1'; tries++) await sleep(20);
		return files();
	};
	const start = async (code, shared = kind.share()) => {
		const worker = new Worker(code, { eval: true, workerData: { directory, shared }, execArgv: [] });
		const errors = [];
		worker.on('error', (error) => errors.push(error.message));
		const exit = new Promise((resolve) => worker.once('exit', (status) => resolve([status, ...errors].join(' '))));
		// Not events.once, which an error ends, and that may be here before the message.
		const ready = new Promise((resolve) => worker.once('message', resolve));
		const early = exit.then((status) => { throw new Error('it ended early: ' + status); });
		return { worker, exit, message: await Promise.race([ready, early]) };
	};
	${code}`;
