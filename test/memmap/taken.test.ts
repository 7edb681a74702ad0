// What is known to be taken in a table already: by the command line, in tables that the kernel changed, by the crash
// kernel.
import { type MemoryRange, type MemoryTable, parseMemoryTable, planMemmap } from 'daxkind/memmap';
import { describe, expect, test } from 'vitest';
import { GIB } from '#lib/size.js';
import { iomem, log, smallMachine } from '../helpers/memory-table.ts';

const boot = (commandLine: string, ...more: string[]) =>
	parseMemoryTable([`Command line: ${commandLine}`, log(smallMachine), ...more].join('\n'));

/** The small machine after memmap=1G!5G, as the user: table or /proc/iomem shows it. */
const changed = (type: MemoryRange['type'] = 'persistent (type 12)'): MemoryRange[] => [
	...smallMachine.slice(0, -1),
	{ start: 4 * GIB, end: 5 * GIB, type: 'usable' },
	{ start: 5 * GIB, end: 6 * GIB, type },
	{ start: 6 * GIB, end: 9 * GIB, type: 'usable' },
];

const takenBy = ({ reserved }: MemoryTable) => reserved.map(({ start, end, by }) => [start / GIB, end / GIB, by]);

describe('entries of memmap=', () => {
	test.each([
		['memmap=1G!5G', [[5, 6, 'memmap=1G!5G']]],
		['memmap=1G$5G', [[5, 6, 'memmap=1G$5G']]],
		['memmap=1G#5G', [[5, 6, 'memmap=1G#5G']]],
		['memmap=1G%5G-1+12', [[5, 6, 'memmap=1G%5G-1+12']]],
		['memmap=0x40000000!0x140000000', [[5, 6, 'memmap=0x40000000!0x140000000']]],
		['memmap=1048576k!5120m quiet', [[5, 6, 'memmap=1048576k!5120m']]],
		['"memmap=1G!5G"', [[5, 6, 'memmap=1G!5G']]],
		[
			'memmap=1G!5G,1G!7G',
			[
				[5, 6, 'memmap=1G!5G'],
				[7, 8, 'memmap=1G!7G'],
			],
		],
		[
			'memmap=1G!5G ro memmap=1G!7G',
			[
				[5, 6, 'memmap=1G!5G'],
				[7, 8, 'memmap=1G!7G'],
			],
		],
		['init=/bin/sh -- memmap=1G!5G', []],
		['memmap=', []],
		['memmap=nonsense', []],
	])('%s', (commandLine, expected) => {
		expect(takenBy(boot(commandLine))).toEqual(expected);
	});

	test('are avoided, and counted as taken', () => {
		const table = boot('memmap=1G!4G');
		expect(planMemmap(table, { size: GIB })).toMatchObject({
			argument: 'memmap=1G!5G',
			memory: { reserved: GIB },
		});
	});

	test('that call memory usable take none, but are worth a warning', () => {
		const table = boot('memmap=1G@5G');
		expect(table.reserved).toEqual([]);
		expect(planMemmap(table, { size: GIB }).warnings).toEqual([expect.stringContaining('memmap=1G@5G')]);
	});

	test('that cannot be read are worth a warning', () => {
		expect(planMemmap(boot('memmap=nonsense'), { size: GIB }).warnings).toEqual([
			expect.stringContaining('memmap=nonsense'),
		]);
	});
});

describe('the command line is found', () => {
	const expected = [[5, 6, 'memmap=1G!5G']];
	test.each([
		['early in the log', `[    0.000000] Command line: ro memmap=1G!5G\n${log(smallMachine)}`],
		['later in the log', `${log(smallMachine)}\n[    0.000000] Kernel command line: ro memmap=1G!5G`],
		[
			'broken into lines',
			`${log(smallMachine)}\n> Kernel command line: ro quiet\n> memmap=1G!5G root=/dev/sda1\n> last line`,
		],
		['as /proc/cmdline', `BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro memmap=1G!5G\n${iomem(smallMachine)}`],
		['in GRUB’s configuration', `GRUB_CMDLINE_LINUX="quiet memmap=1G!5G"\n${log(smallMachine)}`],
		[
			'in GRUB’s configuration, over two lines',
			`GRUB_CMDLINE_LINUX_DEFAULT="quiet=1\nmemmap=1G!5G"\n${log(smallMachine)}`,
		],
		['in quotes of the other sort', `GRUB_CMDLINE_LINUX='memmap=1G!5G'\n${log(smallMachine)}`],
	])('%s', (_, text) => {
		expect(takenBy(parseMemoryTable(text))).toEqual(expected);
	});

	test('with the backslashes of GRUB’s configuration taken away', () => {
		const table = parseMemoryTable(`GRUB_CMDLINE_LINUX="memmap=1G\\\\\\$5G"\n${log(smallMachine)}`);
		expect(takenBy(table)).toEqual([[5, 6, 'memmap=1G$5G']]);
	});

	test('of the boot whose table is used, not of an earlier one, nor in GRUB’s configuration', () => {
		const text = (commandLine: string) => `Linux version 6.1.0\nCommand line: ${commandLine}\n${log(smallMachine)}`;
		const table = parseMemoryTable(
			`GRUB_CMDLINE_LINUX="memmap=1G!8G"\n${text('memmap=1G!4G')}\n${text('memmap=1G!5G')}`,
		);
		expect(takenBy(table)).toEqual(expected);
	});

	test('not in prose', () => {
		expect(takenBy(parseMemoryTable(`I tried memmap=1G!5G but it hung\n${log(smallMachine)}`))).toEqual([]);
	});
});

