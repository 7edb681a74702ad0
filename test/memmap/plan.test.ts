// Plans on tables of our own: what is taken and where, and what is said where nothing can be taken.
import { type MemoryRange, type MemoryTable, type NodeMemoryRange, parseMemoryTable, planMemmap } from 'daxkind/memmap';
import { describe, expect, test } from 'vitest';
import { GIB, MIB } from '#lib/size.js';
import { log, smallMachine } from '../helpers/memory-table.ts';

/** The small machine with other memory above 4 GiB, given as ranges with their bounds in GiB. */
function machine(above: [start: number, end: number][], more: Partial<MemoryTable> = {}) {
	const high = above.map(([start, end]): MemoryRange => ({ start: start * GIB, end: end * GIB, type: 'usable' }));
	return { source: 'sysfs' as const, ranges: [...smallMachine.slice(0, -1), ...high], ...more };
}

const sixteen = machine([[4, 17]]);

describe('a region', () => {
	test('is at 4 GiB where it can be', () => {
		expect(planMemmap(sixteen, { size: 4 * GIB })).toEqual({
			possible: true,
			argument: 'memmap=4G!4G',
			regions: [{ start: 4 * GIB, size: 4 * GIB }],
			reason: undefined,
			nearest: undefined,
			warnings: [],
			noKaslr: true,
			memory: expect.objectContaining({ reserved: 0 }),
			table: { source: 'sysfs', ranges: sixteen.ranges },
		});
	});

	test('lies inside one range, though the next one touches it', () => {
		expect(planMemmap(machine([[4, 6], [6, 9]]), { size: 3 * GIB }).argument).toBe('memmap=3G!6G'); // biome-ignore format: pairs
	});

	test.each<[string, [number, number][], string]>([
		['to 1 GiB in a higher range rather than less in a lower one', [[4.5, 5.75], [8, 12]], 'memmap=1G!8G'], // biome-ignore format: pairs
		['to 128 MiB where no GiB fits', [[4.5, 5.75]], 'memmap=1G!4608M'],
		['to 16 MiB where no 128 MiB fits', [[4 + 17 / 1024, 5.0625]], 'memmap=1G!4128M'],
	])('is aligned %s', (_, above, argument) => {
		expect(planMemmap(machine(above), { size: GIB, keepFree: GIB }).argument).toBe(argument);
	});

	test('is aligned as it is asked to be, or not at all', () => {
		const table = machine([[4.5, 6.75]]);
		expect(planMemmap(table, { size: GIB, alignment: 2 * GIB }).possible).toBe(false);
		expect(planMemmap(table, { size: 768 * MIB, alignment: 2 * GIB }).argument).toBe('memmap=768M!6G');
		expect(planMemmap(table, { size: GIB, alignment: 16 * MIB }).argument).toBe('memmap=1G!4608M');
	});

	test('begins at the next boundary behind an odd beginning', () => {
		const odd = { start: 4 * GIB + 0x1000, end: 4 * GIB + 0xf000000, type: 'usable' as const };
		const table = { source: 'sysfs' as const, ranges: [...smallMachine.slice(0, -1), odd] };
		expect(planMemmap(table, { size: 'max' }).argument).toBe('memmap=224M!4112M');
	});
});

describe('several regions', () => {
	test('are next to one another, lowest first', () => {
		const found = planMemmap(sixteen, { size: 2 * GIB, count: 3 });
		expect(found.argument).toBe('memmap=2G!4G memmap=2G!6G memmap=2G!8G');
		expect(found.regions).toHaveLength(3);
	});

	test('give up their alignment where only then all fit', () => {
		const found = planMemmap(machine([[4.5, 7.5]]), { size: 1.5 * GIB, count: 2, keepFree: GIB });
		expect(found.argument).toBe('memmap=1536M!4608M memmap=1536M!6G');
	});

	test('are of one size, the largest, where that is asked for', () => {
		expect(planMemmap(sixteen, { size: 'max', count: 2 }).argument).toBe('memmap=5G!4G memmap=5G!9G');
	});

	test('are more than KASLR avoids from the fifth entry on, those in force counted', () => {
		const large = machine([[4, 64]]);
		const four = planMemmap(large, { size: GIB, count: 4 });
		expect(four).toMatchObject({ noKaslr: false, warnings: [] });
		const warning = expect.stringMatching(
			/5 memmap= entries nokaslr is needed, because KASLR keeps the kernel out of only 4/,
		);
		expect(planMemmap(large, { size: GIB, count: 5 })).toMatchObject({
			possible: true,
			noKaslr: true,
			warnings: [warning],
		});
		const withEntry = (commandLine: string) =>
			planMemmap(parseMemoryTable(`Command line: ${commandLine}\n${log(large.ranges)}`), { size: GIB, count: 4 });
		expect(withEntry('memmap=1G!60G')).toMatchObject({ noKaslr: true, warnings: [warning] });
		expect(withEntry('memmap=1G!60G nokaslr')).toMatchObject({ noKaslr: true, warnings: [] });
		expect(withEntry('memmap=1G@60G').noKaslr).toBe(false);
	});
});

