// Worker threads work on the same memory without a copy: one block holds an array, and each thread sorts a part of it.
//
// Never post a block itself: that copies all the memory around it. Post a reference to it instead.
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { Kind, PmemKind } from 'daxkind';

/** A block as an array of numbers. */
const numbersOf = (block) => new Float64Array(block.buffer, block.byteOffset, block.length / 8);

async function main() {
	const [directory = '/dev/shm'] = process.argv.slice(2);
	const threads = 4;
	const count = 1_000_000;
	const kind = PmemKind.create(directory, { maxSize: 64 * 1024 * 1024 });
	const block = kind.malloc(count * 8);
	const numbers = numbersOf(block);
	for (let i = 0; i < count; i++) numbers[i] = Math.random();

	const shared = { kind: kind.share(), block: kind.ref(block) };
	const ended = Array.from({ length: threads }, (_, n) => {
		const data = { ...shared, from: (n * count) / threads, to: ((n + 1) * count) / threads };
		const worker = new Worker(new URL(import.meta.url), { workerData: data });
		return new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject));
	});
	await Promise.all(ended);

	const part = count / threads;
	const isSorted = numbers.every((value, i) => i % part === 0 || numbers[i - 1] <= value);
	console.log(`${threads} threads have sorted ${count} numbers in place: ${isSorted}`);
	kind.free(block);
	kind.close();
}

function sortPart({ kind: shared, block: reference, from, to }) {
	const kind = Kind.attach(shared);
	numbersOf(kind.deref(reference)).subarray(from, to).sort();
	kind.close();
}

if (isMainThread) await main();
else sortPart(workerData);
