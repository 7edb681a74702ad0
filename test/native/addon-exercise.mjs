// Uses the whole addon for some seconds, rightly and wrongly, in several threads. It is for a build of the addon that
// checks every access (scripts/native-test.mjs). `node --expose-gc addon-exercise.mjs DIRECTORY [SECONDS] [SEED]`. It
// prints the number of calls at the end. A failure is the sanitizer's, or an assertion here.

import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { explain, FixedKind, findDaxMounts, getFsxattr, isDax, Kind, mapFile, PmemKind, statx } from 'daxkind';
import { native } from '#lib/native.js';
import { newPhase, operate, receive, release } from '../../scripts/players/operations.mjs';
import { Player } from '../../scripts/players/player.mjs';
import { Random } from '../../scripts/random.mjs';

const MiB = 1024 * 1024;

const codes = new Set([
	'ERR_DAXKIND_OUT_OF_MEMORY',
	'ERR_DAXKIND_DOUBLE_FREE',
	'ERR_DAXKIND_NOT_A_BLOCK',
	'ERR_DAXKIND_WRONG_KIND',
	'ERR_DAXKIND_STALE_REFERENCE',
	'ERR_DAXKIND_OVERRUN',
	'ERR_INVALID_ARG_TYPE',
	'ERR_INVALID_STATE',
	'ERR_OUT_OF_RANGE',
]);

/** Calls something that may fail with one of the documented errors. */
function may(body) {
	try {
		return body();
	} catch (error) {
		assert(codes.has(error.code), error.stack);
		return undefined;
	}
}

/** Makes random operations on a kind, some of them mistakes. Gives back everything except what it has sent. */
async function useKind(kind, random, calls, send) {
	const player = new Player({ kind, random, send, phase: newPhase(random), largest: MiB, nextId: random.next() });
	for (let i = 0; i < calls; i++) operate(player, player.bytes < kind.capacity / 4);
	giveBack(player);
	await player.pending;
}

function giveBack(player) {
	while (player.held.length > 0) release(player, player.held.at(-1));
}

/**
 * Runs in a worker: joins the kind, uses it, takes and frees what the main thread hands over, and closes, or is
 * terminated.
 */
async function beWorker({ shared, seed }) {
	const kind = Kind.attach(shared);
	const random = new Random(seed);
	const taker = new Player({ kind, random });
	const end = new Promise((resolve) => {
		parentPort.on('message', (item) => {
			if (item === 'end') return resolve();
			receive(taker, item);
			return giveBack(taker);
		});
	});
	for (let i = 0; i < 20; i++) await useKind(kind, random, 200);
	parentPort.postMessage('ready');
	await end;
	kind.close();
	parentPort.close();
}

async function useThreads(directory, random) {
	const policy = random.pick(['default', 'conservative']);
	const kind = PmemKind.create(directory, { maxSize: 16 * MiB, policy });
	const shared = kind.share();
	const workers = [0, 1].map(
		() => new Worker(new URL(import.meta.url), { workerData: { shared, seed: random.next() } }),
	);
	const ready = workers.map((worker) => new Promise((resolve) => worker.once('message', resolve)));
	const exits = workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve)));
	const send = (item) => {
		for (const worker of item.type === 'race' ? workers : [random.pick(workers)]) worker.postMessage(item);
	};
	for (let i = 0; i < 20; i++) {
		await useKind(kind, random, 200, send);
		await setImmediate();
	}
	// One worker ends by itself. The other is terminated in the middle of whatever it does.
	workers[0].postMessage('end');
	if (random.chance(0.5)) await ready[1];
	await workers[1].terminate();
	await Promise.all(exits);
	globalThis.gc();
	await setImmediate();
	kind.close();
}

/** Runs in a worker, which is terminated in the middle of a call. From then on Node refuses to make ArrayBuffers. */
async function beEndless({ shared }) {
	const kind = Kind.attach(shared);
	kind.malloc(1000);
	parentPort.postMessage('ready');
	// In a microtask, as most of a program's code is.
	await null;
	const firstHold = 1;
	while (native.kindCollectedWindow(firstHold, 0, 0, 1000, 1) !== undefined);
	for (;;);
}

/** What is refused at the end of a thread must not keep the kind. */
async function endThreads(directory, random) {
	for (let i = 0; i < 4; i++) {
		const kind = PmemKind.create(directory, { maxSize: 16 * MiB });
		const worker = new Worker(new URL(import.meta.url), { workerData: { shared: kind.share(), isEndless: true } });
		await new Promise((resolve) => worker.once('message', resolve));
		await setTimeout(random.below(5));
		await worker.terminate();
		kind.close();
	}
}

async function useOneThread(directory, random) {
	const [debug, prefault] = [random.chance(0.25), random.chance(0.25)];
	const kind = await PmemKind.createAsync(directory, { maxSize: 16 * MiB, debug, prefault });
	await useKind(kind, random, 2000);
	const controller = new AbortController();
	const { signal } = controller;
	const jobs = Promise.allSettled([kind.purgeAsync({ signal }), kind.prefaultAsync({ signal })]);
	if (random.chance(0.5)) controller.abort();
	await useKind(kind, random, 200);
	await jobs;
	// Waits for what only the garbage collector frees.
	for (let tries = 0; kind.stats().blocks > 0 && tries < 100; tries++) {
		globalThis.gc();
		await setImmediate();
	}
	const stale = kind.tryMalloc(1000);
	const handle = kind.tryMallocRaw(1000);
	// Sometimes the kind is closed while a job works on it. The job may reject before the close is done.
	const job = random.chance(0.5) ? kind.prefaultAsync().catch(() => undefined) : undefined;
	const leaks = await (random.chance(0.5) ? kind.closeAsync() : kind.close());
	assert.equal(leaks?.blocks ?? 0, Number(stale !== undefined) + Number(handle !== 0));
	await job;
	assert.equal(stale?.length ?? 0, 0);
	may(() => kind.free(stale));
	may(() => kind.freeRaw(handle));
	await assert.rejects(PmemKind.createAsync(join(directory, 'missing')), { code: 'ENOENT' });
}

async function useFiles(directory, random) {
	const path = join(directory, 'mapped');
	writeFileSync(path, Buffer.alloc(4 * MiB));
	const mapping = mapFile(path);
	mapping.buffer.fill(random.below(256));
	mapping.persist(0, 100_000);
	mapping.flush(10, 1000);
	mapping.drain();
	const kind = FixedKind.create(mapping);
	await useKind(kind, random, 500);
	may(() => mapping.unmap());
	kind.close();
	mapping.unmap();
	const copy = mapFile(path, { writable: false, offset: 4096, length: 8192 });
	copy.buffer.fill(1);
	copy.unmap();
	for (const file of [path, directory]) {
		statx(file);
		isDax(file);
		explain(file);
		try {
			getFsxattr(file);
		} catch (error) {
			assert.equal(error.syscall, 'ioctl');
		}
	}
	findDaxMounts();
	rmSync(path);
}

if (isMainThread) {
	const [, , directory, seconds = '2', seed = '1'] = process.argv;
	const random = new Random(Number(seed));
	const end = performance.now() + Number(seconds) * 1000;
	let rounds = 0;
	do {
		await useOneThread(directory, random);
		await useFiles(directory, random);
		await useThreads(directory, random);
		await endThreads(directory, random);
		globalThis.gc();
		await setImmediate();
		rounds++;
	} while (performance.now() < end);
	console.log(`${rounds} rounds from seed ${seed}`);
} else {
	await (workerData.isEndless ? beEndless(workerData) : beWorker(workerData));
}
