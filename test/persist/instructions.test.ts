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
