// defragReallocate where slabs have different lengths. A kind that is nearly full makes short slabs.
import { expect, test } from 'vitest';
import { KIB, MIB } from '#lib/size.js';
import { testDirectory } from '../helpers/directory.ts';
import { closeAfterEach, create } from '../helpers/kinds.ts';

const directory = testDirectory();

closeAfterEach();

test('a block is not moved to a short slab that is empty, and is still there after purge', () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	// This leaves room for a slab of eight blocks of 2 KiB and for a slab half as long.
	const rest = kind.malloc(16 * MIB - 24 * KIB);
	const blocks = Array.from({ length: 9 }, () => kind.malloc(2 * KIB));
	// A referenced block goes to the heap at once and not to the thread cache. The block of the short slab is freed
	// first.
	for (const block of blocks.slice(1).reverse()) {
		kind.ref(block);
		kind.free(block);
	}
	const first = blocks[0]!.fill('f');
	const block = kind.defragReallocate(first) ?? first;
	kind.purge();
	kind.free(rest);
	const others = [];
	for (let other = kind.tryMalloc(2 * KIB); other !== undefined; other = kind.tryMalloc(2 * KIB)) others.push(other);
	for (const other of others) other.fill('o');
	expect(block.equals(Buffer.alloc(2 * KIB, 'f'))).toBe(true);
	kind.free(block);
	for (const other of others) kind.free(other);
	expect(kind.stats().blocks).toBe(0);
});
