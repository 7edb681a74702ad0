// While much storage goes back, no event loop and no other thread waits for it. The process does nothing else.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { GIB } from '#lib/size.js';
import { testDirectory } from '../helpers/directory.ts';
import { freeBytes, runChild } from '../helpers/process.ts';

const directory = testDirectory();

/** It takes more than half a second to give so much back. */
const much = 2 * GIB;
/** No pause should be longer than 20 ms. The rest is for a busy machine, where a thread has to wait for a processor. */
const longestMs = 250;

/**
 * The ways to give storage back. What comes after `start` is measured. Meanwhile a thread uses the kind that `start`
 * was given.
 */
const ways: Record<string, string> = {
	'freed memory decays': `
		const kind = make();
		const blocks = fill(kind);
		await start(kind);
		for (const block of blocks) kind.free(block);
		await until(() => storage() < ${GIB / 8});`,
	'purgeAsync gives it back': `
		const kind = make();
		for (const block of fill(kind)) kind.free(block);
		await start(kind);
		await kind.purgeAsync();`,
	'closeAsync gives it back': `
		const kinds = [1, 2, 3].map(() => make());
		for (const kind of kinds) kind.malloc(${GIB}).fill(1);
		// Whoever maps memory would wait while much is unmapped.
		await start(make(), 'makes kinds');
		for (const kind of kinds) await kind.closeAsync();`,
	'a conservative kind frees it': `
		const kind = make({ policy: 'conservative' });
		const blocks = fill(kind);
		await start(kind);
		for (const block of blocks) kind.free(block);
		await until(() => storage() < ${GIB / 8});`,
};

interface Pauses {
	/** The milliseconds of the longest turn of the event loop. */
	loop: number;
	/** The milliseconds of the longest call of a thread that allocates, frees and asks for statistics. */
	thread: number;
	/** The part of the time that the thread spent in calls longer than 30 ms. */
	waited: number;
}

function pauses(way: string): Pauses {
	const { status, signal, stdout, stderr } = runChild(
		`import fs from 'node:fs';
		import { monitorEventLoopDelay } from 'node:perf_hooks';
		import { setTimeout as sleep } from 'node:timers/promises';
		import { Worker } from 'node:worker_threads';
		const directory = process.argv[1];
		const make = (options) => PmemKind.create(directory, { maxSize: ${much + GIB}, ...options });
		const fill = (kind) => Array.from({ length: ${much / GIB} }, () => kind.malloc(${GIB}).fill(1));
		const fds = () => fs.readdirSync('/proc/self/fd').filter((fd) => {
			try { return fs.readlinkSync('/proc/self/fd/' + fd).startsWith(directory + '/'); } catch { return false; }
		});
		const storage = () => fds().reduce((sum, fd) => sum + fs.fstatSync(Number(fd)).blocks * 512, 0);
		const until = async (condition) => { while (!condition()) await sleep(100); };
		const delay = monitorEventLoopDelay({ resolution: 1 });
		const longest = new Float64Array(new SharedArrayBuffer(16));
		const source = \`
			const { parentPort, workerData: { directory, shared, task, longest } } = require('node:worker_threads');
			const { Kind, PmemKind } = require('daxkind');
			const kind = Kind.attach(shared);
			const wait = new Int32Array(new SharedArrayBuffer(4));
			let last;
			const took = () => {
				const now = performance.now();
				const time = now - last;
				last = now;
				longest[0] = Math.max(longest[0], time);
				if (time > 30) longest[1] += time;
			};
			for (let i = 0; ; i++) {
				last = performance.now();
				const block = kind.malloc(1 + (i * 7919) % 300_000).fill(i);
				took();
				kind.free(block);
				took();
				kind.stats();
				took();
				if (task === 'makes kinds') PmemKind.create(directory, { maxSize: 2 ** 24 }).close();
				took();
				if (i === 1000) parentPort.postMessage('ready');
				if (i > 1000) Atomics.wait(wait, 0, 0, 1);
			}\`;
		let began;
		const start = async (kind, task) => {
			const workerData = { directory, shared: kind.share(), task, longest };
			const worker = new Worker(source, { eval: true, workerData, execArgv: [] });
			await new Promise((resolve) => worker.once('message', resolve));
			await sleep(100);
			delay.enable();
			await sleep(100);
			longest.fill(0);
			began = performance.now();
		};
		${ways[way]}
		await sleep(10);
		const waited = longest[1] / (performance.now() - began);
		console.log(JSON.stringify({ loop: delay.max / 1e6, thread: longest[0], waited }));
		process.exit();`,
		directory,
	);
	expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
	return JSON.parse(stdout);
}

const needed = 4 * GIB;
const availableKiB = Number(/^MemAvailable:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))![1]);
const hasRoom = Math.min(availableKiB * 1024, freeBytes(directory)) >= needed;
if (!hasRoom) console.warn(`pauses.test.ts is skipped: memory or ${directory} has less than ${needed / GIB} GiB free`);

test.skipIf(!hasRoom).each(Object.keys(ways))(
	'neither the event loop nor another thread waits while %s',
	{ timeout: 90_000 },
	(way) => {
		const { loop, thread, waited } = pauses(way);
		expect(loop).toBeLessThan(longestMs);
		expect(thread).toBeLessThan(longestMs);
		expect(waited).toBeLessThan(0.25);
	},
);
