// Freed storage goes back to the file system ten seconds later, each time and whoever freed it. Kinds are watched from
// outside, by the blocks of their files, because a call of theirs could be what starts it.
import { once } from 'node:events';
import { fstatSync, mkdtempSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { type Kind, PmemKind } from 'daxkind';
import { expect, test } from 'vitest';
import { testDirectory } from '../helpers/directory.ts';
import { namelessFiles } from '../helpers/process.ts';

const MiB = 1024 * 1024;
const root = testDirectory();
/** Ten seconds, and what a busy machine takes. */
const soonMs = 20_000;
/** Less than what a kind takes at once. The file system may keep some blocks for its own books. */
const nothing = MiB;

/** A kind in a directory of its own, and what its file occupies. */
function make(): { kind: PmemKind; storage: () => number; [Symbol.dispose](): void } {
	const directory = mkdtempSync(`${root}/`);
	const kind = PmemKind.create(directory, { maxSize: 256 * MiB });
	const [file] = namelessFiles(directory);
	return { kind, storage: () => fstatSync(file!.fd).blocks * 512, [Symbol.dispose]: () => void kind.close() };
}

/** Allocates 40 MiB in blocks of one size and frees them. */
function use(kind: Kind, size: number): void {
	const blocks = Array.from({ length: Math.ceil((40 * 2 ** 20) / size) }, () => kind.malloc(size).fill(1));
	for (const block of blocks) kind.free(block);
}

/** Of each case by its name: the bytes of its file when all was free, and when they should have been back. */
type Results = [name: string, { before: number; after: number }][];

/** Waits until the file has no more than `most` bytes, or should have; the bytes before and after. */
async function decay(storage: () => number, most: number): Promise<{ before: number; after: number }> {
	const before = storage();
	const end = performance.now() + soonMs;
	while (storage() > most && performance.now() < end) await sleep(100);
	return { before, after: storage() };
}

/** Expects that in each case there was storage, and that no more than `most` was left. */
function expectDecayed(results: Results, most: number): void {
	const stayed = results.filter(([, { before, after }]) => before < 40 * MiB || after > most);
	expect(stayed).toEqual([]);
}

// The tests wait at the same time, and so do the kinds of each.
test.concurrent('what a thread frees goes back each time, while the thread waits', { timeout: 90_000 }, async () => {
	const both = [100, 5000, MiB, 2 * MiB, 40 * MiB].map(async (size) => {
		using made = make();
		const results: Results = [];
		for (const cycle of ['first', 'second']) {
			use(made.kind, size);
			results.push([`${size}, ${cycle}`, await decay(made.storage, nothing)]);
		}
		return results;
	});
	expectDecayed((await Promise.all(both)).flat(), nothing);
});

test.concurrent('what a thread frees goes back each time, while the thread uses others', {
	timeout: 90_000,
}, async () => {
	// What it uses itself, and what its cache keeps for that: 1/32 of the kind.
	const most = 10 * MiB;
	const both = [100, 5000, MiB, 2 * MiB].map(async (size) => {
		using made = make();
		const results: Results = [];
		for (const cycle of ['first', 'second']) {
			use(made.kind, size);
			const timer = setInterval(() => made.kind.free(made.kind.malloc(size).fill(2)), 20);
			results.push([`${size}, ${cycle}`, await decay(made.storage, most)]);
			clearInterval(timer);
		}
		return results;
	});
	expectDecayed((await Promise.all(both)).flat(), most);
});

const endings = {
	'closes the kind': 'kind.close();',
	'comes to its end': '',
	'calls process.exit': 'process.exit();',
	'is terminated': 'setInterval(() => {}, 1000);',
};

test.concurrent('what a thread freed that has ended goes back', { timeout: 90_000 }, async () => {
	const all = Object.entries(endings).flatMap(([ending, code]) =>
		[100, MiB, 2 * MiB].map(async (size): Promise<Results[number]> => {
			using made = make();
			const source = `const { parentPort, workerData } = require('node:worker_threads');
				const kind = require('daxkind').Kind.attach(workerData);
				(${use})(kind, ${size});
				parentPort.postMessage('freed');
				${code}`;
			const worker = new Worker(source, { eval: true, workerData: made.kind.share() });
			const exit = once(worker, 'exit');
			await once(worker, 'message');
			if (ending === 'is terminated') await worker.terminate();
			await exit;
			return [`${size}, it ${ending}`, await decay(made.storage, nothing)];
		}),
	);
	expectDecayed(await Promise.all(all), nothing);
});