describe('what must stay', () => {
	test('is a quarter, at least 1 GiB', () => {
		expect(planMemmap(sixteen, { size: GIB }).memory.mustRemain).toBe(
			Math.ceil(planMemmap(sixteen, { size: GIB }).memory.usable / 4),
		);
		expect(planMemmap(machine([[4, 4.5]]), { size: 16 * MIB }).memory.mustRemain).toBe(GIB);
	});

	test('--keep-free lets a plan take 12 of 16 GiB', () => {
		const refused = planMemmap(sixteen, { size: 12 * GIB });
		expect(refused).toMatchObject({ possible: false, reason: expect.stringMatching(/--keep-free/) });
		expect(refused.nearest?.argument).toBe('memmap=11G!4G');
		expect(planMemmap(sixteen, { size: 12 * GIB, keepFree: GIB })).toMatchObject({
			argument: 'memmap=12G!4G',
			warnings: [],
		});
	});

	test('can be too little', () => {
		expect(planMemmap(sixteen, { size: GIB, keepFree: 64 * MIB }).warnings).toEqual([
			expect.stringMatching(/may not boot/),
		]);
	});

	test('may be more than there is', () => {
		const taken = machine([[4, 17]], { reserved: [{ start: 4 * GIB, end: 16 * GIB, by: 'memmap=12G!4G' }] });
		const found = planMemmap(taken, { size: GIB });
		expect(found).toMatchObject({ possible: false, nearest: undefined });
		expect(found.reason).toMatch(/12 GiB is taken already.*nothing can be taken/);
		expect(found.warnings).toEqual([expect.stringMatching(/is not taken yet\. More than that must stay free/)]);
	});
});

describe('the largest region', () => {
	test.each<[string, [number, number][], string]>([
		['in whole GiB', [[4, 6.875]], 'memmap=2G!4G'],
		['in 128 MiB where no GiB fits', [[4, 4.9375]], 'memmap=896M!4G'],
		['in 16 MiB where no 128 MiB fit', [[4 + 1 / 1024, 4.1875]], 'memmap=176M!4112M'],
		['in the largest range', [[4, 6], [8, 11]], 'memmap=3G!8G'], // biome-ignore format: pairs
		['wherever a whole GiB more fits with less alignment', [[4.5, 8.5]], 'memmap=4G!4608M'],
	])('is %s', (_, above, argument) => {
		expect(planMemmap(machine(above), { size: 'max', keepFree: GIB }).argument).toBe(argument);
	});
});

describe('where there is no place', () => {
	test('above 4 GiB, the nearest plan is below, with a warning', () => {
		const found = planMemmap(machine([[4, 4.5]]), { size: GIB });
		expect(found).toMatchObject({ possible: false, argument: undefined, regions: [] });
		expect(found.reason).toMatch(/No usable range at or above 4 GiB has room for 1G/);
		expect(found.nearest).toEqual({
			argument: 'memmap=1G!1G',
			regions: [{ start: GIB, size: GIB }],
			warnings: [expect.stringMatching(/below 4 GiB\. That is not recommended/)],
		});
	});

	test('if nothing fits below 4 GiB either, the nearest plan is what fits above', () => {
		const found = planMemmap(machine([[4, 7.5], [8, 9]]), { size: 4 * GIB }); // biome-ignore format: pairs
		expect(found.nearest).toMatchObject({ argument: 'memmap=3G!4G', warnings: [] });
	});

	test('for all of them, it is fewer or smaller ones', () => {
		expect(planMemmap(machine([[4, 12]]), { size: 4 * GIB, count: 2, keepFree: 4 * GIB }).nearest?.argument).toBe(
			'memmap=3G!4G memmap=3G!7G',
		);
	});

	test('for a size that is no multiple of 16 MiB, it is the next larger one', () => {
		const found = planMemmap(sixteen, { size: 1000 * MIB });
		expect(found).toMatchObject({
			possible: false,
			reason: expect.stringMatching(/1000M is not a multiple of 16 MiB/),
		});
		expect(found.nearest?.argument).toBe('memmap=1008M!4G');
		expect(planMemmap(sixteen, { size: 1 }).nearest?.argument).toBe('memmap=16M!4G');
	});

	test('it can be asked for below 4 GiB, though above is still better', () => {
		expect(planMemmap(machine([[4, 4.5]]), { size: GIB, below4G: true })).toMatchObject({ argument: 'memmap=1G!1G' });
		expect(planMemmap(sixteen, { size: GIB, below4G: true }).argument).toBe('memmap=1G!4G');
	});
});

