// Blocks that share a magazine of the thread cache: runs whose lengths differ by a multiple of 64 KiB, and blocks of
// one class that Buffers and raw handles take and leave in turn. A block out of it is as long as was asked for, and
// nobody else has it.
import type { PmemKind } from 'daxkind';
import { describe, expect, test } from 'vitest';
import { KIB, MIB } from '#lib/size.js';
import { testDirectory } from '../helpers/directory.ts';
import { closeAfterEach, create } from '../helpers/kinds.ts';
import { Thread } from '../helpers/thread.ts';

const directory = testDirectory();
closeAfterEach();

/** 9, 73 and 137 KiB share a magazine; 10 KiB has another. */
const lengths = [9 * KIB, 73 * KIB, 137 * KIB, 10 * KIB];

interface Held {
	place: number;
	size: number;
	mark: number;
	free(): void;
}

/**
 * The ways to hold a block. Each writes `mark` into all of the block, and checks when it frees the block that it is
 * still there.
 */
const ways = {
	Buffers(kind: PmemKind, size: number, mark: number): Held {
		const block = kind.malloc(size).fill(mark);
		const free = () => {
			expect(block.every((byte) => byte === mark)).toBe(true);
			kind.free(block);
		};
		return { place: block.byteOffset, size: kind.usableSize(block), mark, free };
	},
	'raw handles'(kind: PmemKind, size: number, mark: number): Held {
		const handle = kind.mallocRaw(size);
		const view = kind.view(handle).fill(mark);
		const free = () => {
			expect(kind.view(handle).every((byte) => byte === mark)).toBe(true);
			kind.freeRaw(handle);
		};
		return { place: view.byteOffset, size: view.length, mark, free };
	},
};

function check(held: Held[]): void {
	const sorted = [...held].sort((a, b) => a.place - b.place);
	for (const [i, { place, size }] of sorted.entries()) {
		const next = sorted[i + 1];
		if (next !== undefined) expect(next.place).toBeGreaterThanOrEqual(place + size);
	}
}

/** Holds some blocks, and replaces one after the other. `choose` says in which way and of which size. */
function replace(kind: PmemKind, rounds: number, choose: (i: number) => [keyof typeof ways, number]): void {
	const held: Held[] = [];
	for (let i = 0; i < rounds; i++) {
		if (held.length === 12) held.splice((i * 7) % 12, 1)[0]!.free();
		const [way, size] = choose(i);
		held.push(ways[way](kind, size, i & 255));
		expect(held.at(-1)!.size).toBeGreaterThanOrEqual(size);
		if (i % 16 === 0) check(held);
	}
	for (const each of held) each.free();
	expect(kind.stats()).toMatchObject({ blocks: 0, allocated: 0 });
	expect(kind.close()).toBeUndefined();
}

describe.each(['Buffers', 'raw handles'] as const)('%s', (way) => {
	test.each([1, 2, 3, 5, 16, 40])(
		'of lengths that share a magazine, changed after %i, are as long as asked for',
		(run) => {
			const kind = create(directory, { maxSize: 256 * MIB });
			replace(kind, 1500, (i) => [way, lengths[Math.floor(i / run) % lengths.length]!]);
		},
	);
});

test.each([16, 64, 1000, 8192, 9 * KIB])('blocks of %i bytes by Buffers and raw handles in turn', (size) => {
	for (const run of [1, 2, 3, 11, 50]) {
		const kind = create(directory, { maxSize: 64 * MIB });
		replace(kind, 1000, (i) => [Math.floor(i / run) % 2 === 0 ? 'Buffers' : 'raw handles', size]);
	}
});

test('what freeRaw has left in a thread cache is free when the thread has ended, and can be had by others', async () => {
	const kind = create(directory, { maxSize: 64 * MIB });
	const thread = await Thread.start(kind.share());
	const cached = await thread.run(async ({ kind }) => {
		const handles = Array.from({ length: 500 }, () => kind.mallocRaw(64));
		for (const handle of handles) kind.freeRaw(handle);
		const { cached } = kind.stats();
		// A thread that ends while V8 compiles for it may hang (docs/kinds.md, Threads).
		await new Promise((resolve) => setTimeout(resolve, 100));
		return cached;
	}, undefined);
	await thread.end();
	expect(cached).toBeGreaterThan(0);
	expect(kind.stats()).toMatchObject({ blocks: 0, cached: 0 });
});

test('a full magazine of what freeRaw has left goes back to the heap', () => {
	const kind = create(directory, { maxSize: 64 * MIB });
	const handles = Array.from({ length: 20_000 }, () => kind.mallocRaw(64));
	for (const handle of handles) kind.freeRaw(handle);
	expect(kind.stats().blocks).toBe(0);
	expect(kind.stats().cached).toBeLessThanOrEqual(64 * KIB);
	kind.purge();
	expect(kind.stats()).toMatchObject({ cached: 0, free: 64 * MIB });
	expect(new Set(Array.from({ length: 20_000 }, () => kind.mallocRaw(64))).size).toBe(20_000);
});
