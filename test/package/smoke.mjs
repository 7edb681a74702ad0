// A part of everything that a binary does: blocks, raw handles, another thread, and a file that is made persistent.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { Kind, mapFile, PmemKind } from 'daxkind';

if (isMainThread) {
	const [directory] = process.argv.slice(2);
	const kind = PmemKind.create(directory, { maxSize: 64 * 2 ** 20 });
	const block = kind.malloc(5000);
	block.fill(0).write('hello');
	const longer = kind.realloc(block, 2 ** 20);
	assert.equal(longer.latin1Slice(0, 5), 'hello');
	const raw = kind.mallocRaw(100);
	assert.equal(kind.view(raw).fill(7).at(-1), 7);
	kind.freeRaw(raw);
	const worker = new Worker(new URL(import.meta.url), {
		workerData: { shared: kind.share(), reference: kind.ref(longer) },
	});
	const [status] = await once(worker, 'exit');
	assert.equal(status, 0);
	assert.equal(longer.latin1Slice(0, 5), 'HELLO');
	kind.free(longer);
	assert.equal(kind.stats().blocks, 0);
	kind.close();
	const path = join(directory, 'file');
	writeFileSync(path, Buffer.alloc(2 ** 16));
	const mapping = mapFile(path);
	mapping.buffer.write('kept');
	mapping.persist(0, 4);
	mapping.unmap();
	assert.equal(readFileSync(path, 'latin1').slice(0, 4), 'kept');
	console.log(`all well on ${process.arch}`);
} else {
	const kind = Kind.attach(workerData.shared);
	kind.deref(workerData.reference).write('HELLO');
	kind.close();
}
