// Uses the whole addon for some seconds, rightly and wrongly, in several threads: for a build of it that looks at every
// access (scripts/native-test.mjs). `node --expose-gc addon-exercise.mjs DIRECTORY [SECONDS] [SEED]`. What it prints
// last is the number of calls; a failure is the sanitizer's, or an assertion here.

import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { explain, FixedKind, findDaxMounts, getFsxattr, isDax, Kind, mapFile, PmemKind, statx } from 'daxkind';

const MiB = 1024 * 1024;

/** Numbers from a seed: a linear congruential generator is random enough. */
function random(seed) {
	let state = seed >>> 0;
	return (below) => {
		state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
		return Math.floor((state / 2 ** 32) * below);
	};
}

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

/** Calls something that may go wrong, by one of the documented errors. */
function may(body) {
	try {
		return body();
	} catch (error) {
		assert(codes.has(error.code), error.stack);
		return undefined;
	}
}

/** Random calls on a kind, some of them mistakes. Gives back everything. */
function useKind(kind, pick, calls, send = (_reference, keep) => keep()) {
	const held = [];
	const raw = [];
	const freed = [];
	const take = (array) => (array.length === 0 ? undefined : array.splice(pick(array.length), 1)[0]);
	const size = () => (pick(3) === 0 ? pick(MiB) : pick(9000));
	const keep = (block) => block !== undefined && held.push(block.fill(pick(256)));
	const free = (block) => {
		if (block === undefined) return;
		may(() => kind.free(block));
		freed.push(block);
	};
	const operations = [
		() => keep(kind.tryMalloc(size())),
		() => keep(kind.tryMalloc(size())),
		() => free(take(held)),
		() => free(take(held)),
		() => keep(may(() => kind.calloc(pick(10), pick(1000)))),
		() => keep(may(() => kind.memalign(2 ** (3 + pick(12)), size()))),
		() => {
			const block = take(held);
			keep(may(() => kind.realloc(block, size())) ?? block);
		},
		() => {
			const block = take(held);
			if (block !== undefined) keep(may(() => kind.defragReallocate(block)) ?? block);
		},
		() => keep(may(() => kind.buffer(1 + pick(20_000)))),
		() => {
			const handle = kind.tryMallocRaw(1 + size());
			if (handle !== 0) raw.push(handle);
		},
		() => {
			const handle = take(raw);
			if (handle === undefined) return;
			kind.view(handle).fill(1);
			kind.freeRaw(handle);
			may(() => kind.freeRaw(handle));
			may(() => kind.view(handle + 1));
		},
		() => {
			const block = take(held);
			if (block !== undefined && block.length > 0)
				send(
					may(() => kind.ref(block)),
					() => free(block),
				);
		},
		() => may(() => kind.free(freed[pick(freed.length + 1)])),
		() => may(() => kind.free(held[0]?.subarray(1))),
		() => may(() => kind.usableSize(held[0])),
		() => void Kind.of(held[0]),
		() => void kind.stats(),
		() => void kind.sizeClasses(),
		() => pick(20) === 0 && kind.purge(),
	];
	for (let i = 0; i < calls; i++) operations[pick(operations.length)]();
	for (const block of held) free(block);
	for (const handle of raw) kind.freeRaw(handle);
}

/** In a worker: joins the kind, uses it, frees what the main thread refers to, and closes, or is terminated. */
function beWorker({ shared, seed }) {
	const kind = Kind.attach(shared);
	const pick = random(seed);
	parentPort.on('message', (reference) => {
		if (reference === 'end') {
			kind.close();
			parentPort.close();
			return;
		}
		const block = may(() => kind.deref(reference));
		if (block !== undefined) may(() => kind.free(block));
		may(() => kind.deref(reference));
	});
	for (let i = 0; i < 20; i++) useKind(kind, pick, 200);
	parentPort.postMessage('ready');
}

async function useThreads(directory, pick) {
	const kind = PmemKind.create(directory, { maxSize: 16 * MiB, policy: pick(2) === 0 ? 'default' : 'conservative' });
	const shared = kind.share();
	const workers = [0, 1].map(
		() => new Worker(new URL(import.meta.url), { workerData: { shared, seed: pick(2 ** 31) } }),
	);
	const ready = workers.map((worker) => new Promise((resolve) => worker.once('message', resolve)));
	const exits = workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve)));
	for (let i = 0; i < 20; i++) {
		useKind(kind, pick, 200, (reference, keep) => {
			if (reference === undefined) keep();
			else workers[pick(2)].postMessage(reference);
		});
		await setImmediate();
	}
	// One ends by itself, the other in the middle of whatever it does.
	workers[0].postMessage('end');
	if (pick(2) === 0) await ready[1];
	await workers[1].terminate();
	await Promise.all(exits);
	globalThis.gc();
	await setImmediate();
	kind.close();
}

async function useOneThread(directory, pick) {
	const debug = pick(4) === 0;
	const kind = await PmemKind.createAsync(directory, { maxSize: 16 * MiB, debug, prefault: pick(4) === 0 });
	useKind(kind, pick, 2000);
	const controller = new AbortController();
	const jobs = [kind.purgeAsync({ signal: controller.signal }), kind.prefaultAsync({ signal: controller.signal })];
	if (pick(2) === 0) controller.abort();
	useKind(kind, pick, 200);
	await Promise.allSettled(jobs);
	const stale = kind.tryMalloc(1000);
	const handle = kind.tryMallocRaw(1000);
	// Closed while a job works on it, sometimes.
	// Its rejection may come before the close is done.
	const job = pick(2) === 0 ? kind.prefaultAsync().catch(() => undefined) : undefined;
	const leaks = await (pick(2) === 0 ? kind.closeAsync() : kind.close());
	assert.equal(leaks?.blocks ?? 0, Number(stale !== undefined) + Number(handle !== 0));
	await job;
	assert.equal(stale?.length ?? 0, 0);
	may(() => kind.free(stale));
	may(() => kind.freeRaw(handle));
	await assert.rejects(PmemKind.createAsync(join(directory, 'missing')), { code: 'ENOENT' });
}

async function useFiles(directory, pick) {
	const path = join(directory, 'mapped');
	writeFileSync(path, Buffer.alloc(4 * MiB));
	const mapping = mapFile(path);
	mapping.buffer.fill(pick(256));
	mapping.persist(0, 100_000);
	mapping.flush(10, 1000);
	mapping.drain();
	const kind = FixedKind.create(mapping);
	useKind(kind, pick, 500);
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
	const pick = random(Number(seed));
	const end = performance.now() + Number(seconds) * 1000;
	let rounds = 0;
	do {
		await useOneThread(directory, pick);
		await useFiles(directory, pick);
		await useThreads(directory, pick);
		globalThis.gc();
		await setImmediate();
		rounds++;
	} while (performance.now() < end);
	console.log(`${rounds} rounds from seed ${seed}`);
} else {
	beWorker(workerData);
}