describe('a changed table', () => {
	test('shows an entry that no command line shows', () => {
		const table = parseMemoryTable(`${log(smallMachine)}\n${log(changed(), 'user')}`);
		expect(table).toMatchObject({ source: 'BIOS-e820', memmap: [{ text: '1G!5G', kind: '!' }] });
		expect(takenBy(table)).toEqual([[5, 6, 'memmap=1G!5G']]);
	});

	test('says nothing new of an entry that a command line shows', () => {
		const table = boot('memmap=1G!5G', log(changed(), 'user'));
		expect(table.memmap).toHaveLength(1);
		expect(takenBy(table)).toEqual([[5, 6, 'memmap=1G!5G']]);
	});

	test('shows memory that something else reserves', () => {
		const table = parseMemoryTable(`${log(smallMachine)}\n${log(changed('reserved'), 'user')}`);
		expect(takenBy(table)).toEqual([[5, 6, 'the kernel’s changed table']]);
		expect(planMemmap(table, { size: GIB }).warnings).toEqual([
			expect.stringContaining('1 GiB at 5G is reserved, but no known memmap= reserves it'),
		]);
	});

	test('has the persistent memory of the firmware too, which nothing has taken', () => {
		const firmware = changed();
		const table = parseMemoryTable(`${log(firmware)}\n${log(firmware, 'user')}`);
		expect(table.memmap).toEqual([]);
		expect(planMemmap(table, { size: 'max', keepFree: 0 })).toMatchObject({
			argument: 'memmap=3G!6G',
			memory: { reserved: 0 },
		});
	});

	test.each([
		['user', (ranges: MemoryRange[]) => log(ranges, 'user')],
		['iomem', iomem],
	])('that is all there is (%s) is rebuilt: what is persistent was usable, and is taken', (source, print) => {
		const table = parseMemoryTable(print(changed()));
		expect(table).toMatchObject({ source, memmap: [{ text: '1G!5G' }] });
		const { memory, argument } = planMemmap(table, { size: 2 * GIB });
		expect(argument).toBe('memmap=2G!6G');
		expect(memory.usable).toBe(planMemmap(parseMemoryTable(log(smallMachine)), { size: GIB }).memory.usable);
		expect(memory.reserved).toBe(GIB);
	});
});

describe('KASLR', () => {
	const kernel = [
		'1c0000000-1c1ffffff : Kernel code',
		'1c2000000-1c2ffffff : Kernel data',
		'1c3000000-1c3ffffff : Kernel bss',
	];
	const damaged = [
		...iomem(smallMachine.slice(0, -1)).split('\n'),
		'100000000-1bfffffff : Persistent Memory (legacy)',
		'1c0000000-1c40fffff : System RAM',
		...kernel.map((line) => `  ${line}`),
		'1c4100000-1ffffffff : Persistent Memory (legacy)',
		'200000000-23fffffff : System RAM',
	].join('\n');

	test('that put the kernel into a region is told from two regions', () => {
		const table = parseMemoryTable(damaged);
		expect(table.memmap).toMatchObject([{ text: '4G!4G' }]);
		expect(planMemmap(table, { size: 16 * 2 ** 20, keepFree: 0 })).toMatchObject({
			argument: 'memmap=16M!8G',
			warnings: expect.arrayContaining([expect.stringMatching(/KASLR put the kernel into memmap=4G!4G.*add nokaslr/)]),
		});
	});

	test('cannot have done so where there is more memory between two regions than the kernel has', () => {
		expect(
			parseMemoryTable(damaged.replaceAll('1c40fffff', '1cfffffff').replace('1c4100000', '1d0000000')).memmap,
		).toHaveLength(2);
	});

	test('that put it into reserved memory shows in the log', () => {
		const table = boot(
			'memmap=1G$5G',
			'.text .data .bss are not marked as E820_TYPE_RAM!',
			'e820: remove [mem 0x150000000-0x152ffffff] ',
		);
		expect(planMemmap(table, { size: GIB }).warnings).toEqual([expect.stringContaining('memmap=1G$5G')]);
	});
});

