// Kinds beyond 4 GiB, offsets past 2^32, and blocks as long as a kind. The files are sparse and few of their pages are
// touched: on a disk's file system, reserved storage costs neither memory nor time.
import { constants } from 'node:buffer';
import { mkdtempSync, readSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { OutOfMemoryError } from 'daxkind';
import { afterAll, describe, expect, test } from 'vitest';
import { GIB, KIB, MIB } from '#lib/size.js';
import { closeAfterEach, create } from '../../helpers/kinds.ts';
import { namelessFiles } from '../../helpers/process.ts';

/** TMPFS_MAGIC of linux/magic.h. */
const tmpfsMagic = 0x01021994;
const needed = 12 * GIB;

const parent = tmpdir();
const { bavail, bsize, type } = statfsSync(parent);
function obstacle(): string | undefined {
	if (type === tmpfsMagic)
		return `${parent} is a tmpfs, where reserved storage is memory: set TMPDIR to a directory on a disk`;
	if (bavail * bsize < needed) return `${parent} has less than ${needed / GIB} GiB free`;
	return undefined;
}
const reason = obstacle();
if (reason !== undefined) console.warn(`beyond-4-gib.test.ts is skipped: ${reason}`);

describe.skipIf(reason !== undefined)('beyond 4 GiB', () => {
	const directory = mkdtempSync(`${parent}/daxkind-test-`);
	afterAll(() => rmSync(directory, { recursive: true, force: true }));
	closeAfterEach();

	/** What the file holds at an offset. The kernel reads it, not the mapping. */
	function inFile(offset: number, length: number): string {
		const content = Buffer.alloc(length);
		readSync(namelessFiles(directory)[0]!.fd, content, 0, length, offset);
		return content.toString('latin1');
	}

	test('blocks of 1 GiB fill a kind of 9 GiB, each at its own place in the file', () => {
		const kind = create(directory, { maxSize: 9 * GIB });
		const blocks = Array.from({ length: 9 }, () => kind.malloc(GIB));
		expect(kind.tryMalloc(KIB)).toBeUndefined();
		expect(kind.stats()).toMatchObject({ allocated: 9 * GIB, blocks: 9, active: 9 * GIB, committed: 9 * GIB, free: 0 });
		blocks.forEach((block, i) => {
			block.write(`first of ${i}`);
			block.write(`last of ${i}`, GIB - 9);
		});
		const all = blocks.map((_, i) => i);
		expect(all.map((i) => inFile(i * GIB, 10)).sort()).toEqual(all.map((i) => `first of ${i}`));
		expect(all.map((i) => inFile((i + 1) * GIB - 9, 9)).sort()).toEqual(all.map((i) => `last of ${i}`));
		expect(blocks.map((block) => block.toString('latin1', 0, 10))).toEqual(blocks.map((_, i) => `first of ${i}`));
		for (const i of [1, 3, 5, 7, 0, 2, 4, 6, 8]) kind.free(blocks[i]);
		expect(kind.stats()).toMatchObject({ allocated: 0, blocks: 0 });
		expect(kind.purge()).toBe(9 * GIB);
		expect(kind.stats()).toMatchObject({ committed: 0, free: 9 * GIB, largestFree: 9 * GIB });
	});

	test('small blocks past 2^32 are where they say, also after free and realloc', () => {
		const kind = create(directory, { maxSize: 9 * GIB });
		const below = Array.from({ length: 5 }, () => kind.malloc(GIB));
		const sizes = [1, 16, 100, 1000, 8192, 8193, 100_000, 5 * MIB + 1];
		const small = sizes.map((size, i) => kind.malloc(size).fill(0x41 + i));
		// The lower 5 GiB are taken, so these blocks are in the segment that begins there.
		small.forEach((block, i) => {
			const ends = inFile(5 * GIB + block.byteOffset, 1) + inFile(5 * GIB + block.byteOffset + block.length - 1, 1);
			expect(ends).toBe(String.fromCharCode(0x41 + i).repeat(2));
		});
		for (const block of below) kind.free(block);
		kind.purge();
		const grown = small.map((block) => kind.realloc(block, block.length + 50_000));
		grown.forEach((block, i) => {
			const copy = block.subarray(0, sizes[i]);
			expect(copy.every((byte) => byte === 0x41 + i)).toBe(true);
			kind.free(block);
		});
		expect(kind.stats()).toMatchObject({ allocated: 0, blocks: 0 });
		kind.purge();
		expect(kind.stats().largestFree).toBe(9 * GIB);
	});

	test('aligned blocks past 2^32 are aligned', () => {
		const kind = create(directory, { maxSize: 6 * GIB });
		const below = Array.from({ length: 5 }, () => kind.malloc(GIB));
		for (let alignment = 8; alignment <= 2 * MIB; alignment *= 2) {
			const block = kind.memalign(alignment, 100).fill(1);
			// Segments begin at multiples of 2 MiB.
			expect(block.byteOffset % alignment).toBe(0);
			expect(inFile(5 * GIB + block.byteOffset, 100)).toBe('\x01'.repeat(100));
		}
		for (const block of below) kind.free(block);
	});

	for (const size of [2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 5 * GIB + 3]) {
		test(`a block of ${size} bytes has them all, or is said to be longer than a Buffer`, () => {
			const kind = create(directory, { maxSize: 9 * GIB });
			// This block keeps the next one from the beginning of a segment.
			const before = kind.malloc(300 * MIB);
			if (size > constants.MAX_LENGTH) {
				expect(() => kind.malloc(size)).toThrow(expect.objectContaining({ reason: 'buffer-limit', requested: size }));
				return;
			}
			const block = kind.malloc(size);
			expect(block.length).toBe(size);
			expect(kind.usableSize(block) - size).toBeLessThan(KIB);
			block[0] = 1;
			block[size - 1] = 2;
			expect(inFile(300 * MIB, 1) + inFile(300 * MIB + size - 1, 1)).toBe('\x01\x02');
			kind.free(block);
			kind.free(before);
			kind.purge();
			expect(kind.stats().largestFree).toBe(9 * GIB);
		});
	}

	for (const capacity of [16 * MIB, GIB, GIB + 2 * MIB, 3 * GIB, 4 * GIB - 2 * MIB, 4 * GIB]) {
		test(`one block can be all of a kind of ${capacity / MIB} MiB, and not a byte more`, () => {
			const kind = create(directory, { maxSize: capacity });
			expect(() => kind.malloc(capacity + 1)).toThrow(OutOfMemoryError);
			for (const size of [capacity, capacity - 1, capacity / 2 + 1]) {
				const block = kind.malloc(size);
				expect(block.length).toBe(size);
				block[size - 1] = 7;
				kind.free(block);
			}
		});
	}

	test('a block grows and shrinks where it is, past 1 GiB and past 2^31, and keeps both ends', () => {
		const kind = create(directory, { maxSize: 5 * GIB });
		let block = kind.malloc(600 * MIB);
		block.write('first');
		for (const size of [GIB, GIB + 1, 2 * GIB + 1, 3 * GIB, GIB + 5, 700 * MIB]) {
			const last = block.length - 1;
			block[last] = 0x7a;
			const keeps = size > last;
			block = kind.realloc(block, size);
			expect(block.length).toBe(size);
			expect(block.toString('latin1', 0, 5)).toBe('first');
			if (keeps) expect(block[last]).toBe(0x7a);
			expect(kind.stats()).toMatchObject({ blocks: 1, allocated: kind.usableSize(block) });
		}
		kind.free(block);
	});

	test('lengths that pass 32 bits in units and bytes give no short block', () => {
		const kind = create(directory, { maxSize: 9 * GIB });
		for (const size of [2 ** 33, 2 ** 34, 2 ** 42 + 100, 2 ** 45, 2 ** 52 + 16, Number.MAX_SAFE_INTEGER]) {
			if (size <= Math.min(kind.capacity, constants.MAX_LENGTH)) continue;
			expect(kind.tryMalloc(size)).toBeUndefined();
			expect(() => kind.memalign(4096, size)).toThrow(OutOfMemoryError);
			expect(() => kind.calloc(size / 2, 2)).toThrow(size % 2 === 0 ? OutOfMemoryError : RangeError);
		}
		expect(kind.stats()).toMatchObject({ blocks: 0, allocated: 0 });
	});
});