describe('NUMA nodes', () => {
	const nodes: NodeMemoryRange[] = [
		{ node: 0, start: 0, end: 7 * GIB },
		{ node: 0, start: 7 * GIB, end: 11 * GIB },
		{ node: 1, start: 11 * GIB, end: 64 * GIB },
	];
	const table = machine([[4, 17]], { nodes });

	test('a region is of the node that is asked for', () => {
		expect(planMemmap(table, { size: 4 * GIB, node: 0 }).argument).toBe('memmap=4G!4G');
		expect(planMemmap(table, { size: 4 * GIB, node: 1 })).toMatchObject({ argument: 'memmap=4G!11G', warnings: [] });
		expect(planMemmap(table, { size: 'max', node: 1 }).argument).toBe('memmap=6G!11G');
	});

	test('a region on several is worth a warning', () => {
		expect(planMemmap(table, { size: 8 * GIB }).warnings).toEqual([
			expect.stringMatching(/8G!4G lies on several NUMA nodes/),
		]);
	});

	test('for a node that is too small, the nearest plan is on that node', () => {
		const found = planMemmap(table, { size: 8 * GIB, node: 1 });
		expect(found.reason).toMatch(/No usable range of NUMA node 1/);
		expect(found.nearest?.argument).toBe('memmap=6G!11G');
	});

	test('a NUMA node that does not exist is refused by its number', () => {
		expect(planMemmap(table, { size: GIB, node: 2 }).reason).toMatch(
			/NUMA node 2 has no memory; the nodes with memory are 0, 1/,
		);
		expect(planMemmap(sixteen, { size: GIB, node: 0 }).reason).toMatch(/not known which memory/);
	});

	test.each([
		['the firmware’s', 'ACPI: SRAT: Node 1 PXM 1 [mem 0x140000000-0x23fffffff]'],
		['the firmware’s, before Linux 3.5', 'SRAT: Node 1 PXM 1 140000000-240000000'],
		['the kernel’s', '  node   1: [mem 0x0000000140000000-0x000000023fffffff]'],
		['the kernel’s later', 'Initmem setup node 1 [mem 0x0000000140000000-0x000000023fffffff]'],
	])('are read from a log: %s', (_, line) => {
		expect(parseMemoryTable(`${log(smallMachine)}\n${line}`).nodes).toEqual([
			{ node: 1, start: 5 * GIB, end: 9 * GIB },
		]);
	});

	test('have no memory where the kernel prints none, or an NVDIMM’s', () => {
		const none = 'Initmem setup node 1 [mem 0x0000000000000000-0x0000000000000000]';
		const nvdimm = 'ACPI: SRAT: Node 1 PXM 1 [mem 0x240000000-0x43fffffff] non-volatile';
		expect(parseMemoryTable(`${log(smallMachine)}\n${none}\n${nvdimm}`).nodes).toEqual([]);
	});
});

test('nokaslr is recommended up to 16 GiB', () => {
	expect(planMemmap(sixteen, { size: GIB }).noKaslr).toBe(true);
	expect(planMemmap(machine([[4, 18]]), { size: GIB }).noKaslr).toBe(false);
});

test('a table of Xen’s dom0 is worth a warning', () => {
	expect(planMemmap(parseMemoryTable(log(smallMachine, 'Xen')), { size: GIB }).warnings).toEqual([
		expect.stringMatching(/Xen dom0/),
	]);
});
