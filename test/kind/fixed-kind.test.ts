// Kinds in memory that the caller owns: any size, any content. A kind writes nothing outside its blocks.
import { closeSync, linkSync, openSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { type Block, FixedKind, Kind, type MapFileOptions, mapFile, PmemKind, type PmemMapping } from 'daxkind';
import { expect, onTestFinished, test } from 'vitest';
import { GIB, KIB, MIB } from '#lib/size.js';
import { testDirectory } from '../helpers/directory.ts';
import { holdings } from '../helpers/process.ts';
import { readInto } from '../helpers/streams.ts';
import { Thread } from '../helpers/thread.ts';

const directory = testDirectory();

const code = (code: string) => expect.objectContaining({ code });
const outOfMemory = code('ERR_DAXKIND_OUT_OF_MEMORY');

let files = 0;
function makeFile(content: Buffer): string {
	const path = `${directory}/${files++}`;
	writeFileSync(path, content);
	return path;
}

/** Maps a file of holes, which takes no memory. */
function mapSparse(size: number, options: MapFileOptions = {}): PmemMapping {
	const path = makeFile(Buffer.alloc(0));
	truncateSync(path, size);
	return mapFile(path, { allocate: false, ...options });
}

/** Makes a kind over it. After the test the kind is closed and the mapping unmapped. */
function fixedOn(mapping: PmemMapping, options = {}): FixedKind {
	const kind = FixedKind.create(mapping, options);
	onTestFinished(() => {
		kind.close();
		mapping.unmap();
	});
	return kind;
}

for (const size of [1, 100, 1023, 1024, 1025, 4096, 5000, 16 * KIB, 100_001, MIB, 3 * MIB + 17]) {
	test(`${size} bytes are filled to the last whole KiB, freed, and filled again`, () => {
		const kind = fixedOn(mapFile(makeFile(Buffer.alloc(size, 'c'))));
		expect(kind.capacity).toBe(size);
		const units = Math.floor(size / KIB);
		expect(kind.stats()).toMatchObject({ allocated: 0, blocks: 0, largestFree: units * KIB });
		for (const blockSize of [16, 200, 1024, 8192, 9000]) {
			for (let round = 0; round < 2; round++) {
				const blocks: Block[] = [];
				for (let block = kind.tryMalloc(blockSize); block !== undefined; block = kind.tryMalloc(blockSize)) {
					blocks.push(block.fill(blocks.length));
				}
				const rounded = Math.ceil(blockSize / 16) * 16;
				const fit = Math.floor((units * KIB) / (blockSize > 8192 ? 9 * KIB : rounded));
				// Only the ends of slabs are lost.
				expect(blocks.length).toBeGreaterThanOrEqual(KIB % rounded === 0 ? fit : Math.floor(fit * 0.9));
				expect(blocks.length).toBeLessThanOrEqual(fit);
				expect(() => kind.malloc(blockSize)).toThrow(outOfMemory);
				for (const [i, block] of blocks.entries()) {
					if (block[0] !== (i & 255) || block[blockSize - 1] !== (i & 255)) expect.fail(`block ${i}`);
					kind.free(block);
				}
			}
		}
		if (units > 0) kind.free(kind.malloc(units * KIB));
		expect(() => kind.malloc(units * KIB + 1)).toThrow(outOfMemory);
		expect(kind.stats()).toMatchObject({ allocated: 0, blocks: 0 });
	});
}

test('calloc gives zeros in memory that was full of something else; malloc gives what was there', () => {
	const kind = fixedOn(mapFile(makeFile(Buffer.alloc(64 * KIB, 'x'))));
	expect(kind.malloc(100).equals(Buffer.alloc(100, 'x'))).toBe(true);
	expect(kind.calloc(10, 10).equals(Buffer.alloc(100))).toBe(true);
	expect(kind.calloc(1, 20_000).equals(Buffer.alloc(20_000))).toBe(true);
});

test('nothing but the blocks is written, in the file as in memory, and closing leaves it', () => {
	const content = Buffer.alloc(256 * KIB, 'content ');
	const path = makeFile(content);
	const mapping = mapFile(path);
	const kind = FixedKind.create(mapping);
	const held: Block[] = [];
	for (let i = 0; i < 2000; i++) {
		const block = kind.tryMalloc((i * 37) % 3000);
		if (block !== undefined && i % 3 === 0) held.push(block);
		else kind.free(block);
		if (i % 50 === 0) for (const block of held.splice(10)) kind.free(block);
	}
	expect(kind.purge()).toBe(0);
	expect(readFileSync(path).equals(content)).toBe(true);
	const block = kind.malloc(500).fill('b');
	content.fill('b', mapping.buffer.indexOf('bb'), mapping.buffer.indexOf('bb') + 500);
	kind.close();
	expect(block.length).toBe(0);
	expect(mapping.buffer.equals(content)).toBe(true);
	expect(readFileSync(path).equals(content)).toBe(true);
	mapping.unmap();
});

test('blocks lie in the part of the file that was mapped', () => {
	const content = Buffer.alloc(64 * KIB, '-');
	const path = makeFile(content);
	const kind = fixedOn(mapFile(path, { offset: 16 * KIB, length: 32 * KIB }));
	expect(kind.capacity).toBe(32 * KIB);
	kind.malloc(32 * KIB).fill('+');
	content.fill('+', 16 * KIB, 48 * KIB);
	expect(readFileSync(path).equals(content)).toBe(true);
});

test('alignment is that of the address, also when the mapping is not aligned', () => {
	const kind = fixedOn(mapFile(makeFile(Buffer.alloc(256 * KIB)), { offset: 12 * KIB }));
	for (const alignment of [8, 64, 1024, 4096]) {
		// The mapping begins at a page.
		expect(kind.memalign(alignment, 3000).byteOffset % alignment).toBe(0);
	}
});

test('what is no mapping, unmapped, read-only, or in use is refused', () => {
	const before = holdings();
	for (const value of [undefined, null, 1, 'file', {}, Buffer.alloc(100), makeFile(Buffer.alloc(4096))]) {
		expect(() => FixedKind.create(value as unknown as PmemMapping)).toThrow(code('ERR_INVALID_ARG_TYPE'));
	}
	const path = makeFile(Buffer.alloc(4096));
	const readOnly = mapFile(path, { writable: false });
	expect(() => FixedKind.create(readOnly)).toThrow(code('ERR_INVALID_STATE'));
	readOnly.unmap();
	const mapping = mapFile(path);
	for (const options of [null, 1, { debug: 1 }, { onPressure: 1 }, { pressureThreshold: '1' }]) {
		expect(() => FixedKind.create(mapping, options as object)).toThrow(code('ERR_INVALID_ARG_TYPE'));
	}
	expect(() => FixedKind.create(Object.create(mapping))).toThrow(code('ERR_INVALID_ARG_TYPE'));
	expect(() => FixedKind.create(mapping, { debugg: true } as object)).toThrow(
		expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE', message: expect.stringContaining("'debug'") }),
	);
	// Two kinds over one mapping would give the same memory to two owners.
	const kind = FixedKind.create(mapping);
	expect(() => FixedKind.create(mapping)).toThrow(code('ERR_INVALID_STATE'));
	kind.close();
	FixedKind.create(mapping).close();
	mapping.unmap();
	expect(() => FixedKind.create(mapping)).toThrow(code('ERR_INVALID_STATE'));
	globalThis.gc!();
	expect(holdings().descriptors).toBe(before.descriptors);
});

test('no two kinds have the same bytes of a file, whichever mappings and names lead there', async () => {
	const path = makeFile(Buffer.alloc(64 * KIB));
	linkSync(path, `${path}-link`);
	const map = (name: string, offset: number, length: number) => {
		const mapping = mapFile(name, { offset, length });
		onTestFinished(() => mapping.unmap());
		return mapping;
	};
	const kind = FixedKind.create(map(path, 16 * KIB, 16 * KIB));
	const open = expect.objectContaining({ code: 'ERR_INVALID_STATE', message: expect.stringContaining('same file') });
	const others = [
		map(path, 0, 64 * KIB),
		map(`${path}-link`, 16 * KIB, 16 * KIB),
		map(path, 12 * KIB, 8 * KIB),
		map(`${path}-link`, 28 * KIB, 8 * KIB),
		map(path, 20 * KIB, 4 * KIB),
	];
	for (const mapping of others) expect(() => FixedKind.create(mapping)).toThrow(open);
	const thread = await Thread.start();
	const inThread = thread.run((scope, name) => scope.daxkind.FixedKind.create(scope.daxkind.mapFile(name)), path);
	await expect(inThread).rejects.toMatchObject({ code: 'ERR_INVALID_STATE' });
	// Other kinds may lie beside it, or over the same bytes of another file.
	const beside = [
		map(path, 0, 16 * KIB),
		map(`${path}-link`, 32 * KIB, 32 * KIB),
		map(makeFile(Buffer.alloc(64 * KIB)), 16 * KIB, 16 * KIB),
	];
	for (const other of beside.map((mapping) => FixedKind.create(mapping))) other.close();
	// A mapping that was refused is not in use, and a kind that was closed leaves its bytes free.
	for (const mapping of others) mapping.unmap();
	kind.close();
	FixedKind.create(map(path, 0, 64 * KIB)).close();
	await thread.terminate();
});

test('a mapping whose memory has been transferred is refused as that, not as unmapped', async () => {
	const mapping = mapFile(makeFile(Buffer.alloc(4096)));
	await readInto(mapping.buffer);
	expect(() => FixedKind.create(mapping)).toThrow(
		expect.objectContaining({ code: 'ERR_INVALID_STATE', message: expect.stringContaining('has been transferred') }),
	);
	mapping.unmap();
});

test('a mapping is not unmapped under a kind, but after it', async () => {
	const mapping = mapSparse(16 * MIB);
	const kind = FixedKind.create(mapping);
	const block = kind.malloc(100).fill(1);
	const collected = kind.buffer(100).fill(2);
	expect(() => mapping.unmap()).toThrow(code('ERR_INVALID_STATE'));
	expect([block[0], collected[0], mapping.length]).toEqual([1, 2, 16 * MIB]);
	await kind.closeAsync();
	expect([block.length, collected.length]).toEqual([0, 0]);
	mapping.unmap();
	expect(mapping.length).toBe(0);
});

test('a file that was opened by descriptor will do, and closing that changes nothing', () => {
	const fd = openSync(makeFile(Buffer.alloc(64 * KIB)), 'r+');
	const mapping = mapFile(fd);
	closeSync(fd);
	const kind = fixedOn(mapping);
	expect(kind.malloc(1000).fill(3)[999]).toBe(3);
	expect(kind).toBeInstanceOf(Kind);
	expect(kind).not.toBeInstanceOf(PmemKind);
});

test('threads share it; it outlives the thread that made the mapping', async () => {
	const maker = await Thread.start();
	const path = makeFile(Buffer.alloc(MIB));
	const { shared, reference } = await maker.run((scope, path) => {
		scope.kind = scope.daxkind.FixedKind.create(scope.daxkind.mapFile(path));
		const block = scope.kind.malloc(20_000).fill('f');
		return { shared: scope.kind.share(), reference: scope.kind.ref(block) };
	}, path);
	const kind = Kind.attach(shared);
	expect(kind).toBeInstanceOf(FixedKind);
	await maker.terminate();
	globalThis.gc!();
	const block = kind.deref(reference);
	expect(block.toString()).toBe('f'.repeat(20_000));
	kind.free(block);
	kind.free(kind.malloc(MIB));
	expect(kind.close()).toBeUndefined();
	expect(readFileSync(path).includes('f'.repeat(20_000))).toBe(true);
});

test('more than a segment: blocks of any length, none across a border that could be on one side of it', async () => {
	const kind = fixedOn(mapSparse(3 * GIB));
	const thread = await Thread.start(kind.share());
	const first = kind.malloc(900 * MIB);
	const second = kind.malloc(200 * MIB);
	expect([first.byteOffset, second.byteOffset]).toEqual([0, 0]);
	kind.free(first);
	kind.free(second);

	const long = kind.malloc(GIB + 5 * MIB);
	long[0] = 1;
	long[long.length - 1] = 2;
	const ends = await thread.run(({ kind }, reference) => {
		const block = kind.deref(reference);
		const ends = [block.length, block[0], block[block.length - 1]];
		kind.free(block);
		return ends;
	}, kind.ref(long));
	expect(ends).toEqual([GIB + 5 * MIB, 1, 2]);
	expect(() => kind.free(long)).toThrow(code('ERR_DAXKIND_DOUBLE_FREE'));

	const handle = kind.mallocRaw(2 * GIB);
	const view = kind.view(handle);
	expect(view.length).toBe(2 * GIB);
	view[2 * GIB - 1] = 3;
	expect(kind.view(handle)[2 * GIB - 1]).toBe(3);
	await thread.run(({ kind }, handle) => kind.freeRaw(handle), handle);
	expect(() => kind.freeRaw(handle)).toThrow(code('ERR_DAXKIND_DOUBLE_FREE'));

	const collected = kind.buffer(GIB + MIB);
	kind.free(collected);
	kind.free(kind.malloc(3 * GIB));
});

test('a block of two segments is found where one of less than a segment is not', () => {
	const kind = fixedOn(mapSparse(2 * GIB));
	const blocks = [300, 600, 700, 200].map((size) => kind.malloc(size * MIB));
	const ends = blocks.splice(1, 2);
	for (const block of ends) kind.free(block);
	// The free memory begins at 300 MiB. A block of 900 MiB would lie across the border of the segments, and a block
	// that is shorter than a segment may not. A block of 1424 MiB has to.
	const { largestFree } = kind.stats();
	expect(largestFree).toBeGreaterThan(GIB);
	expect(kind.tryMalloc(900 * MIB)).toBeUndefined();
	const long = kind.tryMalloc(largestFree);
	expect(long?.length).toBe(largestFree);
	kind.free(long);
	expect(kind.tryMalloc(900 * MIB)).toBeUndefined();
});
