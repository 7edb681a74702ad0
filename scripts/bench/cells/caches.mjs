// The caches that are compared, all with the same three methods. `get` gives a Buffer or undefined, or a promise of one.
// Those that are copying keep no reference to the Buffer that is stored, so that the caller may use it again.
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { PmemCache } from 'daxkind/cache';

const headroom = 1.3;

/** What an entry of `size` bytes takes at most: the key, 32 bytes of header, and rounding up to a block. */
const bytesFor = (entries, size) => Math.ceil(entries * (size + 128) * headroom) + 32 * 2 ** 20;

function pmemCache(policy) {
	return ({ directory, live, size }) => {
		const cache = PmemCache.create(directory, { maxSize: bytesFor(live, size), maxEntries: live, policy });
		return {
			isCopying: true,
			get: (key) => cache.get(key),
			read: (key, visit) => cache.read(key, visit),
			set: (key, value) => cache.set(key, value),
			share: () => cache.share(),
			indexBytes: () => cache.stats().indexBytes,
			end: () => cache.close(),
		};
	};
}

/** A thread's view of a shared PmemCache. */
export function attach(shared) {
	const cache = PmemCache.attach(shared);
	return {
		isCopying: true,
		get: (key) => cache.get(key),
		set: (key, value) => cache.set(key, value),
		end: () => cache.close(),
	};
}

async function lruCache({ live }) {
	const { LRUCache } = await import('lru-cache');
	const cache = new LRUCache({ max: live });
	return { get: (key) => cache.get(key), set: (key, value) => cache.set(key, value), end: () => cache.clear() };
}

/** No eviction: the oldest entry goes, so that it does not grow. */
function map({ live }) {
	const entries = new Map();
	return {
		get: (key) => entries.get(key),
		set(key, value) {
			if (entries.size >= live && !entries.has(key)) entries.delete(entries.keys().next().value);
			entries.set(key, value);
		},
		end: () => entries.clear(),
	};
}

/** Keyv over a Map, as it is by default: values are serialised. */
async function keyv() {
	const { Keyv } = await import('keyv');
	const store = new Keyv();
	return { get: (key) => store.get(key), set: (key, value) => store.set(key, value), end: () => store.disconnect() };
}

/** lmdb evicts nothing. It does not wait for a disk. */
async function lmdb({ directory, live, size }) {
	const { open } = await import('lmdb');
	const path = mkdtempSync(join(directory, 'daxkind-bench-lmdb-'));
	const store = open({ path, encoding: 'binary', noSync: true, mapSize: 4 * bytesFor(live, size) });
	return {
		isCopying: true,
		get: (key) => store.getBinary(key),
		set: (key, value) => store.putSync(key, value),
		async end() {
			await store.close();
			rmSync(path, { recursive: true, force: true });
		},
	};
}

const makers = {
	daxkind: pmemCache('s3-fifo'),
	'daxkind-lru': pmemCache('lru'),
	'lru-cache': lruCache,
	map,
	keyv,
	lmdb,
};

export const makeCache = async (cell) => makers[cell.contestant](cell);
