// Every way in which kernels print their memory table, and in which people copy it, gives the same table.
import { type MemoryRange, parseMemoryTable } from 'daxkind/memmap';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
	everyType,
	firmwareMap,
	firmwareMapHead,
	firmwareMapScript,
	iomem,
	log,
	newLog,
	oldestLog,
	oldLog,
	type Printer,
	smallMachine,
} from '../helpers/memory-table.ts';

const lines =
	(print: Printer, change: (line: string, at: number) => string): Printer =>
	(ranges) =>
		print(ranges).split('\n').map(change).join('\n');
const prefixed = (prefix: string, print: Printer = log) => lines(print, (line) => `${prefix}${line}`);

const logs: [string, Printer][] = [
	['as it is', log],
	['with time stamps', prefixed('[    0.000000] ')],
	['with dates (dmesg -T)', prefixed('[Mon Mar  3 10:11:12 2025] ')],
	['with levels in words (dmesg -x)', prefixed('kern  :info  : [    0.000000] ')],
	['with levels as numbers', prefixed('<6>[    0.000000] ')],
	['of /dev/kmsg', prefixed('6,12,0,-;')],
	['with caller ids', prefixed('[    0.000000][    T0] ')],
	['of a syslog', prefixed('Mar  3 10:11:12 host kernel: [    0.000000] ')],
	['of a syslog without a blank', prefixed('10:11:12,531 INFO kernel:')],
	['of a journal', prefixed('2025-03-03T10:11:12+0100 host kernel: ')],
	['as JSON', lines(log, (line) => `{"pri": 6, "time": 0.000000, "msg": "${line}"},`)],
	['quoted by a mail', prefixed('> > [    0.000000] ')],
	['as a comment', prefixed('# ')],
	['in Markdown', prefixed('\t    ')],
	['with the ends of lines of Windows', (ranges) => log(ranges).replaceAll('\n', '\r\n')],
	[
		'in colours',
		lines(log, (line) => `\u001b[32m[    0.000000] \u001b[0m\u001b[33m${line.replace(':', ':\u001b[0m')}`),
	],
	['with blanks behind', lines(log, (line) => `${line}\t   `)],
	['with notes behind', lines(log, (line) => `${line}\t\t-> here`)],
	['broken before the type', (ranges) => log(ranges).replaceAll('] ', ']\n> ')],
	['with each line twice', lines(log, (line) => `kernel: ${line}\nkernel: ${line}`)],
	['among other lines', (ranges) => `Linux version 6.1.0\nBIOS-provided physical RAM map:\n${log(ranges)}\nNX: active`],
	[
		'with upper case digits',
		lines(log, (line) => line.replace(/0x[\da-f]+/g, (digits) => `0x${digits.slice(2).toUpperCase()}`)),
	],
	['before Linux 3.5', oldLog],
	['before Linux 3.5, with time stamps', prefixed('[    0.000000] ', oldLog)],
	['of Linux 2.2', oldestLog],
	['of Linux 7.0', newLog()],
	['with sizes', newLog('  1.9 GB')],
];

const firmwareMaps: [string, Printer][] = [
	['of grep', firmwareMap()],
	['of grep in the directory', firmwareMap('./')],
	['of grep with *', firmwareMap('')],
	['of head', firmwareMapHead],
	['of the documentation’s script', firmwareMapScript],
];

/** Tables in order, with gaps and without. */
const anyTable: fc.Arbitrary<MemoryRange[]> = fc
	.array(
		fc.record({
			gap: fc.constantFrom(0, 1, 0x1000, 0x40000000),
			size: fc.oneof(fc.integer({ min: 1, max: 0x10000 }), fc.integer({ min: 1, max: 2 ** 40 })),
			type: fc.constantFrom(...everyType.map(({ type }) => type)),
		}),
		{ minLength: 1, maxLength: 12 },
	)
	.map((rows) => {
		let end = 0;
		return rows.map(({ gap, size, type }) => {
			const start = end + gap;
			end = start + size;
			return { start, end, type };
		});
	});

describe.each(logs)('a log %s', (_, print) => {
	test('gives the table', () => {
		expect(parseMemoryTable(print(smallMachine))).toMatchObject({
			source: 'BIOS-e820',
			ranges: smallMachine,
			omissions: [],
		});
	});

	test('gives each type, in any table', () => {
		expect(parseMemoryTable(print(everyType)).ranges).toEqual(everyType);
		fc.assert(
			fc.property(anyTable, (table) => {
				expect(parseMemoryTable(print(table)).ranges).toEqual(table);
			}),
			{ numRuns: 10 },
		);
	});
});

/** Resources have no number for a type that the kernel does not know. */
const asResources = (table: readonly MemoryRange[]) =>
	table.map((range) => ({ ...range, type: range.type === 'type 20' ? 'unknown' : range.type }));

