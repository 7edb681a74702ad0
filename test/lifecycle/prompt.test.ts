// Long jobs wait for nobody, and nobody waits for them. A process or a worker in the middle of one ends as soon as one
// that does nothing. Node's own thread pool stays free, and short jobs get their turns.
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { expect, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { testDirectory } from '../helpers/directory.ts';
import { holders, runChild, startChild, until } from '../helpers/process.ts';

const root = testDirectory();
/** To fault in so much takes seconds on any machine. If all is well it does not happen. */
const much = 8192 * MIB;
/** How much later it may end than an idle one. The kernel has memory to free, and other processes take time. */
const graceMs = 2000;

/**
 * A job that is under way when `started` resolves. It can use `directory`, in which there is a tree that it can change.
 */
const jobs: Record<string, string> = {
	'createAsync that prefaults': `
		const started = new Promise((resolve) => {
			daxkind.PmemKind.createAsync(directory, { maxSize: ${much}, prefault: true, onProgress: resolve });
		});`,
	prefault: `
		const kind = daxkind.PmemKind.create(directory, { maxSize: ${much} });
		const started = new Promise((resolve) => void kind.prefaultAsync({ onProgress: resolve }));`,
	'prefault of a kind that is closed': `
		const kind = daxkind.PmemKind.create(directory, { maxSize: ${much} });
		const started = new Promise((resolve) => void kind.prefaultAsync({ onProgress: resolve }).catch(() => {}));
		void started.then(() => kind.closeAsync());`,
	'40 jobs at once': `
		const started = Promise.all(Array.from({ length: 40 }, () => new Promise((resolve) => {
			daxkind.PmemKind.createAsync(directory, { maxSize: ${much / 32}, prefault: true, onProgress: resolve });
		})));`,
	'purgeAsync, closeAsync and setDaxFlagAsync': `
		const [purged, closed] = [1, 2].map(() => daxkind.PmemKind.create(directory, { maxSize: ${512 * MIB} }));
		for (const kind of [purged, closed]) kind.free(kind.malloc(${512 * MIB}).fill(1));
		purged.purgeAsync();
		closed.closeAsync();
		dax.setDaxFlagAsync(directory, false, { recursive: true }).catch(() => {});
		const started = Promise.resolve();`,
	'nothing at all': 'const started = new Promise((resolve) => setTimeout(resolve, 100));',
};

function directoryWithTree(): string {
	const directory = mkdtempSync(`${root}/`);
	for (let n = 0; n < 10; n++) {
		mkdirSync(`${directory}/${n}`);
		for (let m = 0; m < 50; m++) writeFileSync(`${directory}/${n}/${m}`, '');
	}
	return directory;
}

const imports = `
	import * as daxkind from 'daxkind';
	import * as dax from 'daxkind/dax';`;

/** The milliseconds from the moment when a process says that it is about to end until it has ended. */
async function endOf(job: string): Promise<number> {
	const directory = directoryWithTree();
	const child = await startChild(
		`${imports}
		const directory = process.argv[1];
		${jobs[job]}
		await started;
		process.stdout.write('ready', () => process.exit(7));`,
		directory,
	);
	const start = performance.now();
	expect(await child.ended).toEqual({ status: 7, signal: null, stdout: 'ready', stderr: '' });
	const took = performance.now() - start;
	await until(() => holders(directory).length === 0);
	return took;
}

/**
 * The milliseconds that the termination of a worker takes. The process prints them when nothing of the worker is left.
 */
function terminationOf(job: string): number {
	const child = runChild(
		`import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
		import { setTimeout as sleep } from 'node:timers/promises';
		import { Worker } from 'node:worker_threads';
		const source = ${JSON.stringify(`
			import { parentPort, workerData as directory } from 'node:worker_threads';
			${imports}
			${jobs[job]}
			await started;
			parentPort.postMessage('started');
			setInterval(() => {}, 1000);`)};
		const worker = new Worker(source, { eval: true, workerData: process.argv[1], execArgv: [] });
		await new Promise((resolve) => worker.once('message', resolve));
		const start = performance.now();
		await worker.terminate();
		const took = performance.now() - start;
		// What ends meanwhile cannot be read any more.
		const attempt = (read) => { try { return String(read()); } catch { return ''; } };
		const links = () => readdirSync('/proc/self/fd').map((fd) => attempt(() => readlinkSync('/proc/self/fd/' + fd)));
		const names = () => readdirSync('/proc/self/task').map((id) =>
			attempt(() => readFileSync('/proc/self/task/' + id + '/comm')));
		const isHeld = () => [...links(), readFileSync('/proc/self/maps')].join().includes(process.argv[1] + '/');
		while (isHeld() || names().join().includes('daxkind')) await sleep(20);
		console.log(took);`,
		directoryWithTree(),
	);
	expect({ status: child.status, stderr: child.stderr }).toEqual({ status: 0, stderr: '' });
	return Number(child.stdout);
}

for (const job of Object.keys(jobs).filter((name) => name !== 'nothing at all')) {
	test(`process.exit in the middle of ${job} takes no longer than without`, async () => {
		const [busy, idle] = [await endOf(job), await endOf('nothing at all')];
		expect(busy).toBeLessThan(idle + graceMs);
	});

	test(`worker.terminate in the middle of ${job} takes no longer than without, and leaves nothing`, () => {
		const [busy, idle] = [terminationOf(job), terminationOf('nothing at all')];
		expect(busy).toBeLessThan(idle + graceMs);
	});
}

test('as many long jobs as you like leave Node its thread pool', () => {
	const child = runChild(
		`import { promises as fs } from 'node:fs';
		const jobs = Array.from({ length: 8 }, () =>
			PmemKind.createAsync(process.argv[1], { maxSize: ${128 * MIB}, prefault: true }));
		const first = Promise.race(jobs).then(() => 'a job');
		const stats = (async () => {
			for (let n = 0; n < 5; n++) await fs.stat('/');
			return 'stat, five times';
		})();
		console.log(await Promise.race([first, stats]));
		for (const job of jobs) (await job).close();`,
		mkdtempSync(`${root}/`),
	);
	expect(child).toMatchObject({ status: 0, stdout: 'stat, five times\n', stderr: '' });
});

test('a short job gets its turn while many long ones go on', () => {
	const child = runChild(
		`const directory = process.argv[1];
		let done = 0;
		const jobs = Array.from({ length: 40 }, async () => {
			const kind = await PmemKind.createAsync(directory, { maxSize: ${64 * MIB}, prefault: true });
			done++;
			await kind.closeAsync();
		});
		const short = await PmemKind.createAsync(directory, { maxSize: ${16 * MIB} });
		console.log(done);
		short.close();
		await Promise.all(jobs);`,
		mkdtempSync(`${root}/`),
	);
	expect(child).toMatchObject({ status: 0, stderr: '' });
	expect(Number(child.stdout)).toBeLessThan(10 + availableParallelism());
});
