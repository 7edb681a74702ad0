// Programs for tests of worker threads: a process with a kind of its own, and the workers that it starts.

/** A worker that comes to a stage, says so and goes on. Its workerData is { directory, shared }. */
export const worker = (stage: string, ending: string) => `
	import { parentPort, workerData } from 'node:worker_threads';
	import { Kind, PmemKind } from 'daxkind';
	${stage}
	parentPort.postMessage('ready');
	${ending}`;

/**
 * A process with a kind that has one block. `code` may start workers and look at what they leave. It can use:
 * - `kind`, `block`, and `isWhole()`: whether the block's bytes have not changed
 * - `files()`: how many descriptors and mappings of files in the directory there are
 * - `settled()`: waits until there is one of each, those of the process's own kind, and returns what `files` says. It
 *   waits ten seconds at most, because the jobs of a worker that has ended let go of their files a moment later
 * - `start(code, shared)`: starts a worker and waits for its first message. It returns { worker, message, exit }.
 *   `exit` is a promise of its exit code and its errors, which are expected. The worker attaches to `shared`, by
 *   default to `kind`
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
