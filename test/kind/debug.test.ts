// Debug mode finds each mistake with memory. Everything that is no mistake works as without it.

import { truncateSync, writeFileSync } from 'node:fs';
import { type Block, FixedKind, Kind, mapFile, type PmemKind } from 'daxkind';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { testDirectory } from '../helpers/directory.ts';
import { closeAfterEach, create } from '../helpers/kinds.ts';
import { runChild } from '../helpers/process.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { Thread } from '../helpers/thread.ts';

const directory = testDirectory();
closeAfterEach();

const code = (code: string) => expect.objectContaining({ code });

interface Warning extends Error {
	code: string;
	detail: string;
}
let warnings: Warning[] = [];
const listen = (warning: Error) => void warnings.push(warning as Warning);
// Node's own listener, which prints warnings.
const printers = process.listeners('warning');
const turn = () => new Promise((resolve) => setImmediate(resolve));

let kind: PmemKind;
beforeEach(() => {
	process.removeAllListeners('warning').on('warning', listen);
	kind = create(directory, { maxSize: 16 * MIB, debug: true });
});
afterEach(async () => {
	kind.close();
	await turn();
	process.off('warning', listen);
	for (const printer of printers) process.on('warning', printer);
	warnings = [];
});

/** All memory of the kind, as a wild pointer reaches it, and where a block is in it. */
function wild(block?: Buffer): { memory: Buffer; at: number } {
	const handle = kind.mallocRaw(1);
	const memory = Buffer.from(kind.view(handle).buffer);
	kind.freeRaw(handle);
	if (block === undefined) return { memory, at: -1 };
	const mark = 'here it is, once only';
	block.write(mark);
	return { memory, at: memory.indexOf(mark) };
}

describe('a block', () => {
	for (const size of [22, 5000, 100_000, 2 * MIB]) {
		test(`of ${size} bytes has an ArrayBuffer of its own, which free detaches with all its views`, () => {
			const block = kind.malloc(size);
			expect([block.length, block.buffer.byteLength]).toEqual([size, size]);
			expect(kind.usableSize(block)).toBe(size);
			expect(Kind.of(block)).toBe(kind);
			const part = block.subarray(3);
			kind.free(block);
			expect([block.length, part.length]).toEqual([0, 0]);
			expect(() => kind.free(block)).toThrow(code('ERR_DAXKIND_DOUBLE_FREE'));
			expect(() => kind.realloc(block, 10)).toThrow(code('ERR_DAXKIND_DOUBLE_FREE'));
			expect(() => kind.free(part as Block)).toThrow(code('ERR_DAXKIND_NOT_A_BLOCK'));
		});
	}

	test('holds nothing of what was in its memory before', () => {
		const secret = 'the secret of the block before';
		for (let i = 0; i < 3; i++) {
			const block = kind.malloc(1000);
			expect(block.includes(secret)).toBe(false);
			block.write(secret);
			kind.free(block);
			expect(wild().memory.includes(secret)).toBe(false);
			kind.purge();
		}
	});

	for (const [where, distance] of [
		['the byte behind its end', 1000],
		['the last byte of the red zone behind it', 1015],
		['the byte before its start', -1],
		['the first byte of the red zone before it', -16],
	] as const) {
		test(`is not freed when ${where} was written, and the error says where it was allocated`, () => {
			const block = (function allocateHere() {
				return kind.malloc(1000);
			})();
			const { memory, at } = wild(block);
			const was = memory[at + distance]!;
			memory[at + distance] = was + 1;
			for (const call of [() => kind.free(block), () => kind.realloc(block, 2000), () => kind.realloc(block, 0)]) {
				expect(call).toThrow(
					expect.objectContaining({ code: 'ERR_DAXKIND_OVERRUN', message: expect.stringContaining('allocateHere') }),
				);
			}
			expect(block.length).toBe(1000);
			expect(kind.stats().blocks).toBe(1);
			memory[at + distance] = was;
			kind.free(block);
			expect(kind.stats().blocks).toBe(0);
		});
	}
});

