// What caches do: single calls, a mixed load over millions of entries, traces, and garbage collections.
import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { gc } from '../../gc.mjs';
import { makeCache } from './caches.mjs';
import { collections } from './gc.mjs';
import { merge } from './histogram.mjs';
import { anonymous } from './memory.mjs';
import { mixed } from './mixed.mjs';
import { operationsFor, time } from './timing.mjs';
import { traces } from './traces.mjs';

const keyOf = (number) => `user:${number}`;

async function filled(cell) {
	const cache = await makeCache(cell);
	for (let i = 0; i < cell.live; i++) {
		const stored = cache.set(keyOf(i), Buffer.alloc(cell.size, i));
		if (stored instanceof Promise) await stored;
	}
	return cache;
}

/** Samples of a pattern whose calls are promises. */
async function timeAsync(run, cell) {
	const rate = await (async () => {
		const from = performance.now();
		let done = 0;
		while (performance.now() - from < cell.warmUpMs) {
			await run(100);
			done += 100;
		}
		return done / (performance.now() - from);
	})();
	const operations = operationsFor(rate, cell);
	const samples = [];
	for (let i = 0; i < cell.samples; i++) {
		const start = process.cpuUsage();
		const from = performance.now();
		await run(operations);
		const { user, system } = process.cpuUsage(start);
		samples.push({ cpu: ((user + system) * 1000) / operations, wall: ((performance.now() - from) * 1e6) / operations });
	}
	return { operations, samples };
}

/** The numbers below `live`, in an order that no prefetcher knows. */
const inNoOrder = (live) => Array.from({ length: live }, (_, i) => (i * 7919) % live);

/** Calls that go round over all keys. */
async function calls(cell, callOf) {
	const cache = await filled(cell);
	const keys = inNoOrder(cell.live).map(keyOf);
	let at = 0;
	let sum = 0;
	const nextKey = () => {
		at = at + 1 === keys.length ? 0 : at + 1;
		return keys[at];
	};
	const call = callOf(cache, nextKey);
	const isAsync = call() instanceof Promise;
	const result = isAsync
		? await timeAsync(async (operations) => {
				for (let i = 0; i < operations; i++) sum += (await call())?.length ?? 0;
			}, cell)
		: time(
				{
					run: (operations) => {
						for (let i = 0; i < operations; i++) sum += call()?.length ?? 0;
					},
					end: () => {},
				},
				cell,
			);
	await cache.end();
	if (Number.isNaN(sum)) throw new Error('unreachable');
	return result;
}

const get = (cell) => calls(cell, (cache, nextKey) => () => cache.get(nextKey()));
const read = (cell) => calls(cell, (cache, nextKey) => () => cache.read(nextKey(), (value) => value));
/** The copy alone, in the same order: into memory that is there already, and into a new Buffer. */
function copy(cell, isNew) {
	const filled = Array.from({ length: cell.live }, (_, i) => Buffer.alloc(cell.size, i));
	const sources = inNoOrder(cell.live).map((number) => filled[number]);
	const to = Buffer.alloc(cell.size);
	let at = 0;
	const run = (operations) => {
		for (let i = 0; i < operations; i++) {
			at = at + 1 === sources.length ? 0 : at + 1;
			sources[at].copy(isNew ? Buffer.allocUnsafe(cell.size) : to);
		}
	};
	return time({ run, end: () => {} }, cell);
}

/** Each call stores a new key, and so evicts another. */
function set(cell) {
	let number = cell.live;
	const value = Buffer.alloc(cell.size, 1);
	return calls(cell, (cache) => () => {
		cache.set(keyOf(number++), cache.isCopying ? value : Buffer.from(value));
		return undefined;
	});
}

/** One thread after the other's fill: workers attach to the same cache, or each has one of its own. */
async function zipfLoad(cell) {
	const before = anonymous();
	const cache = await filled(cell);
	gc();
	const dram = anonymous() - before;
	let results;
	if (cell.threads === 1) {
		const load = mixed(cache, cell);
		await load.run(Math.min(cell.operations, 300_000));
		results = [await load.run(cell.operations)];
	} else {
		results = await Promise.all(
			Array.from({ length: cell.threads }, async (_, index) => {
				const workerData = { ...cell, seed: cell.seed + index, shared: cache.share() };
				const worker = new Worker(new URL('cache-thread.mjs', import.meta.url), { workerData });
				const ended = once(worker, 'exit');
				const [result] = await once(worker, 'message');
				await ended;
				return result;
			}),
		);
	}
	const indexBytes = cache.indexBytes?.();
	await cache.end();
	return {
		throughput: results.reduce((sum, { operations, wall }) => sum + operations / wall, 0),
		hitRatio: results.reduce((sum, { hits, reads }) => sum + hits / reads, 0) / results.length,
		longestTurnMs: Math.max(...results.map(({ longestTurnMs }) => longestTurnMs)),
		latency: merge(results.map(({ latency }) => latency)),
		dram,
		...(indexBytes !== undefined && { indexBytes }),
	};
}

async function trace(cell) {
	const [, name] = cell.inner.split('.');
	const cache = await makeCache(cell);
	let hits = 0;
	let requests = 0;
	const value = Buffer.alloc(cell.size);
	for (const number of traces[name](cell)) {
		const key = keyOf(number);
		requests++;
		if (cache.get(key) !== undefined) hits++;
		else cache.set(key, value);
		if (requests % 100_000 === 0) await nextTurn();
	}
	await cache.end();
	return { hitRatio: hits / requests, requests };
}

/** Major garbage collections with the cache full, and before. */
async function collect(cell) {
	const empty = collections();
	const cache = await filled(cell);
	const full = collections();
	const again = collections();
	await cache.end();
	return { empty, full: [...full, ...again] };
}

const patterns = {
	get,
	read,
	copy: (cell) => copy(cell, false),
	newcopy: (cell) => copy(cell, true),
	set,
	zipf: zipfLoad,
	gc: collect,
};

export function cache(cell) {
	if (cell.inner.startsWith('trace.')) return trace(cell);
	return patterns[cell.inner](cell);
}
