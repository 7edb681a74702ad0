// Blocks of a kind that is larger than its file system, copied in each way that copies the whole ArrayBuffer under a
// block, holes and all. Argument: the directory, on a small file system. Prints how much the kind can hold before, and
// after each copy.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { PmemKind } from 'daxkind';

const MiB = 1024 * 1024;
const kind = PmemKind.create(process.argv[2], { maxSize: 64 * MiB });
const block = kind.malloc(100_000).fill('mine');

/** How many blocks of 64 KiB the kind can hold beside the block. */
function room() {
	const blocks = [];
	for (let next = kind.tryMalloc(65536); next !== undefined; next = kind.tryMalloc(65536)) {
		blocks.push(next.fill(blocks.length));
	}
	for (const [i, next] of blocks.entries()) assert.ok(next.equals(Buffer.alloc(65536, i)));
	for (const next of blocks) kind.free(next);
	kind.purge();
	return blocks.length;
}

const source = `
	const { parentPort, workerData } = require('node:worker_threads');
	const isRight = (copy) => Buffer.from(copy).equals(Buffer.alloc(100_000, 'mine'));
	if (workerData) parentPort.postMessage(isRight(workerData));
	else parentPort.once('message', (copy) => parentPort.postMessage(isRight(copy)));`;

async function inWorker(workerData, message) {
	const worker = new Worker(source, { eval: true, workerData });
	const exit = once(worker, 'exit');
	if (message !== undefined) worker.postMessage(message);
	const [isRight] = await once(worker, 'message');
	await exit;
	return isRight;
}

const ways = {
	structuredClone: () => Buffer.from(structuredClone(block)).equals(Buffer.alloc(100_000, 'mine')),
	postMessage: () => inWorker(undefined, block),
	workerData: () => inWorker(block),
};

const rooms = { before: room() };
for (const [name, way] of Object.entries(ways)) {
	assert.equal(await way(), true, name);
	assert.ok(block.equals(Buffer.alloc(100_000, 'mine')), name);
	rooms[name] = room();
}
kind.free(block);
assert.equal(kind.close(), undefined);
console.log(JSON.stringify(rooms));
