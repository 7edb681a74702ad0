// Sets of bad ranges against sets of extents: libpmem2's cases (its src/test/pmem2_badblock), and random ones against a
// model that looks at each sector.

import { type ByteRange, badRangesIn, type FileExtent } from 'daxkind/media';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { intersection, lengthOf, widened, without } from '#lib/byte-ranges.js';
import { inSources, onDevice } from '#lib/media/device-list.js';

const sector = 512;

/** Pairs of the first sector and the number of sectors. */
type Sectors = [first: number, count: number][];

const ranges = (sectors: Sectors): ByteRange[] =>
	sectors.map(([first, count]) => ({ offset: first * sector, length: count * sector }));
const sectors = (list: ByteRange[]): Sectors => list.map(({ offset, length }) => [offset / sector, length / sector]);
/** Extents that are at the same place in the file as on the device. */
const inPlace = (list: Sectors): FileExtent[] =>
	ranges(list).map(({ offset, length }) => ({ logical: offset, physical: offset, length }));
const badIn = (bad: Sectors, extents: FileExtent[], unit = 2) =>
	sectors(badRangesIn(ranges(bad), extents, { unit: unit * sector }));

describe("libpmem2's sets, with blocks of 1 KiB", () => {
	const one: Sectors = [
		[4, 10],
		[16, 10],
		[28, 2],
		[32, 4],
		[40, 4],
		[50, 2],
	];
	const other: Sectors = [
		[2, 4],
		[8, 2],
		[12, 6],
		[20, 2],
		[24, 10],
		[38, 4],
		[46, 2],
	];
	const both = [4, 8, 12, 16, 20, 24, 28, 32, 40].map((first) => [first, 2]);

	test('no bad block, no extent, or none in common: nothing', () => {
		expect(badIn([], inPlace([[0, 2]]))).toEqual([]);
		expect(badIn([[0, 2]], [])).toEqual([]);
		expect(badIn([[4, 2]], inPlace([[0, 4]]))).toEqual([]);
	});

	test('a bad sector makes its whole block bad', () => {
		expect(badIn([[1, 1]], inPlace([[0, 2]]))).toEqual([[0, 2]]);
	});

	test('bad ranges and extents give the same result when they are exchanged', () => {
		expect(badIn(one, inPlace(other))).toEqual(both);
		expect(badIn(other, inPlace(one))).toEqual(both);
	});

	test('the answer is in the order of the file, whatever the order on the device and of the list', () => {
		const extents = [
			{ logical: 0, physical: 100 * sector, length: 4 * sector },
			{ logical: 4 * sector, physical: 20 * sector, length: 4 * sector },
			{ logical: 16 * sector, physical: 60 * sector, length: 4 * sector },
		];
		const bad: Sectors = [
			[102, 2],
			[62, 1],
			[20, 1],
		];
		expect(badIn(bad, extents)).toEqual([
			[2, 4],
			[18, 2],
		]);
	});

	test('ranges that overlap or repeat count once, and neighbours are merged', () => {
		const bad: Sectors = [
			[2, 4],
			[4, 4],
			[2, 4],
			[8, 2],
		];
		expect(badIn(bad, inPlace([[0, 20]]))).toEqual([[2, 8]]);
	});
});

test('an extent whose place is not known counts for nothing', () => {
	const extent = { logical: 0, physical: 0, length: 4096 };
	const bad = [{ offset: 0, length: 512 }];
	expect(badRangesIn(bad, [{ ...extent, flags: 0x2 }])).toEqual([]); // FIEMAP_EXTENT_UNKNOWN
	expect(badRangesIn(bad, [{ ...extent, flags: 0x8 }])).toEqual([]); // FIEMAP_EXTENT_ENCODED
	expect(badRangesIn(bad, [{ ...extent, flags: 0x800 }])).toEqual([{ offset: 0, length: 512 }]); // FIEMAP_EXTENT_UNWRITTEN
});

test('without a unit nothing is widened; lengths of 0 are nothing', () => {
	const extents = [{ logical: 8192, physical: 0, length: 4096 }];
	expect(badRangesIn([{ offset: 100, length: 1 }], extents)).toEqual([{ offset: 8292, length: 1 }]);
	expect(badRangesIn([{ offset: 100, length: 0 }], extents)).toEqual([]);
});

