// What storage a kind takes from its file system, and when it gives it back. And kinds and blocks longer than one
// segment.
import { statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { type Block, PmemKind } from 'daxkind';
import { expect, test } from 'vitest';
import { GIB, MIB } from '#lib/size.js';
import { testDirectory } from '../helpers/directory.ts';
import { collectedUntil } from '../helpers/garbage.ts';
import { temporaryDirectory, tmpfs } from '../helpers/temporary-directory.ts';

const directory = testDirectory();

function withKind(options: Parameters<typeof PmemKind.create>[1], run: (kind: PmemKind) => void): void {
	const kind = PmemKind.create(directory, options);
	try {
		run(kind);
	} finally {
		kind.close();
	}
}

/** Fills the kind, frees everything, and returns the storage that it had when it was full. */
function fillAndFree(kind: PmemKind, size: number): number {
	const blocks: Block[] = [];
	for (let block = kind.tryMalloc(size); block !== undefined; block = kind.tryMalloc(size)) blocks.push(block);
	const { resident } = kind.stats();
	for (const block of blocks) kind.free(block);
	return resident;
}

test('an empty kind takes no storage, and the first block 2 MiB', () => {
	withKind({ maxSize: 64 * MIB }, (kind) => {
		expect(kind.stats().resident).toBe(0);
		kind.malloc(1);
		expect(kind.stats().resident).toBe(2 * MIB);
	});
});

test('the default policy keeps storage for reuse, and purge gives it back', () => {
	withKind({ maxSize: 32 * MIB }, (kind) => {
		expect(fillAndFree(kind, 10_000)).toBe(32 * MIB);
		expect(kind.stats().resident).toBe(32 * MIB);
		expect(kind.purge()).toBe(32 * MIB);
		expect(kind.stats().resident).toBe(0);
		expect(kind.purge()).toBe(0);
	});
});

test('the default policy gives storage back after decayMs, by itself, and not what is held', async () => {
	const kind = PmemKind.create(directory, { maxSize: 32 * MIB, decayMs: 300 });
	expect(fillAndFree(kind, MIB)).toBe(32 * MIB);
	const held = kind.malloc(100).fill('h');
	// The chunk of the block stays, and what the thread cache holds of freed blocks (at most 1/32).
	await expect.poll(() => kind.stats().resident, { timeout: 20_000 }).toBeLessThanOrEqual(4 * MIB);
	expect(held.toString()).toBe('h'.repeat(100));
	kind.close();
});

test('storage that the garbage collector freed goes back by itself, too', async () => {
	const kind = PmemKind.create(directory, { maxSize: 32 * MIB, decayMs: 300 });
	(() => kind.buffer(20 * MIB).fill(1))();
	expect(kind.stats()).toMatchObject({ blocks: 1, resident: 20 * MIB });
	await collectedUntil(() => kind.stats().blocks === 0);
	await expect.poll(() => kind.stats().resident, { timeout: 20_000 }).toBe(0);
	kind.close();
});

test('the conservative policy gives each free 2 MiB back at once, but for what the cache holds', async () => {
	const kind = PmemKind.create(directory, { maxSize: 32 * MIB, policy: 'conservative' });
	for (const size of [100, 10_000, MIB]) {
		expect(fillAndFree(kind, size)).toBe(32 * MIB);
		// It goes back at once, if the machine has time for it.
		await expect.poll(() => kind.stats().resident, { timeout: 2000, interval: 10 }).toBeLessThanOrEqual(4 * MIB);
	}
	kind.close();
});

test('storage stays within maxSize, and mappings few, whatever the pattern', () => {
	withKind({ maxSize: 32 * MIB, policy: 'conservative' }, (kind) => {
		const blocks: Block[] = [];
		let most = 0;
		for (let round = 0; round < 20_000; round++) {
			const block = kind.tryMalloc(((round * 7919) % 100_000) + 1);
			if (block !== undefined) blocks.push(block);
			if (block === undefined || round % 3 === 0) kind.free(blocks.splice((round * 31) % blocks.length, 1)[0]);
			if (round % 1000 === 0) most = Math.max(most, kind.stats().resident);
		}
		expect(most).toBeGreaterThan(16 * MIB);
		expect(most).toBeLessThanOrEqual(32 * MIB);
	});
});

test('what was purged is used again', () => {
	withKind({ maxSize: 16 * MIB }, (kind) => {
		for (let round = 0; round < 5; round++) {
			const block = kind.malloc(16 * MIB);
			block.fill(round);
			expect(block[MIB * round]).toBe(round);
			kind.free(block);
			kind.purge();
			const clean = kind.calloc(1, 100);
			expect(clean.equals(Buffer.alloc(100))).toBe(true);
			kind.free(clean);
			kind.purge();
		}
	});
});

// These tests take more than a gigabyte for a moment. So they run where there is most room.
const [roomy] = [tmpdir(), tmpfs].sort((a, b) => room(b) - room(a)) as [string];
function room(path: string): number {
	const { bavail, bsize } = statfsSync(path);
	return bavail * bsize;
}

test('a kind beyond 4 GiB has blocks in all its segments, and none across two', () => {
	const place = temporaryDirectory(roomy);
	const kind = PmemKind.create(place, { maxSize: 5 * GIB, policy: 'conservative' });
	try {
		expect(kind.capacity).toBe(5 * GIB);
		const first = kind.malloc(900 * MIB);
		const second = kind.malloc(200 * MIB);
		// A matcher would compare the gigabytes.
		expect(second.buffer === first.buffer).toBe(false);
		expect(second.byteOffset).toBe(0);
		const between = kind.malloc(100 * MIB);
		expect(between.buffer === first.buffer).toBe(true);
		for (const block of [first, second, between]) {
			block[0] = 1;
			block[block.length - 1] = 2;
		}
		kind.free(first);
		kind.free(between);

		const long = kind.malloc(GIB + 100 * MIB);
		expect(long.length).toBe(GIB + 100 * MIB);
		expect(long.byteOffset).toBe(0);
		long[0] = 3;
		long[long.length - 1] = 4;
		expect([second[0], second[second.length - 1]]).toEqual([1, 2]);
		expect(kind.usableSize(long)).toBe(GIB + 100 * MIB);
		const shorter = kind.realloc(long, 50 * MIB);
		expect(shorter[0]).toBe(3);
		kind.free(shorter);
		kind.free(second);
		kind.purge();
		expect(kind.stats()).toMatchObject({ allocated: 0, resident: 0, largestFree: 5 * GIB });

		const closed = kind.malloc(GIB + 2 * MIB);
		kind.close();
		expect(closed.length).toBe(0);
	} finally {
		kind.close();
	}
});
