// What kinds cost in DRAM and time, beside the memory that they hand out.
import { readFileSync } from 'node:fs';
import { PmemKind } from 'daxkind';
import { gc } from '../../gc.mjs';
import { randomNumbers, uniformSize } from './sequence.mjs';

const read = (name) => readFileSync(`/proc/self/${name}`, 'latin1');

/** Bytes of anonymous memory that the process has in DRAM. */
export const anonymous = () => 1024 * Number(/^RssAnon:\s+(\d+)/m.exec(read('status'))[1]);
const maps = () => read('maps').split('\n').length - 1;

/** The DRAM of the heap's tables alone. Only their mappings refuse huge pages (lazy_array.h). */
function tables() {
	let bytes = 0;
	for (const [, rss, flags] of read('smaps').matchAll(/^Rss:\s+(\d+) kB$[\s\S]*?^VmFlags:(.*)$/gm)) {
		if (/ nh\b/.test(flags)) bytes += 1024 * Number(rss);
	}
	return bytes;
}

/**
 * Fills a kind with blocks of 4 KiB on average, without touching them. Returns the DRAM that each byte of them takes.
 */
export function metadata({ contestant, directory, kindSize, seed }) {
	const next = randomNumbers(seed);
	const kind = PmemKind.create(directory, { maxSize: kindSize });
	// The caller's own list exists and is touched before the measurement. Buffers are not kept, and their memory is not
	// counted.
	const handles = new Float64Array(kindSize / 2048).fill(1);
	let blocks = 0;
	let requested = 0;
	const isRaw = contestant === 'raw';
	kind.freeRaw(isRaw ? kind.mallocRaw(16) : 0);
	gc();
	const before = anonymous();
	const tablesBefore = tables();
	for (;;) {
		const size = uniformSize(next);
		const block = isRaw ? kind.tryMallocRaw(size) : kind.tryMalloc(size);
		if (block === undefined || block === 0) break;
		if (isRaw) handles[blocks] = block;
		blocks++;
		requested += size;
	}
	gc();
	const dram = (isRaw ? anonymous() - before : tables() - tablesBefore) / requested;
	const own = (tables() - tablesBefore) / requested;
	for (let i = 0; isRaw && i < blocks; i++) kind.freeRaw(handles[i]);
	kind.close();
	return { blocks, requested, dram, tables: own };
}

const now = () => performance.now() * 1000;

/** Creates and closes an empty kind `live` times. Returns the microseconds of each. */
export function createOne({ directory, kindSize, live }) {
	const create = [];
	const close = [];
	for (let i = 0; i < live; i++) {
		const from = now();
		const kind = PmemKind.create(directory, { maxSize: kindSize });
		const made = now();
		kind.close();
		close.push(now() - made);
		create.push(made - from);
	}
	return { create, close };
}

/** Opens `live` kinds at once. Returns microseconds, DRAM and mappings of each, empty and with one block. */
export function createMany({ directory, kindSize, live }) {
	PmemKind.create(directory, { maxSize: kindSize }).close();
	const kinds = new Array(live).fill(null);
	gc();
	const dram = anonymous();
	const mappings = maps();
	const from = now();
	for (let i = 0; i < live; i++) kinds[i] = PmemKind.create(directory, { maxSize: kindSize });
	const opened = now();
	gc();
	const empty = (anonymous() - dram) / live;
	for (const kind of kinds) kind.malloc(64);
	gc();
	const used = (anonymous() - dram) / live;
	const each = (maps() - mappings) / live;
	const closing = now();
	for (const kind of kinds) kind.close();
	return { open: live, create: (opened - from) / live, close: (now() - closing) / live, empty, used, maps: each };
}
