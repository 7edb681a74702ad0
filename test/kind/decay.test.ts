// Freed storage goes back to the file system by itself, each time and whoever freed it. The tests watch the blocks of a
// kind's file, from outside, because a call of the kind could be what starts the decay. The kinds here decay after half
// a second. test/native/decay_time_test.cc tests the time to the millisecond.
import { once } from 'node:events';
import { fstatSync, mkdtempSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { type Kind, PmemKind } from 'daxkind';
import { expect, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { testDirectory } from '../helpers/directory.ts';
import { namelessFiles } from '../helpers/process.ts';

const root = testDirectory();
const decayMs = 500;
/** Half a second, and the time that a busy machine needs. A test waits for so long only if nothing goes back. */
const soonMs = 20_000;
/** Less than a kind takes at once. The file system may keep some blocks for its own books. */
const nothing = MIB;

/** A kind in a directory of its own, its file, and the storage that the file occupies. */
function make(): { kind: PmemKind; fd: number; storage: () => number; [Symbol.dispose](): void } {
	const directory = mkdtempSync(`${root}/`);
	const kind = PmemKind.create(directory, { maxSize: 256 * MIB, decayMs });
	const [file] = namelessFiles(directory);
	const { fd } = file!;
	return { kind, fd, storage: () => fstatSync(fd).blocks * 512, [Symbol.dispose]: () => void kind.close() };
}

/** Allocates 40 MiB in blocks of one size, looks at the kind's storage if it can, and frees the blocks. */
function use(kind: Kind, size: number, storage?: () => number): number | undefined {
	const blocks = Array.from({ length: Math.ceil((40 * 2 ** 20) / size) }, () => kind.malloc(size).fill(1));
	const most = storage?.();
	for (const block of blocks) kind.free(block);
	return most;
}

/**
 * The name of each case, and the bytes of its file: before all was free, and at the time when they should have gone
 * back.
 */
type Results = [name: string, { before: number; after: number }][];

/** Waits until the file has no more than `most` bytes, or until it should have. Returns how many bytes it has then. */
async function decayed(storage: () => number, most: number): Promise<number> {
	const end = performance.now() + soonMs;
	while (storage() > most && performance.now() < end) await sleep(20);
	return storage();
}

/** Expects that each case had storage, and that no more than `most` bytes of it were left. */
function expectDecayed(results: Results, most: number): void {
	const stayed = results.filter(([, { before, after }]) => before < 40 * MIB || after > most);
	expect(stayed).toEqual([]);
}

// The tests wait at the same time. So do the kinds within each test.
test.concurrent('what a thread frees goes back each time, while the thread waits', { timeout: 90_000 }, async () => {
	const both = [100, 5000, MIB, 2 * MIB, 40 * MIB].map(async (size) => {
		using made = make();
		const results: Results = [];
		for (const cycle of ['first', 'second']) {
			const before = use(made.kind, size, made.storage)!;
			results.push([`${size}, ${cycle}`, { before, after: await decayed(made.storage, nothing) }]);
		}
		return results;
	});
	expectDecayed((await Promise.all(both)).flat(), nothing);
});

test.concurrent('what a thread frees goes back each time, while the thread uses others', {
	timeout: 90_000,
}, async () => {
	// What the thread uses itself, and what its cache keeps for that: 1/32 of the kind.
	const most = 10 * MIB;
	const both = [100, 5000, MIB, 2 * MIB].map(async (size) => {
		using made = make();
		const results: Results = [];
		for (const cycle of ['first', 'second']) {
			const before = use(made.kind, size, made.storage)!;
			const timer = setInterval(() => made.kind.free(made.kind.malloc(size).fill(2)), 20);
			results.push([`${size}, ${cycle}`, { before, after: await decayed(made.storage, most) }]);
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
		[100, MIB, 2 * MIB].map(async (size): Promise<Results[number]> => {
			using made = make();
			const source = `const { fstatSync } = require('node:fs');
				const { parentPort, workerData: { shared, fd } } = require('node:worker_threads');
				const kind = require('daxkind').Kind.attach(shared);
				parentPort.postMessage((${use})(kind, ${size}, () => fstatSync(fd).blocks * 512));
				${code}`;
			const worker = new Worker(source, { eval: true, workerData: { shared: made.kind.share(), fd: made.fd } });
			const exit = once(worker, 'exit');
			const [before] = (await once(worker, 'message')) as [number];
			if (ending === 'is terminated') await worker.terminate();
			await exit;
			return [`${size}, it ${ending}`, { before, after: await decayed(made.storage, nothing) }];
		}),
	);
	expectDecayed(await Promise.all(all), nothing);
});
