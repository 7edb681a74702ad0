// Copies that become persistent, and flushes of what was stored: calls of a mapping. libpmem2/cell.c is its twin in C.
import { closeSync, ftruncateSync, openSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { mapFile } from 'daxkind';
import { time } from './timing.mjs';

const line = 64;
/** The writes of one batch. */
const writes = 16;

/** A mapping of a file that has no name any more. */
function mapScratch(directory, length) {
	const path = join(directory, `daxkind-bench-${process.pid}`);
	const fd = openSync(path, 'wx+');
	try {
		unlinkSync(path);
		ftruncateSync(fd, length);
		return mapFile(fd);
	} finally {
		closeSync(fd);
	}
}

const runs = {
	copy: (mapping, nextPlace, source) => (operations) => {
		for (let i = 0; i < operations; i++) mapping.write(nextPlace(), source);
	},
	batch: (mapping, nextPlace, source) => {
		const batch = mapping.batch();
		return (operations) => {
			for (let i = 0; i < operations; i += writes) {
				for (let j = 0; j < writes; j++) batch.write(nextPlace(), source);
				batch.persist();
			}
		};
	},
	/** Dirties one word in each line of a range, and persists it. */
	flush: (mapping, nextPlace, { length }) => {
		const words = new Float64Array(mapping.buffer.buffer);
		let turn = 0;
		return (operations) => {
			for (let i = 0; i < operations; i++) {
				const offset = nextPlace();
				const end = (offset + length) / 8;
				turn++;
				for (let word = offset / 8; word < end; word += line / 8) words[word] = turn;
				mapping.persist(offset, length);
			}
		};
	},
};

export function persist(cell) {
	const { directory, inner, size, live: places } = cell;
	const mapping = mapScratch(directory, size * places);
	mapping.buffer.fill(1);
	let place = 0;
	const nextPlace = () => {
		place = place + 1 === places ? 0 : place + 1;
		return place * size;
	};
	const run = runs[inner](mapping, nextPlace, Buffer.alloc(size, 2));
	return { ...time({ run, end: () => {} }, { ...cell, live: 0 }), granularity: mapping.granularity };
}