describe('freed memory', () => {
	test('is not used again for a while, and counts as cached', () => {
		const blocks = Array.from({ length: 100 }, () => kind.malloc(1000));
		const places = new Set(blocks.map((block) => wild(block).at));
		for (const block of blocks) kind.free(block);
		const { blocks: held, allocated, cached } = kind.stats();
		expect({ held, allocated }).toEqual({ held: 0, allocated: 0 });
		expect(cached).toBeGreaterThanOrEqual(100 * 1000);
		for (let i = 0; i < 100; i++) expect(places.has(wild(kind.malloc(1000)).at)).toBe(false);
	});

	test('that somebody writes to is reported, with where the block was allocated', async () => {
		const block = (function allocateHere() {
			return kind.malloc(1000);
		})();
		const { memory, at } = wild(block);
		kind.free(block);
		memory[at + 500] = 1;
		kind.purge();
		await turn();
		expect(warnings).toHaveLength(1);
		expect(warnings[0]).toMatchObject({
			code: 'DAXKIND_USE_AFTER_FREE',
			detail: expect.stringContaining('allocateHere'),
		});
	});

	test('that nobody writes to is not', async () => {
		for (let i = 0; i < 5000; i++) kind.free(kind.malloc(i));
		kind.purge();
		await turn();
		expect(warnings).toEqual([]);
	});

	test('is there at once when it is needed', () => {
		for (const size of [MIB / 2, 9000, 700]) {
			const blocks: Block[] = [];
			for (let block = kind.tryMalloc(size); block !== undefined; block = kind.tryMalloc(size)) blocks.push(block);
			expect(blocks.length * size).toBeGreaterThan(13 * MIB);
			for (const block of blocks) kind.free(block);
			kind.free(kind.malloc(16 * MIB - 32));
			kind.freeRaw(kind.mallocRaw(16 * MIB));
		}
	});
});

describe('the malloc family', () => {
	test('calloc gives zeros', () => {
		kind.free(kind.malloc(5000).fill(255));
		kind.purge();
		expect(kind.calloc(5, 1000).equals(Buffer.alloc(5000))).toBe(true);
	});

	test('memalign aligns the block, not the red zone before it', () => {
		for (let alignment = 8; alignment <= MIB; alignment *= 4) {
			for (const size of [30, 3000, 20_000]) {
				const block = kind.memalign(alignment, size);
				const { memory, at } = wild(block);
				expect(at % alignment).toBe(0);
				memory[at - 1]!++;
				expect(() => kind.free(block)).toThrow(code('ERR_DAXKIND_OVERRUN'));
				memory[at - 1]!--;
				kind.free(block);
			}
		}
	});

	test('realloc moves, keeps the content, and fails without a change', () => {
		let block = kind.realloc(null, 100).fill('r');
		for (const size of [101, 100, 5000, 4999, 100_000, 9000, 50]) {
			const before = block;
			block = kind.realloc(before, size);
			expect(before.length).toBe(0);
			expect(block.toString('latin1', 0, 50)).toBe('r'.repeat(50));
			block.fill('r');
		}
		expect(kind.realloc(block, 50)).toBe(block);
		expect(() => kind.realloc(block, 16 * MIB)).toThrow(code('ERR_DAXKIND_OUT_OF_MEMORY'));
		expect(block.toString()).toBe('r'.repeat(50));
		expect(kind.realloc(block, 0).length).toBe(0);
		expect(kind.defragReallocate(kind.malloc(100))).toBeUndefined();
		expect(kind.stats().blocks).toBe(1);
	});

	test('blocks that come and go at random keep their content', () => {
		const held: { block: Block; byte: number }[] = [];
		let random = 1;
		const next = (below: number) => {
			random = (random * 48271) % 2147483647;
			return random % below;
		};
		for (let i = 0; i < 3000; i++) {
			if (next(3) > 0 && held.length < 200) {
				const size = next(8) === 0 ? next(200_000) : next(3000);
				const block = next(2) === 0 ? kind.tryMalloc(size) : kind.memalign(2 ** (3 + next(8)), size);
				if (block !== undefined) held.push({ block: block.fill(i & 255), byte: i & 255 });
			} else if (held.length > 0) {
				const [{ block, byte }] = held.splice(next(held.length), 1) as [(typeof held)[0]];
				expect(block.equals(Buffer.alloc(block.length, byte))).toBe(true);
				if (next(4) === 0) held.push({ block: kind.realloc(block, block.length + 7).fill(byte), byte });
				else kind.free(block);
			}
		}
		for (const { block } of held) kind.free(block);
		expect(kind.close()).toBeUndefined();
	});
});