test.each(firmwareMaps)('/sys/firmware/memmap as the output %s gives the table, in any order', (_, print) => {
	expect(parseMemoryTable(print(smallMachine))).toMatchObject({ source: 'sysfs', ranges: smallMachine, omissions: [] });
	expect(parseMemoryTable(print(everyType)).ranges).toEqual(asResources(everyType));
	fc.assert(
		fc.property(anyTable, (table) => {
			expect(parseMemoryTable(print(table)).ranges).toEqual(asResources(table));
		}),
		{ numRuns: 10 },
	);
});

test.each([
	['as it is', iomem],
	['quoted', prefixed('> ', iomem)],
	['in Markdown', prefixed('    ', iomem)],
	[
		'with what is inside',
		lines(iomem, (line) => `${line}\n  ${line.slice(0, 8)}-${line.slice(0, 8)} : System RAM (kmem)\n    ${line}`),
	],
])('/proc/iomem %s gives the table', (_, print) => {
	expect(parseMemoryTable(print(smallMachine))).toMatchObject({ source: 'iomem', ranges: smallMachine });
	expect(parseMemoryTable(print(everyType)).ranges).toEqual(asResources(everyType));
});

test('the best source in a text counts', () => {
	const other = [{ start: 0, end: 0x1000, type: 'usable' as const }];
	const parts = [log(smallMachine), log(other, 'user'), iomem(other)];
	expect(parseMemoryTable(parts.join('\n')).source).toBe('BIOS-e820');
	expect(parseMemoryTable([...parts, firmwareMap()(smallMachine)].join('\n')).source).toBe('sysfs');
	expect(parseMemoryTable(parts.slice(1).join('\n')).source).toBe('user');
	expect(parseMemoryTable(log(smallMachine, 'Xen'))).toMatchObject({ source: 'Xen', xen: true });
	expect(parseMemoryTable(log(smallMachine, 'modified')).source).toBe('modified');
});

test('what only looks like rows is none', () => {
	const others = [
		'efi: mem08: type=7, attr=0xf, range=[0x0000000100000000-0x0000000140000000) (1024MB)',
		'e820: update [mem 0x00000000-0x00000fff] usable ==> reserved',
		'e820: remove [mem 0x000a0000-0x000fffff] usable',
		'e820: [mem 0xc0000000-0xefffffff] available for PCI devices',
		'e820: reserve RAM buffer [mem 0x0009fc00-0x0009ffff]',
		'ACPI: SRAT: Node 0 PXM 0 [mem 0x240000000-0xffffffffff] hotplug',
		'Early memory node ranges',
		'  node   0: [mem 0x0000000000001000-0x000000000009efff]',
	];
	expect(parseMemoryTable([log(smallMachine), ...others].join('\n')).ranges).toEqual(smallMachine);
});

test('the kernel’s split of a range is joined again where its extended table is all there is', () => {
	const split = [
		{ start: 0, end: 0x1018, type: 'usable' as const },
		{ start: 0x1018, end: 0x2000, type: 'usable' as const },
		{ start: 0x2000, end: 0x3000, type: 'reserved' as const },
	];
	expect(parseMemoryTable(log(split, 'reserve setup_data')).ranges).toEqual([
		{ start: 0, end: 0x2000, type: 'usable' },
		{ start: 0x2000, end: 0x3000, type: 'reserved' },
	]);
});

test.each([
	['with headers', `BIOS-provided physical RAM map:\n${log(smallMachine)}`],
	['with command lines', `Command line: root=/dev/vda\n${log(smallMachine)}\nKernel command line: root=/dev/vda`],
	['with rows alone', log(smallMachine)],
])('of a log of several boots %s the last counts', (_, boot) => {
	const larger = [...smallMachine.slice(0, -1), { ...smallMachine.at(-1)!, end: 0x440000000 }];
	const before = boot.replace(log(smallMachine), log(larger));
	expect(parseMemoryTable(`${before}\n${boot}`).ranges).toEqual(smallMachine);
	expect(parseMemoryTable(`${boot}\n${boot}`).ranges).toEqual(smallMachine);
});

test('addresses that no machine has are left out, with a note', () => {
	const end = '[mem 0x0000000240000000-0xffffffffffffffff] reserved';
	const { ranges, notes } = parseMemoryTable(
		`${log(smallMachine)}\nBIOS-e820: ${end}\nBIOS-e820: [mem 0xffffffffffff0000-0xffffffffffffffff] reserved`,
	);
	expect(ranges).toEqual([...smallMachine, { start: 0x240000000, end: 2 ** 52, type: 'reserved' }]);
	expect(notes).toEqual([expect.stringContaining('0x10000000000000')]);
});
