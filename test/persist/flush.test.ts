import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { native } from '#lib/native.js';

const { flushInstructions } = native;
const { CACHE_LINE_SIZE } = native.constants;

test('the processor has a flush instruction, and the best one comes first', () => {
	expect(flushInstructions.length).toBeGreaterThan(0);
	const order = ['dc cvap', 'dc cvac', 'clwb', 'clflushopt', 'clflush'];
	expect([...flushInstructions].sort((a, b) => order.indexOf(a) - order.indexOf(b))).toEqual(flushInstructions);
});

test.runIf(process.arch === 'x64')('the instructions are those that the kernel lists in /proc/cpuinfo', () => {
	const flags = readFileSync('/proc/cpuinfo', 'utf8')
		.match(/^flags\s*:(.*)$/m)![1]!
		.split(' ');
	// The kernel lists nothing that CPUID lacks. It may hide an instruction that it was told to hide.
	const listed = ['clwb', 'clflushopt', 'clflush'].filter((name) => flags.includes(name));
	expect(flushInstructions).toEqual(expect.arrayContaining(listed));
});

test('a cache line is a power of two of at least 16 bytes', () => {
	expect(CACHE_LINE_SIZE).toBeGreaterThanOrEqual(16);
	expect(Math.log2(CACHE_LINE_SIZE) % 1).toBe(0);
});

test.each(flushInstructions)('%s changes no byte, at any start and length', (instruction) => {
	const size = 4 * CACHE_LINE_SIZE;
	const bytes = Buffer.alloc(size);
	for (let offset = 0; offset < CACHE_LINE_SIZE; offset += 7) {
		for (const length of [0, 1, CACHE_LINE_SIZE - 1, CACHE_LINE_SIZE, CACHE_LINE_SIZE + 1, size - offset]) {
			for (let index = 0; index < size; index += 1) bytes[index] = index ^ offset ^ length;
			native.flush(bytes, offset, length, instruction);
			native.drain();
			expect(bytes.every((byte, index) => byte === ((index ^ offset ^ length) & 0xff))).toBe(true);
		}
	}
});

test('without a name the best instruction is used', () => {
	const bytes = Buffer.alloc(1 << 20, 0x5a);
	native.flush(bytes, 0, bytes.length);
	native.drain();
	expect(bytes.every((byte) => byte === 0x5a)).toBe(true);
});

test.each([
	['past the end', [4097, 0]],
	['longer than the view', [0, 4097]],
	['longer than what is left', [4000, 97]],
	['negative', [-1, 1]],
	['fractional', [0, 0.5]],
	['with a sum past 2^53', [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]],
])('a range %s is refused', (_, [offset, length]) => {
	const bytes = Buffer.alloc(4096);
	for (const call of [native.flush, native.syncPages]) {
		expect(() => call(bytes, offset!, length!)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
	}
});

test.each([undefined, null, 'text', {}, new ArrayBuffer(8), new Uint16Array(8), new DataView(new ArrayBuffer(8))])(
	'%s instead of a view is refused',
	(view) => {
		expect(() => native.flush(view as Uint8Array, 0, 0)).toThrow(
			expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }),
		);
	},
);

test('a detached view has no bytes to flush', () => {
	const bytes = new Uint8Array(64);
	structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
	native.flush(bytes, 0, 0);
	expect(() => native.flush(bytes, 0, 1)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
});

test('an instruction that the processor does not have is refused, not executed', () => {
	const foreign = process.arch === 'x64' ? 'dc cvap' : 'clwb';
	expect(() => native.flush(Buffer.alloc(64), 0, 64, foreign)).toThrow(
		expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }),
	);
});

test('msync of memory that is no mapping of a file, page by page, is no error', () => {
	expect(() => native.syncPages(Buffer.alloc(10_000), 1, 9_998)).not.toThrow();
});
