// Where huge pages are possible, by the numbers alone. test/guest/explain.test.ts looks at real extents.
import { expect, test } from 'vitest';
import { type FileExtent, hugePages, mappablePieces } from '#lib/dax/huge-pages.js';
import { MIB } from '#lib/size.js';

const huge = 2 * MIB;
const extent = (logical: number, physical: number, length: number): FileExtent => ({
	logical: logical * MIB,
	physical: physical * MIB,
	length: length * MIB,
	flags: 0,
});

test.each<[string, FileExtent[], number, number]>([
	['no extent', [], 0, 0],
	['one that lies as in the file', [extent(0, 64, 8)], 0, 4],
	['one that lies half a piece off', [extent(0, 65, 8)], 0, 0],
	['one half a piece off in the file and on the device alike', [extent(1, 65, 8)], 0, 3],
	['one on a partition that makes up for it', [extent(0, 65, 8)], MIB, 4],
	['one on a partition that shifts it', [extent(0, 64, 8)], MIB, 0],
	['two that join', [extent(0, 64, 1), extent(1, 65, 7)], 0, 4],
	['two that do not', [extent(0, 64, 1), extent(1, 67, 7)], 0, 3],
	['one behind a hole', [extent(100, 64, 3)], 0, 1],
	['a short one', [extent(0, 64, 1)], 0, 0],
])('%s', (_, extents, deviceStart, pieces) => {
	expect(mappablePieces(extents, deviceStart, huge)).toBe(pieces);
});

const file = {
	hugePageSize: huge,
	daxPossible: true,
	deviceStart: 0,
	stacked: false,
	allocationUnit: 0,
	extents: [extent(0, 64, 8)],
	complete: true,
	size: 8 * MIB,
};
const directory = { ...file, extents: undefined, complete: false, size: undefined, allocationUnit: huge };

test('a file is judged by its extents', () => {
	expect(hugePages(file)).toEqual({ possible: true, pieces: 4, mappable: 4, extents: 1, obstacles: [] });
	expect(hugePages({ ...file, extents: [extent(0, 65, 8)] })).toMatchObject({
		possible: false,
		obstacles: [
			expect.stringContaining('no piece of 2 MiB of the file is contiguous and aligned to 2 MiB on the device'),
		],
	});
	expect(hugePages({ ...file, size: MIB, extents: [extent(0, 64, 1)] })).toMatchObject({
		possible: false,
		obstacles: ['the file is shorter than 2 MiB'],
	});
	// The file has more extents than were looked at.
	expect(hugePages({ ...file, extents: [extent(0, 65, 8)], complete: false }).possible).toBeUndefined();
});

test('blocks that are kept beyond the end of the file do not count', () => {
	expect(hugePages({ ...file, size: 5 * MIB })).toMatchObject({ possible: true, pieces: 2, mappable: 2 });
	expect(hugePages({ ...file, size: MIB })).toMatchObject({ possible: false, pieces: 0, mappable: 0 });
});

test('where a volume lies on the devices below it is not known, and so nothing is promised', () => {
	const expected = { possible: undefined, obstacles: [expect.stringContaining('on the devices below it')] };
	expect(hugePages({ ...file, stacked: true })).toMatchObject(expected);
	expect(hugePages({ ...directory, stacked: true })).toMatchObject(expected);
	expect(hugePages({ ...directory, stacked: true, allocationUnit: MIB }).possible).toBe(false);
});

test('a directory is judged by what the file system aligns to', () => {
	expect(hugePages(directory)).toMatchObject({ possible: true, obstacles: [] });
	expect(hugePages({ ...directory, allocationUnit: 0 }).possible).toBeUndefined();
	expect(hugePages({ ...directory, allocationUnit: MIB }).possible).toBe(false);
	expect(hugePages({ ...directory, deviceStart: 4096 })).toMatchObject({
		possible: false,
		obstacles: [expect.stringContaining('begins at byte 4096')],
	});
});

test('a file without blocks is judged as a directory is, for it is in no wrong place yet', () => {
	const sparse = { ...file, extents: [] };
	expect(hugePages({ ...sparse, allocationUnit: huge })).toMatchObject({ possible: true, pieces: 4, obstacles: [] });
	expect(hugePages({ ...sparse, allocationUnit: MIB }).possible).toBe(false);
	expect(hugePages(sparse).possible).toBeUndefined();
});

test('without DAX there are none', () => {
	for (const facts of [file, directory]) {
		const { possible, obstacles } = hugePages({ ...facts, daxPossible: false });
		expect({ possible, obstacles }).toEqual({ possible: false, obstacles: ['there is no DAX here'] });
	}
});
