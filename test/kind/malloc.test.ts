// The malloc family: memkind's contract, in JavaScript's terms.
import { Buffer } from 'node:buffer';
import { type Block, OutOfMemoryError } from 'daxkind';
import { afterAll, describe, expect, test } from 'vitest';
import { KIB, MIB } from '#lib/size.js';
import { testDirectory } from '../helpers/directory.ts';
import { create, isElastic } from '../helpers/kinds.ts';

const directory = testDirectory();
const kind = create(directory, { maxSize: 64 * MIB });
const other = create(directory, { maxSize: 16 * MIB });
afterAll(() => {
	kind.close();
	other.close();
});

const code = (code: string) => expect.objectContaining({ code });

describe('malloc', () => {
	for (const size of [1, 15, 16, 17, 255, 256, 257, 4096, 8191, 8192, 8193, 65537, MIB, 5 * MIB + 1]) {
		test(`${size} bytes are a Buffer of that length, whose usable size holds it`, () => {
			const block = kind.malloc(size);
			expect(Buffer.isBuffer(block)).toBe(true);
			expect(block.length).toBe(size);
			expect(block.byteOffset % 16).toBe(0);
			expect(kind.usableSize(block)).toBeGreaterThanOrEqual(size);
			expect(kind.usableSize(block)).toBeLessThanOrEqual(Math.max(16, size + Math.max(size / 8, KIB)));
			block.fill(0xa5);
			expect(block.every((byte) => byte === 0xa5)).toBe(true);
			kind.free(block);
		});
	}

	test('0 bytes are an empty Buffer, which free takes once', () => {
		const { blocks } = kind.stats();
		const block = kind.malloc(0);
		expect(block.length).toBe(0);
		expect(kind.usableSize(block)).toBe(0);
		expect(kind.stats().blocks).toBe(blocks);
		kind.free(block);
		expect(() => kind.free(block)).toThrow(code('ERR_DAXKIND_DOUBLE_FREE'));
	});

	for (const size of [-1, 0.5, Number.NaN, Infinity, -Infinity, 2 ** 53]) {
		test(`${size} is out of range for every call that takes a size`, () => {
			const block = kind.malloc(10);
			const range = expect.objectContaining({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
			expect(() => kind.malloc(size)).toThrow(range);
			expect(() => kind.tryMalloc(size)).toThrow(range);
			expect(() => kind.calloc(1, size)).toThrow(range);
			expect(() => kind.calloc(size, 1)).toThrow(range);
			expect(() => kind.realloc(block, size)).toThrow(range);
			expect(() => kind.memalign(64, size)).toThrow(range);
			expect(kind.usableSize(block)).toBe(16);
			kind.free(block);
		});
	}

	for (const size of ['1', 1n, null, undefined, {}, [1], true] as unknown as number[]) {
		test(`${typeof size} ${String(size)} is the wrong type for every call that takes a size`, () => {
			const type = expect.objectContaining({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' });
			expect(() => kind.malloc(size)).toThrow(type);
			expect(() => kind.tryMalloc(size)).toThrow(type);
			expect(() => kind.calloc(1, size)).toThrow(type);
			expect(() => kind.calloc(size, 1)).toThrow(type);
			expect(() => kind.realloc(null, size)).toThrow(type);
			expect(() => kind.memalign(64, size)).toThrow(type);
			expect(() => kind.memalign(size, 64)).toThrow(type);
		});
	}

	test('more than there is throws an error that says what, of what, and why', () => {
		const held = kind.malloc(10 * MIB);
		let error: unknown;
		try {
			kind.malloc(60 * MIB);
		} catch (caught) {
			error = caught;
		}
		expect(error).toBeInstanceOf(OutOfMemoryError);
		expect(error).toMatchObject({
			name: 'OutOfMemoryError',
			code: 'ERR_DAXKIND_OUT_OF_MEMORY',
			requested: 60 * MIB,
			capacity: 64 * MIB,
			allocated: kind.stats().allocated,
			reason: 'limit',
		});
		expect(kind.tryMalloc(60 * MIB)).toBeUndefined();
		expect(() => kind.malloc(Number.MAX_SAFE_INTEGER)).toThrow(code('ERR_DAXKIND_OUT_OF_MEMORY'));
		kind.free(held);
	});

	test('enough that is free in slabs of other sizes is called fragmented, and what the message says helps', () => {
		const fresh = create(directory, { maxSize: 16 * MIB });
		const blocks: Block[] = [];
		for (let block = fresh.tryMalloc(1024); block !== undefined; block = fresh.tryMalloc(1024)) blocks.push(block);
		expect(() => fresh.malloc(200)).toThrow(expect.objectContaining({ reason: 'limit' }));
		blocks.forEach((block, i) => void (i % 3 === 0 || fresh.free(block)));
		for (const size of [200, 3000, 100_000]) {
			const message = expect.stringMatching(/ \d+ bytes are free, .* slabs .*defragReallocate/);
			expect(() => fresh.malloc(size)).toThrow(expect.objectContaining({ reason: 'fragmented', message }));
		}
		// This is more than all that is free.
		expect(() => fresh.malloc(15 * MIB)).toThrow(expect.objectContaining({ reason: 'limit' }));
		for (let i = 0; i < blocks.length; i += 3) blocks[i] = fresh.defragReallocate(blocks[i]!) ?? blocks[i]!;
		for (const size of [200, 3000, 100_000]) expect(fresh.malloc(size).length).toBe(size);
		fresh.close();
	});

	test('enough that is not in one piece is called fragmented', () => {
		const blocks = Array.from({ length: 15 }, () => other.malloc(MIB));
		for (const block of blocks.filter((_, i) => i % 2 === 0)) other.free(block);
		expect(() => other.malloc(4 * MIB)).toThrow(expect.objectContaining({ reason: 'fragmented' }));
		for (const block of blocks.filter((_, i) => i % 2 === 1)) other.free(block);
		other.free(other.malloc(16 * MIB));
	});

	test('one block can be the whole kind', () => {
		const block = other.malloc(16 * MIB);
		expect(block.length).toBe(16 * MIB);
		expect(other.tryMalloc(1)).toBeUndefined();
		other.free(block);
	});

	test('after a drain of any size the largest block fits at once', () => {
		for (const size of [16, 512, 4096, 10_000, 300_000]) {
			const blocks: Block[] = [];
			for (let block = other.tryMalloc(size); block !== undefined; block = other.tryMalloc(size)) blocks.push(block);
			expect(blocks.length * size).toBeGreaterThan(14 * MIB);
			for (const block of blocks) other.free(block);
			other.free(other.malloc(16 * MIB));
		}
	});
});

describe('calloc', () => {
	test('gives zeros on memory that was used before', () => {
		for (const size of [100, 5000, 100_000]) {
			const dirty = kind.malloc(size).fill(0xff);
			kind.free(dirty);
			const block = kind.calloc(size / 4, 4);
			expect(block.length).toBe(size);
			expect(block.every((byte) => byte === 0)).toBe(true);
			kind.free(block);
		}
	});

	test('nothing of anything is an empty Buffer', () => {
		expect(kind.calloc(0, 10).length).toBe(0);
		expect(kind.calloc(10, 0).length).toBe(0);
	});

	test('a product that does not fit a number is out of memory, not a small block', () => {
		expect(() => kind.calloc(2 ** 52, 2 ** 52)).toThrow(code('ERR_DAXKIND_OUT_OF_MEMORY'));
		expect(() => kind.calloc(Number.MAX_SAFE_INTEGER, 2)).toThrow(code('ERR_DAXKIND_OUT_OF_MEMORY'));
	});
});

describe('realloc', () => {
	test('of nothing is malloc', () => {
		expect(kind.realloc(null, 100).length).toBe(100);
		expect(kind.realloc(undefined, 100).length).toBe(100);
	});

	test('to nothing frees, and gives an empty block', () => {
		const block = kind.malloc(100);
		expect(kind.realloc(block, 0).length).toBe(0);
		expect(() => kind.free(block)).toThrow(code('ERR_DAXKIND_DOUBLE_FREE'));
	});

	for (const [from, to] of [
		[100, 5000],
		[5000, 100],
		[100, 105],
		[20_000, 90_000],
		[90_000, 20_000],
		[8192, 8193],
		[8193, 8192],
		[0, 50],
		[MIB, 3 * MIB],
	] as const) {
		test(`from ${from} to ${to} bytes keeps the content that fits`, () => {
			const block = kind.malloc(from);
			for (let i = 0; i < from; i++) block[i] = i * 7;
			const moved = kind.realloc(block, to);
			expect(moved.length).toBe(to);
			for (let i = 0; i < Math.min(from, to); i++) if (moved[i] !== ((i * 7) & 255)) expect.fail(`byte ${i}`);
			expect(() => kind.free(block)).toThrow(code('ERR_DAXKIND_DOUBLE_FREE'));
			kind.free(moved);
		});
	}

	test('to the same size is the same block', () => {
		const block = kind.malloc(77);
		expect(kind.realloc(block, 77)).toBe(block);
		kind.free(block);
	});

	test('a long block grows where it is when what follows is free', () => {
		const fresh = create(directory, { maxSize: 16 * MIB });
		const block = fresh.malloc(MIB);
		const grown = fresh.realloc(block, 9 * MIB);
		expect(grown.byteOffset).toBe(block.byteOffset);
		const shrunk = fresh.realloc(grown, MIB);
		expect(shrunk.byteOffset).toBe(block.byteOffset);
		fresh.free(fresh.malloc(14 * MIB));
		fresh.close();
	});

	test('up to the usable size moves no block, whatever its alignment', () => {
		for (const [alignment, size] of [
			[16, 20],
			[64, 10],
			[4096, 1],
			[4096, 9000],
			[MIB, 1],
		] as const) {
			const block = kind.memalign(alignment, size);
			const usable = kind.usableSize(block);
			const grown = kind.realloc(kind.realloc(block, Math.ceil((size + usable) / 2)), usable);
			expect(grown.byteOffset).toBe(block.byteOffset);
			expect(grown.length).toBe(usable);
			expect(kind.usableSize(grown)).toBe(usable);
			kind.free(grown);
		}
	});

	test("of an empty block takes nobody else's memory", () => {
		const fresh = create(directory, { maxSize: 16 * MIB });
		const first = fresh.malloc(MIB).fill(1);
		for (const size of [2 * MIB, 16_384, 100]) {
			const grown = fresh.realloc(fresh.malloc(0), size).fill(2);
			expect(grown.byteOffset).not.toBe(first.byteOffset);
			expect(first.equals(Buffer.alloc(MIB, 1))).toBe(true);
		}
		expect(fresh.stats().blocks).toBe(4);
		fresh.close();
	});

	test('that fails keeps the old block', () => {
		const block = kind.malloc(1000).fill('k');
		expect(() => kind.realloc(block, 65 * MIB)).toThrow(code('ERR_DAXKIND_OUT_OF_MEMORY'));
		expect(block.toString()).toBe('k'.repeat(1000));
		kind.free(block);
	});

	test('shrinking works in a full kind', () => {
		const long = other.malloc(8 * MIB).fill('a');
		const rest = other.malloc(8 * MIB);
		const short = other.realloc(long, 100);
		expect(short.toString()).toBe('a'.repeat(100));
		other.free(short);
		other.free(rest);
	});
});

describe('memalign', () => {
	for (let alignment = 8; alignment <= 4 * MIB; alignment *= 2) {
		test(`aligns to ${alignment}`, () => {
			const blocks = [1, 100, 3000, 20_000].map((size) => kind.memalign(alignment, size));
			// The mapping is aligned to 2 MiB and begins the first ArrayBuffer.
			for (const block of blocks) expect(block.byteOffset % Math.min(alignment, 2 * MIB)).toBe(0);
			for (const block of blocks) kind.free(block);
		});
	}

	test('never gives a misaligned block, up to the last one', () => {
		for (const alignment of [8 * KIB, 64 * KIB, MIB]) {
			const blocks: Block[] = [];
			expect(() => {
				for (;;) blocks.push(other.memalign(alignment, alignment / 2));
			}).toThrow(code('ERR_DAXKIND_OUT_OF_MEMORY'));
			expect(blocks.length).toBe((16 * MIB) / alignment);
			expect(blocks.every((block) => block.byteOffset % alignment === 0)).toBe(true);
			for (const block of blocks) other.free(block);
		}
	});

	test('an alignment beyond all memory is out of memory', () => {
		expect(() => kind.memalign(2 ** 50, 100)).toThrow(code('ERR_DAXKIND_OUT_OF_MEMORY'));
	});

	for (const alignment of [0, 1, 4, 12, 48, -64, 64.5, 2 ** 49 + 1, Number.NaN, 2 ** 53]) {
		test(`alignment ${alignment} is out of range`, () => {
			expect(() => kind.memalign(alignment, 64)).toThrow(code('ERR_OUT_OF_RANGE'));
		});
	}
});

describe('free', () => {
	test('takes null and undefined', () => {
		kind.free(null);
		kind.free(undefined);
		expect(kind.usableSize(null)).toBe(0);
		expect(kind.usableSize(undefined)).toBe(0);
	});

	for (const size of [10, 20_000, 3 * MIB]) {
		test(`refuses a second free of ${size} bytes, also when the memory is in use again`, () => {
			const block = kind.malloc(size);
			kind.free(block);
			expect(() => kind.free(block)).toThrow(code('ERR_DAXKIND_DOUBLE_FREE'));
			const again = kind.malloc(size);
			const before = kind.stats();
			expect(() => kind.free(block)).toThrow(code('ERR_DAXKIND_DOUBLE_FREE'));
			expect(() => kind.usableSize(block)).toThrow(code('ERR_DAXKIND_DOUBLE_FREE'));
			expect(() => kind.realloc(block, 5)).toThrow(code('ERR_DAXKIND_DOUBLE_FREE'));
			expect(kind.stats()).toEqual(before);
			kind.free(again);
		});
	}

	test('refuses what is no block of this kind, and changes nothing', () => {
		const block = kind.malloc(100);
		const foreign = other.malloc(100);
		const before = kind.stats();
		for (const buffer of [
			Buffer.alloc(10),
			new Uint8Array(4),
			new DataView(new ArrayBuffer(4)),
			block.subarray(0, 10),
			block.subarray(),
			block.subarray(1),
			block.slice(0),
			Buffer.from(block.buffer, block.byteOffset, block.length),
		] as Buffer[]) {
			for (const call of [
				() => kind.free(buffer as Block),
				() => kind.usableSize(buffer as Block),
				() => kind.realloc(buffer as Block, 5),
			]) {
				expect(call).toThrow(code('ERR_DAXKIND_NOT_A_BLOCK'));
			}
		}
		expect(() => kind.free(foreign)).toThrow(code('ERR_DAXKIND_WRONG_KIND'));
		// usableSize is not among these calls, because it takes a number for a raw handle.
		expect(() => kind.free(5 as unknown as Block)).toThrow(code('ERR_INVALID_ARG_TYPE'));
		for (const value of ['x', {}, [], Symbol('s'), () => 1, 3n, true] as unknown as Buffer[]) {
			expect(() => kind.free(value as Block)).toThrow(code('ERR_INVALID_ARG_TYPE'));
			expect(() => kind.usableSize(value as Block)).toThrow(code('ERR_INVALID_ARG_TYPE'));
			expect(() => kind.realloc(value as Block, 10)).toThrow(code('ERR_INVALID_ARG_TYPE'));
		}
		expect(kind.stats()).toEqual(before);
		kind.free(block);
		other.free(foreign);
	});
});

describe('a block', () => {
	test('is a Buffer to all of Node', () => {
		const block = kind.malloc(11);
		block.write('hello world');
		expect(block.toString('utf8', 0, 5)).toBe('hello');
		expect(block.equals(Buffer.from('hello world'))).toBe(true);
		expect(Buffer.concat([block, Buffer.from('!')]).toString()).toBe('hello world!');
		expect(block.readUInt16BE(0)).toBe(0x6865);
		expect(JSON.stringify(block.subarray(0, 2))).toBe('{"type":"Buffer","data":[104,101]}');
		expect(block instanceof Uint8Array && block instanceof Buffer).toBe(true);
		kind.free(block);
	});

	test('shares its memory with its subarrays, which are ordinary Buffers', () => {
		const block = kind.malloc(10).fill(1);
		for (const part of [block.subarray(2, 4), block.slice(2, 4)]) {
			expect(Buffer.isBuffer(part)).toBe(true);
			expect(() => kind.free(part as Block)).toThrow(code('ERR_DAXKIND_NOT_A_BLOCK'));
			part[0] = 9;
			expect(block[2]).toBe(9);
		}
		const mapped = block.map((byte) => byte + 1);
		expect(mapped.buffer === block.buffer).toBe(false);
		expect(Buffer.isBuffer(block.filter(() => true))).toBe(true);
		kind.free(block);
	});
});

describe('stats', () => {
	test('count what is held, without a refresh', () => {
		const fresh = create(directory, { maxSize: 32 * MIB });
		expect(fresh.stats()).toMatchObject({ capacity: 32 * MIB, allocated: 0, blocks: 0, active: 0, free: 32 * MIB });
		const small = fresh.malloc(100);
		const long = fresh.malloc(MIB);
		const stats = fresh.stats();
		expect(stats.blocks).toBe(2);
		expect(stats.allocated).toBe(fresh.usableSize(small) + fresh.usableSize(long));
		expect(stats.active).toBeGreaterThanOrEqual(stats.allocated);
		expect(stats.committed).toBeGreaterThanOrEqual(stats.active);
		expect(stats.resident).toBe(stats.committed);
		expect(stats.free + stats.active).toBe(stats.capacity);
		expect(stats.largestFree).toBe(stats.free);
		fresh.free(small);
		fresh.free(long);
		expect(fresh.stats()).toMatchObject({ allocated: 0, blocks: 0 });
		expect(fresh.purge()).toBe(isElastic ? stats.committed : 0);
		const left = isElastic ? 0 : 32 * MIB;
		expect(fresh.stats()).toMatchObject({ active: 0, committed: left, resident: left, cached: 0, free: 32 * MIB });
		fresh.close();
	});
});

describe('close', () => {
	test('empties every Buffer of the kind and refuses all work', () => {
		const closing = create(directory, { maxSize: 16 * MIB });
		const blocks = [closing.malloc(10), closing.malloc(20_000), closing.malloc(0)];
		const part = blocks[0]!.subarray(2);
		closing.close();
		closing.close();
		expect(closing.closed).toBe(true);
		for (const block of [...blocks, part]) expect(block.length).toBe(0);
		for (const call of [
			() => closing.malloc(1),
			() => closing.malloc(0),
			() => closing.malloc(2 ** 40),
			() => closing.tryMalloc(1),
			() => closing.calloc(1, 1),
			() => closing.realloc(null, 1),
			() => closing.realloc(blocks[0], 1),
			() => closing.memalign(64, 64),
			() => closing.memalign(4096, 64),
			() => closing.free(blocks[0]),
			() => closing.free(blocks[2]),
			() => closing.usableSize(blocks[1]),
			() => closing.stats(),
			() => closing.purge(),
		]) {
			expect(call).toThrow(code('ERR_INVALID_STATE'));
		}
		expect(() => kind.free(blocks[0])).toThrow(code('ERR_DAXKIND_WRONG_KIND'));
	});

	test('Symbol.dispose closes', () => {
		const disposed = create(directory, { maxSize: 16 * MIB });
		disposed[Symbol.dispose]();
		expect(disposed.closed).toBe(true);
	});
});

describe('what users do to Buffers', () => {
	test('structuredClone copies the whole segment, and nothing crashes', () => {
		const small = create(directory, { maxSize: 16 * MIB });
		const block = small.malloc(100).fill('s');
		const clone = structuredClone(block);
		expect(Buffer.from(clone).toString()).toBe('s'.repeat(100));
		clone.fill(0);
		expect(block.toString()).toBe('s'.repeat(100));
		small.close();
	});

	test('a block shows no way to its handle', () => {
		const block = kind.malloc(10);
		expect(block.constructor).toBe(Buffer);
		expect(Object.getOwnPropertyNames(Object.getPrototypeOf(block))).toEqual(['constructor']);
		kind.free(block);
	});

	test('an empty Buffer that was transferred away does not break the next', () => {
		const empty = kind.malloc(0);
		structuredClone(empty.buffer, { transfer: [empty.buffer as ArrayBuffer] });
		expect(kind.malloc(0).length).toBe(0);
	});

	test('a stale Buffer reads and writes without a crash, and free refuses it', () => {
		const small = create(directory, { maxSize: 16 * MIB });
		const block = small.malloc(4 * MIB);
		small.free(block);
		small.purge();
		block.fill(1);
		expect(() => small.free(block)).toThrow(code('ERR_DAXKIND_DOUBLE_FREE'));
		small.close();
		expect(block.length).toBe(0);
	});
});
