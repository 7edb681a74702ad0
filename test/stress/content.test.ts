// The bytes with which the random testers compare blocks.
import { expect, test } from 'vitest';
import { contentOf, firstNotZero, firstWrong, paint, sampleWrong } from '../../scripts/players/content.mjs';
import { Random } from '../../scripts/random.mjs';

const length = 3_000_000;

test('a block has the content of its identity, all of it and each part', () => {
	const block = Buffer.alloc(length);
	paint(block, 7);
	expect(firstWrong(block, 7)).toBe(-1);
	expect(firstWrong(block, 7, 1_000_000, 1_100_000)).toBe(-1);
	for (const at of [0, 1, 1_048_583, length - 1]) expect(block[at]).toBe(contentOf(7, at, at + 1)[0]);
	expect(firstNotZero(block)).toBeLessThan(10);
	expect(firstNotZero(Buffer.alloc(200_000))).toBe(-1);
});

test('the first of several wrong bytes is found, wherever it is', () => {
	const block = Buffer.alloc(length);
	paint(block, 8);
	for (const at of [2_999_999, 2_000_000, 1_048_582, 70_000, 4096, 1, 0]) {
		block[at]! ^= 1;
		expect(firstWrong(block, 8)).toBe(at);
	}
	expect(firstWrong(block, 8, 5000)).toBe(70_000);
});

test("another block's content is wrong, and so is its own at another place", () => {
	const block = Buffer.alloc(100_000);
	paint(block, 9);
	expect(firstWrong(block, 10)).toBeLessThan(10);
	for (const distance of [1, 16, 64, 4096, 65_536]) {
		const moved = Buffer.from(block.subarray(distance));
		expect(firstWrong(moved, 9)).toBeLessThan(10);
	}
});

test('of a large block the edges are always looked at', () => {
	const block = Buffer.alloc(length);
	paint(block, 11);
	const random = new Random(1);
	for (const at of [0, length - 1]) {
		block[at]! ^= 1;
		for (let i = 0; i < 10; i++) expect(sampleWrong(block, 11, random)).toBe(at);
		block[at]! ^= 1;
	}
	expect(sampleWrong(block, 11, random)).toBe(-1);
});

test('a seed repeats the numbers, and another gives others', () => {
	const numbers = (...seeds: number[]) => {
		const random = new Random(...seeds);
		return Array.from({ length: 100 }, () => random.logUniform(1, 8 * 2 ** 20));
	};
	expect(numbers(1, 2)).toEqual(numbers(1, 2));
	expect(numbers(1, 2)).not.toEqual(numbers(1, 3));
	expect(numbers(1, 2)).not.toEqual(numbers(2, 1));
	const all = numbers(5);
	expect(Math.min(...all)).toBeLessThan(100);
	expect(Math.max(...all)).toBeGreaterThan(2 ** 20);
	expect(all.every((size) => Number.isInteger(size) && size >= 1 && size <= 8 * 2 ** 20)).toBe(true);
});
