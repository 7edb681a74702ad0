import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GIB, MIB } from '#lib/size.js';
import { memmapArguments, nodesOf, planLayout } from '#lib/vm/layout.js';

describe('planLayout', () => {
	test('puts the default device at 4 GiB, beside 4 GiB for the guest and the page structs of the pmem', () => {
		expect(planLayout(4 * GIB, [512 * MIB])).toEqual({
			machine: 'pc',
			total: 4 * GIB + 512 * MIB + 8 * MIB,
			nodes: [4 * GIB + 512 * MIB + 8 * MIB],
			below4G: 3 * GIB,
			regions: [{ start: 4 * GIB, size: 512 * MIB }],
			softReserved: [],
			plugged: { nvdimm: [], devdax: [], virtioPmem: [], cxl: [] },
			maximum: 4 * GIB + 512 * MIB + 8 * MIB,
		});
	});

	test('leaves room above all memory for devices and the labels of nvdimms, and the guest the page structs of both', () => {
		const plugged = { nvdimm: [128 * MIB, 64 * MIB], virtioPmem: [64 * MIB] };
		const { total, maximum, regions } = planLayout(4 * GIB, [512 * MIB], plugged);
		expect(total).toBe(4 * GIB + 512 * MIB + 8 * MIB + 4 * MIB);
		expect(maximum).toBe(total + 256 * MIB + 2 * 128 * 1024);
		expect(regions).toEqual([{ start: 4 * GIB, size: 512 * MIB }]);
	});

	test('gives each range of Soft Reserved memory a node of its own at the end, whose blocks begin where it does', () => {
		const layout = planLayout(4 * GIB, [64 * MIB], { devdax: [64 * MIB], hmem: [256 * MIB, 128 * MIB] });
		const { total, below4G, softReserved } = layout;
		const [first, second] = softReserved;
		expect(first!.start % (128 * MIB)).toBe(0);
		expect(softReserved.map(({ size }) => size)).toEqual([256 * MIB, 128 * MIB]);
		expect(second!.start).toBe(first!.start + 256 * MIB);
		expect(second!.start + 128 * MIB).toBe(4 * GIB + total - below4G);
		expect(nodesOf(layout)).toEqual({ devdax: [1], hmem: [2, 3] });
		expect(memmapArguments(layout)[1]).toMatch(/^memmap=256M%\d+M-1\+0xefffffff$/);
	});

	test('has more room for devices below 4 GiB on q35, and no nodes where nothing needs one', () => {
		const layout = planLayout(4 * GIB, [], { cxl: [256 * MIB], nvdimm: [64 * MIB] }, { machine: 'q35' });
		expect(layout.below4G).toBe(2 * GIB);
		expect(nodesOf(layout)).toBeUndefined();
	});

	test('splits memory evenly over nodes, in whole blocks, and counts the nodes of devices after these', () => {
		expect(planLayout(6 * GIB, [], {}, { nodes: 2 }).nodes).toEqual([3 * GIB, 3 * GIB]);
		expect(planLayout(GIB, [], {}, { nodes: 3 }).nodes).toEqual([256 * MIB, 256 * MIB, 512 * MIB]);
		const layout = planLayout(4 * GIB, [], { devdax: [64 * MIB], hmem: [128 * MIB] }, { nodes: 2 });
		expect(layout.nodes.reduce((all, size) => all + size)).toBe(layout.total - 128 * MIB);
		expect(nodesOf(layout)).toEqual({ devdax: [2], hmem: [3] });
	});

	test('has the pmem whole on one node, beside as much memory as any other node has', () => {
		expect(planLayout(5 * GIB, [GIB, 512 * MIB], {}, { nodes: 2 }).nodes.map((size) => size / MIB)).toEqual([
			2560,
			2560 + 1536 + 24,
		]);
		expect(planLayout(8 * GIB, [GIB], {}, { nodes: 2 }).nodes.map((size) => size / MIB)).toEqual([5120, 4112]);
	});

	test('refuses more nodes than there are blocks of memory for', () => {
		const plan = () => planLayout(512 * MIB, [GIB], {}, { nodes: 5 });
		expect(plan).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
		expect(plan).toThrow(/"nodes".* small enough that each node has 128M of memory/);
	});

	test.each([
		['Soft Reserved memory that is not whole blocks', { hmem: [192 * MIB] }, /"hmem".* a multiple of 128M/],
		['more nodes than the machine is made for', { devdax: Array(9).fill(16 * MIB) }, /"devdax".* at most 8 devices/],
		['two CXL devices', { cxl: [256 * MIB, 256 * MIB] }, /"cxl".* at most 1 device\./],
		['a CXL device that no decoder can map', { cxl: [128 * MIB] }, /"cxl".* a multiple of 256M/],
		['an nvdimm that is no multiple of 16 MiB', { nvdimm: [24 * MIB], virtioPmem: [] }, /"nvdimm".* a multiple of 16M/],
		['such a virtio-pmem', { nvdimm: [], virtioPmem: [2 * MIB] }, /"virtioPmem".* a multiple of 16M/],
		['more of them than it has slots', { nvdimm: [], virtioPmem: Array(9).fill(16 * MIB) }, /"virtioPmem".* at most 8/],
		['an nvdimm beyond the address space', { nvdimm: [1024 * GIB], virtioPmem: [] }, /all memory fits into 1T/],
	])('refuses %s', (_, plugged, message) => {
		const plan = () => planLayout(GIB, [64 * MIB], plugged);
		expect(plan).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
		expect(plan).toThrow(message);
	});

	test('keeps every region aligned, apart from the others and inside RAM above 4 GiB, and leaves the guest its memory', () => {
		const sizes = fc.array(
			fc.integer({ min: 8, max: 4096 }).map((n) => n * 2 * MIB),
			{ maxLength: 16 },
		);
		fc.assert(
			fc.property(fc.integer({ min: 512, max: 65536 }), sizes, (mib, pmem) => {
				const { total, below4G, regions } = planLayout(mib * MIB, pmem);
				expect(below4G).toBeLessThanOrEqual(3 * GIB);
				expect(total % MIB).toBe(0);
				expect(regions.map(({ size }) => size)).toEqual(pmem);
				let end = 4 * GIB;
				for (const { start, size } of regions) {
					expect(start).toBeGreaterThanOrEqual(end);
					expect(start % (16 * MIB)).toBe(0);
					end = start + size;
				}
				expect(end).toBeLessThanOrEqual(4 * GIB + total - below4G);
				const all = pmem.reduce((sum, size) => sum + size, 0);
				expect(total - all).toBeGreaterThanOrEqual(mib * MIB + all / 64);
			}),
		);
	});

	test.each([
		['too little memory', 256 * MIB, [512 * MIB]],
		['a device that is too small', GIB, [8 * MIB]],
		['a device that is no multiple of 2 MiB', GIB, [17 * MIB]],
		['more than the address space of a guest', GIB, [1024 * GIB]],
	])('refuses %s', (_, memory, pmem) => {
		expect(() => planLayout(memory, pmem)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
	});

	test('is written in the syntax of memmap=', () => {
		expect(memmapArguments(planLayout(GIB, [512 * MIB, GIB]))).toEqual(['memmap=512M!4G', 'memmap=1G!4608M']);
	});
});