describe('the leak report', () => {
	test('says where the blocks were allocated that are left, the most bytes first, and warns', async () => {
		function leaksTwice() {
			return [kind.malloc(100), kind.calloc(1, 100)];
		}
		function leaksMuch() {
			return kind.memalign(64, 100_000);
		}
		leaksTwice();
		leaksMuch();
		kind.free(kind.malloc(1000));
		const { blocks, stacks } = kind.close()!;
		expect(blocks).toBe(3);
		expect(stacks!.map(({ blocks }) => blocks)).toEqual([1, 1, 1]);
		expect(stacks![0]).toMatchObject({ blocks: 1, stack: expect.stringMatching(/^\s*at leaksMuch .*debug\.test/) });
		expect(stacks![1]!.stack).toMatch(/^\s*at leaksTwice /);
		await turn();
		expect(warnings).toHaveLength(1);
		expect(warnings[0]).toMatchObject({ code: 'DAXKIND_LEAK', detail: expect.stringContaining('leaksMuch') });
	});

	test('is not there when all has been freed', async () => {
		for (let i = 0; i < 100; i++) kind.free(kind.malloc(i * 100));
		expect(kind.close()).toBeUndefined();
		await turn();
		expect(warnings).toEqual([]);
	});
});

describe('a kind that threads share', () => {
	test('is in debug mode in all of them; what one frees is gone for the others, and in no leak report', async () => {
		const thread = await Thread.start(kind.share());
		const blocks = [kind.malloc(1000).fill('d'), kind.malloc(1000)];
		const seen = await thread.run(
			({ kind, blocks }, [first]) => {
				blocks.push(kind.deref(first!));
				const content = blocks[0]!.toString('latin1', 0, 3);
				kind.free(blocks[0]);
				return { debug: kind.debug, content, length: blocks[0]!.length };
			},
			blocks.map((block) => kind.ref(block)),
		);
		expect(seen).toEqual({ debug: true, content: 'ddd', length: 0 });
		expect(() => kind.free(blocks[0])).toThrow(code('ERR_DAXKIND_DOUBLE_FREE'));
		await thread.end();
		expect(kind.close()).toMatchObject({ blocks: 1, stacks: [{ blocks: 1 }] });
	});

	test('gets back what a thread kept out of use when that ends', async () => {
		for (const ending of ['end', 'terminate'] as const) {
			const thread = await Thread.start(kind.share());
			await thread.run(({ kind }) => {
				for (let i = 0; i < 100; i++) kind.free(kind.malloc(1000));
			}, undefined);
			await thread[ending]();
			expect(kind.stats()).toMatchObject({ blocks: 0, allocated: 0 });
		}
		kind.free(kind.malloc(16 * MIB - 32));
	});
});

test('DAXKIND_DEBUG is the default of the option', () => {
	for (const [value, debug] of [
		['1', 'true false true'],
		['yes', 'true false true'],
		['0', 'false false true'],
		['', 'false false true'],
	] as const) {
		const child = runChild(
			`const make = (options) => PmemKind.create(process.argv[1], { maxSize: ${16 * MIB}, ...options }).debug;
			console.log(make({}), make({ debug: false }), make({ debug: true }));`,
			directory,
			['env', `DAXKIND_DEBUG=${value}`],
		);
		expect(child.stdout).toBe(`${debug}\n`);
	}
});

test('a fixed kind has it, too, however small', () => {
	const file = `${temporaryDirectory()}/fixed`;
	writeFileSync(file, '');
	truncateSync(file, 4096);
	const mapping = mapFile(file);
	const fixed = FixedKind.create(mapping, { debug: true });
	for (let i = 0; i < 50; i++) fixed.free(fixed.malloc(900));
	expect(fixed.close()).toBeUndefined();
	mapping.unmap();
});