test('beyond 4 GiB and near 2^53 every byte counts', () => {
	const far = 2 ** 52;
	const extents = [{ logical: 2 ** 40, physical: far, length: 4096 }];
	expect(badRangesIn([{ offset: far + 4095, length: 1 }], extents)).toEqual([{ offset: 2 ** 40 + 4095, length: 1 }]);
});

test.each([
	[{}, [], 'ERR_INVALID_ARG_TYPE'],
	[[{ offset: -1, length: 1 }], [], 'ERR_OUT_OF_RANGE'],
	[[{ offset: 0.5, length: 1 }], [], 'ERR_OUT_OF_RANGE'],
	[[{ offset: 0 }], [], 'ERR_INVALID_ARG_TYPE'],
	[[], [{ logical: 0, physical: 0 }], 'ERR_INVALID_ARG_TYPE'],
	[[], 'extents', 'ERR_INVALID_ARG_TYPE'],
])('%j and %j are refused', (bad, extents, code) => {
	expect(() => badRangesIn(bad as ByteRange[], extents as FileExtent[])).toThrow(expect.objectContaining({ code }));
	expect(() => badRangesIn([], [], { unit: 0 })).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
});

/** The right answer, found sector by sector. */
function model(bad: Sectors, extents: { logical: number; physical: number; count: number }[], unit: number): Sectors {
	const isBad = new Set(bad.flatMap(([first, count]) => Array.from({ length: count }, (_, n) => first + n)));
	const units = new Set<number>();
	for (const { logical, physical, count } of extents) {
		for (let n = 0; n < count; n++) if (isBad.has(physical + n)) units.add(Math.floor((logical + n) / unit));
	}
	const found: Sectors = [];
	for (const one of [...units].sort((a, b) => a - b)) {
		const last = found.at(-1);
		if (last !== undefined && last[0] + last[1] === one * unit) last[1] += unit;
		else found.push([one * unit, unit]);
	}
	return found;
}

test('any set of ranges against any set of extents comes out as sector by sector', () => {
	const list = fc.array(fc.tuple(fc.nat(120), fc.integer({ min: 0, max: 12 })), { maxLength: 12 });
	/**
	 * The gap in the file, the place on the device, and the length. They are in units, so that extents consist of whole
	 * units in the order of the file.
	 */
	const layout = fc.array(fc.tuple(fc.nat(3), fc.nat(30), fc.integer({ min: 1, max: 6 })), { maxLength: 10 });
	fc.assert(
		fc.property(list, layout, fc.constantFrom(1, 2, 4, 8), (bad, blocks, unit) => {
			let at = 0;
			const extents = blocks.map(([gap, physical, count]) => {
				const logical = at + gap * unit;
				at = logical + count * unit;
				return { logical, physical: physical * unit, count: count * unit };
			});
			const given = extents.map(({ logical, physical, count }) => ({
				logical: logical * sector,
				physical: physical * sector,
				length: count * sector,
			}));
			expect(badIn(bad, given, unit)).toEqual(model(bad, extents, unit));
		}),
		{ numRuns: 2000 },
	);
});

test('without, intersection, widened and lengthOf compute with ranges', () => {
	const all = [
		{ offset: 0, length: 10 },
		{ offset: 20, length: 10 },
	];
	const taken = [
		{ offset: 22, length: 2 },
		{ offset: 8, length: 13 },
	];
	expect(without(all, taken)).toEqual([
		{ offset: 0, length: 8 },
		{ offset: 21, length: 1 },
		{ offset: 24, length: 6 },
	]);
	expect(intersection(all[0]!, taken[1]!)).toEqual({ offset: 8, length: 2 });
	expect(intersection(all[0]!, taken[0]!)).toBeUndefined();
	expect(widened([...taken, { offset: 40, length: 1 }], 8)).toEqual([
		{ offset: 8, length: 16 },
		{ offset: 40, length: 8 },
	]);
	expect(lengthOf(all)).toBe(20);
});

test('a part of a device is found in its list, and from there on another device', () => {
	const disk = { ranges: [{ offset: 4096, length: 1024, source: 'list', sourceOffset: 4096 }] };
	const partition = { ranges: [{ offset: 0, length: 1024, source: 'list', sourceOffset: 4096 }] };
	const [there] = inSources(partition, { offset: 512, length: 4096 });
	expect(there).toEqual({ source: 'list', offset: 4608, length: 512 });
	expect(onDevice(disk, there!)).toEqual([{ offset: 4608, length: 512 }]);
	expect(onDevice({ ranges: [{ ...disk.ranges[0]!, source: 'another' }] }, there!)).toEqual([]);
});
