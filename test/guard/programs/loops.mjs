// Loops over a mapping whose file loses its pages, once before the loop and once while it runs. The loops are
// interpreted first, and then optimised. Argument: the directory.
import assert from 'node:assert/strict';
import { lossyFile, pageSize } from './lossy.mjs';

const pages = 64;
const path = `${process.argv[2]}/file`;

/**
 * Makes a new function, which has never run. It loads every byte, then stores into each page. It calls `between` half
 * way through the loads.
 */
const makeLoops = () =>
	new Function(
		'bytes',
		'from',
		'between',
		`let sum = 0;
		for (let i = from; i < bytes.length; i++) {
			if (i === bytes.length / 2) between();
			sum += bytes[i];
		}
		for (let i = from; i < bytes.length; i += ${pageSize}) bytes[i] = 1 + i / ${pageSize};
		return sum;`,
	);

function check(loops) {
	for (const isMeanwhile of [false, true]) {
		const { mapping, buffer, lose } = lossyFile(path, pages);
		if (!isMeanwhile) lose(1);
		const left = isMeanwhile ? buffer.length / 2 : pageSize;
		assert.equal(
			loops(buffer, 0, () => isMeanwhile && lose(pages / 2)),
			left * 90,
		);
		for (let page = 0; page < pages; page++) {
			assert.equal(buffer[page * pageSize], page + 1);
			assert.equal(buffer[page * pageSize + 1], page * pageSize < left ? 90 : 0);
		}
		mapping.unmap();
	}
}

check(makeLoops());
const optimised = makeLoops();
const bytes = Buffer.alloc(pages * pageSize);
for (let i = 0; i < 300; i++) optimised(bytes, 0, () => {});
check(optimised);
