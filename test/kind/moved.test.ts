// What scripts do to the ArrayBuffer behind a block: byte streams and transfer() move its memory to another
// ArrayBuffer. Since Node 24 that is an error for an ArrayBuffer that many blocks share. Before, it empties all their
// Buffers and does nothing else: the blocks still exist, and new Buffers can be made of them.
import { markAsUntransferable } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { testDirectory } from '../helpers/directory.ts';
import { closeAfterEach, create } from '../helpers/kinds.ts';
import { readInto } from '../helpers/streams.ts';
import { Thread } from '../helpers/thread.ts';

const directory = testDirectory();
closeAfterEach();

/** Whether markAsUntransferable keeps memory in its ArrayBuffer. */
const marksHold = (() => {
	const buffer = new ArrayBuffer(1) as ArrayBuffer & { transfer?(): ArrayBuffer };
	markAsUntransferable(buffer);
	try {
		buffer.transfer?.();
		return false;
	} catch {
		return true;
	}
})();

const code = (name: string) => expect.objectContaining({ code: name });

/** Moves the memory out of a view's ArrayBuffer, as a byte stream would. */
async function moveAway(view: Buffer): Promise<boolean> {
	try {
		await readInto(view);
		return true;
	} catch (error) {
		expect(error).toBeInstanceOf(TypeError);
		return false;
	}
}

test('a block in a byte stream takes no other with it for good', async () => {
	const kind = create(directory, { maxSize: 64 * MIB });
	const blocks = Array.from({ length: 1000 }, (_, i) => kind.malloc(100 + i).fill(i));
	const reference = kind.ref(blocks[1]!);
	const isMoved = await moveAway(blocks[0]!);
	expect(isMoved).toBe(!marksHold);
	// Each block is whole, either as it is or by a reference to it.
	const lengths = blocks.map(({ length }) => length);
	expect(lengths).toEqual(isMoved ? blocks.map(() => 0) : blocks.map((_, i) => 100 + i));
	expect(kind.deref(reference).equals(Buffer.alloc(101, 1))).toBe(true);
	for (const [i, block] of blocks.entries()) {
		if (i === 0) continue;
		const again = kind.deref(kind.ref(block));
		// Where nobody has noted a block's length, it comes back with its usable size.
		expect(again.length).toBeGreaterThanOrEqual(100 + i);
		expect(again.subarray(0, 100 + i).equals(Buffer.alloc(100 + i, i))).toBe(true);
		kind.free(i % 2 === 0 ? block : again);
	}
	kind.free(blocks[0]);
	expect(kind.stats().blocks).toBe(0);
});

test.skipIf(marksHold)(
	'a byte stream transfers the ArrayBuffer of its chunk: all blocks of the segment lose their length, nothing else',
	async () => {
		const small = create(directory, { maxSize: 16 * MIB });
		const blocks = [100, 100, 100, 20_000].map((size, i) => small.malloc(size).fill(i + 1));
		small.free(small.malloc(100));
		const handle = small.mallocRaw(50);
		const stream = new ReadableStream({
			type: 'bytes',
			start(controller) {
				controller.enqueue(blocks[0]!);
				controller.close();
			},
		});
		const { value } = await stream.getReader().read();
		expect(value).toEqual(new Uint8Array(100).fill(1));
		expect(blocks.map(({ length }) => length)).toEqual([0, 0, 0, 0]);

		// Later calls work as ever. The old blocks can be freed, or kept by a realloc.
		expect(small.malloc(100).fill(9).length).toBe(100);
		expect(small.malloc(20_000).fill(9).length).toBe(20_000);
		expect(small.view(handle).fill(8).length).toBe(64);
		small.free(blocks[1]);
		expect(small.defragReallocate(blocks[2])).toBeUndefined();
		const rescued = [small.realloc(blocks[2], 5000), small.realloc(blocks[3], 20_010), small.realloc(blocks[0], 110)];
		expect(rescued.map((block) => [block.length, block[0], block[99]])).toEqual([
			[5000, 3, 3],
			[20_010, 4, 4],
			[110, 1, 1],
		]);
		expect(small.stats().blocks).toBe(6);
	},
);

test('the memory of an emptied block is never taken for a longer one', async () => {
	// 9 and 73 KiB share a magazine of the thread cache.
	const [short, long] = [9 * 1024, 73 * 1024];
	const kind = create(directory, { maxSize: 64 * MIB });
	kind.free(kind.malloc(short));
	const emptied = kind.malloc(short);
	await moveAway(emptied);
	kind.free(kind.malloc(short));
	const [first, second] = [kind.malloc(long), kind.malloc(long)];
	kind.free(first);
	kind.free(emptied);
	const blocks = [second, kind.malloc(long), ...Array.from({ length: 20 }, () => kind.malloc(short))];
	const places = blocks.map(({ byteOffset, length }) => [byteOffset, byteOffset + length] as const);
	places.sort(([a], [b]) => a - b);
	for (let i = 1; i < places.length; i++) expect(places[i]![0]).toBeGreaterThanOrEqual(places[i - 1]![1]);
});

test('an emptied block has its usable size for other threads, too', async () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const block = kind.malloc(1000).fill(3);
	await moveAway(kind.malloc(10));
	const usable = kind.usableSize(block);
	const reference = kind.ref(block);
	const thread = await Thread.start(kind.share());
	const answer = thread.run(({ kind }, reference) => {
		const block = kind.deref(reference);
		return [block.length, block[999]];
	}, reference);
	expect(await answer).toEqual([block.length === 0 ? usable : 1000, 3]);
	expect(reference.length).toBe(block.length === 0 ? usable : 1000);
});

test('in debug mode a block that was moved away can be freed, and kept by a realloc', async () => {
	const kind = create(directory, { maxSize: 16 * MIB, debug: true });
	const freed = kind.malloc(500).fill(1);
	const kept = kind.malloc(300).fill(2);
	const third = kind.malloc(200);
	const other = kind.malloc(10).fill(9);
	for (const block of [freed, kept, third]) await moveAway(block);
	expect([freed.length, kept.length, other.length]).toEqual([0, 0, 10]);
	kind.free(freed);
	expect(() => kind.free(freed)).toThrow(code('ERR_DAXKIND_DOUBLE_FREE'));
	// The stream has written into it.
	expect(kind.realloc(kept, 400).subarray(0, 300).equals(Buffer.alloc(300, 7))).toBe(true);
	expect(kind.deref(kind.ref(third)).length).toBe(200);
	kind.free(third);
	kind.free(other);
	expect(kind.stats().blocks).toBe(1);
});

test('a referenced block of the collector that was moved away has to be freed, and can be', async () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const block = kind.buffer(5000);
	kind.ref(block);
	await moveAway(block);
	kind.free(block);
	expect(kind.stats().blocks).toBe(0);
});

test('a transfer list does not take the ArrayBuffer of many blocks away', () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const block = kind.malloc(10).fill(1);
	try {
		// Node 20 copies the memory instead.
		structuredClone(block, { transfer: [block.buffer as ArrayBuffer] });
	} catch (error) {
		expect(error).toMatchObject({ name: 'DataCloneError' });
	}
	expect(block.equals(Buffer.alloc(10, 1))).toBe(true);
	kind.close();
	expect(block.length).toBe(0);
});