describe('the crash kernel', () => {
	test.each([
		['of a log', 'Reserving 256MB of memory at 5120MB for crashkernel (System RAM: 8191MB)', [[5, 5.25]]],
		['of a log, low', 'Reserving 256MB of low memory at 1024MB for crashkernel (System low RAM: 3071MB)', [[1, 1.25]]],
		['of a newer log', 'crashkernel reserved: 0x0000000140000000 - 0x0000000150000000 (256 MB)', [[5, 5.25]]],
		['of a newer log, low', 'crashkernel low memory reserved: 0x40000000 - 0x50000000 (256 MB)', [[1, 1.25]]],
		['of /proc/iomem', iomem(smallMachine).replace(/$/, '\n  140000000-14fffffff : Crash kernel'), [[5, 5.25]]],
		['of the command line', 'Kernel command line: crashkernel=256M@5G', [[5, 5.25]]],
		['without a place', 'Kernel command line: crashkernel=256M', []],
		['whose place is the kernel’s choice', 'Kernel command line: crashkernel=256M@0M', []],
	])('%s', (_, line, expected) => {
		const table = parseMemoryTable(`${log(smallMachine)}\n${line}`);
		expect(takenBy(table)).toEqual(expected.map((range) => [...range, 'the crash kernel']));
	});

	test('is avoided', () => {
		const table = parseMemoryTable(`${log(smallMachine)}\ncrashkernel reserved: 0x120000000 - 0x130000000 (256 MB)`);
		expect(planMemmap(table, { size: GIB }).argument).toBe('memmap=1G!5G');
	});

	test('may move where only its size is given, which is worth a warning', () => {
		const warned = (value: string) => planMemmap(boot(`crashkernel=${value}`), { size: GIB }).warnings;
		expect(warned('1G-4G:192M,4G-:256M')).toEqual([
			expect.stringMatching(/crashkernel=1G-4G:192M,4G-:256M .*may move/),
		]);
		expect(warned('auto')).toHaveLength(1);
		expect(warned('256M@1G')).toEqual([]);
		expect(warned('')).toEqual([]);
	});
});

describe('a limit', () => {
	test.each([
		['mem=6G', 'mem=6G'],
		['memmap=6G', 'memmap=6G'],
		['memmap=6G\\\\\\$8G', 'memmap=6G\\\\\\$8G'],
		['mem=8G mem=6G', 'mem=6G'],
	])('%s hides memory, so that nothing can be planned', (commandLine, by) => {
		const table = boot(commandLine);
		expect(table.limit).toEqual({ at: 6 * GIB, by });
		const { possible, reason, nearest } = planMemmap(table, { size: GIB });
		expect({ possible, nearest }).toEqual({ possible: false, nearest: undefined });
		expect(reason).toContain(`${by} is in force`);
	});

	test.each([
		'e820: remove [mem 0x180000000-0xfffffffffffffffe] usable',
		'e820 remove range: 0000000180000000 - ffffffffffffffff (usable)',
	])('shows in a log: %s', (line) => {
		expect(parseMemoryTable(`${log(smallMachine)}\n${line}`).limit?.at).toBe(6 * GIB);
	});

	test('above all memory hides none that is known, and is worth a warning', () => {
		const found = planMemmap(boot('mem=16G'), { size: GIB });
		expect(found).toMatchObject({ possible: true, warnings: [expect.stringContaining('mem=16G')] });
	});

	test.each(['mem=nopentium', 'ro quiet', 'memmap=1G!5G'])('is not %s', (commandLine) => {
		expect(boot(commandLine).limit).toBeUndefined();
	});

	test('that replaces the table leaves nothing to plan with', () => {
		expect(planMemmap(boot('memmap=exactmap memmap=640K@0K memmap=63M@16M'), { size: GIB })).toMatchObject({
			possible: false,
			reason: expect.stringContaining('exactmap'),
		});
	});
});

describe('huge pages', () => {
	test.each([
		['hugepages=512', GIB],
		['hugepagesz=1G hugepages=2', 2 * GIB],
		['hugepagesz=1G hugepages=1 hugepagesz=2M hugepages=512', 2 * GIB],
		['default_hugepagesz=1G hugepages=2', 2 * GIB],
		['hugepagesz=1G hugepages=0:1,1:1', 2 * GIB],
		['quiet', 0],
	])('%s', (commandLine, bytes) => {
		expect(boot(commandLine).hugePages).toBe(bytes);
	});

	test('are not free memory', () => {
		const wish = { size: 3 * GIB, keepFree: 4 * GIB };
		expect(planMemmap(boot('quiet'), wish).possible).toBe(true);
		expect(planMemmap(boot('hugepages=1024'), wish).possible).toBe(false);
	});
});

test('memory that efi_fake_mem= makes Soft Reserved is taken, and other attributes take none', () => {
	expect(takenBy(boot('efi_fake_mem=1G@0x140000000:0x40000,1G@0x180000000:0x10000'))).toEqual([
		[5, 6, 'efi_fake_mem='],
	]);
});
