// Reading the table of a machine: on trees that look like one, and on this machine.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { planMemmap, readMemoryTable } from 'daxkind/memmap';
import { expect, test } from 'vitest';
import { GIB, MIB } from '#lib/size.js';
import { firmware, iomem, log, smallMachine } from '../helpers/memory-table.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { type Entries, makeTree } from '../helpers/tree.ts';

const machine = (...parts: Entries[]) => ({ root: makeTree(temporaryDirectory(), Object.assign({}, ...parts)) });
const hidden = iomem(smallMachine).replace(/^[\da-f]+-[\da-f]+/gm, '00000000-00000000');

test('the firmware’s table is the best', () => {
	const found = readMemoryTable(machine(firmware, { '/proc/iomem': hidden, '/proc/cmdline': 'ro quiet' }));
	expect(found).toMatchObject({ source: 'sysfs', ranges: smallMachine, reserved: [], omissions: [], xen: false });
	expect(planMemmap(found, { size: 4 * GIB })).toMatchObject({ argument: 'memmap=4G!4G', warnings: [] });
});

test('/proc/iomem is next, and says where the kernel and the crash kernel are', () => {
	const more =
		'  140000000-14fffffff : Crash kernel\n  200000000-201ffffff : Kernel code\n  202000000-202ffffff : Kernel bss';
	const text = `${iomem(smallMachine)}\n${more}`;
	const found = readMemoryTable(machine({ '/proc/iomem': text }));
	expect(found).toMatchObject({
		source: 'iomem',
		ranges: smallMachine,
		kernel: { start: 8 * GIB, end: 8 * GIB + 48 * MIB },
		reserved: [{ start: 5 * GIB, end: 5.25 * GIB, by: 'the crash kernel' }],
	});
	expect(readMemoryTable(machine(firmware, { '/proc/iomem': text })).reserved).toEqual(found.reserved);
});

test('what the kernel reserves of usable memory for itself is taken, and nothing to warn of', () => {
	const rows = iomem(smallMachine.slice(0, -1));
	const text = `${rows}\n100000000-11fffffff : System RAM\n120000000-1200fffff : Reserved\n120100000-23fffffff : System RAM`;
	const found = readMemoryTable(machine(firmware, { '/proc/iomem': text }));
	expect(found.reserved).toEqual([{ start: 4.5 * GIB, end: 4.5 * GIB + MIB, by: 'the kernel' }]);
	expect(planMemmap(found, { size: GIB })).toMatchObject({ argument: 'memmap=1G!5G', warnings: [] });
});

test('a table that memmap= has not changed still shows its entries, from the command line', () => {
	const found = readMemoryTable(
		machine(firmware, { '/proc/cmdline': 'BOOT_IMAGE=/vmlinuz memmap=1G!4G hugepages=512' }),
	);
	expect(found).toMatchObject({ memmap: [{ text: '1G!4G', kind: '!' }], hugePages: GIB });
	expect(planMemmap(found, { size: GIB, keepFree: GIB }).argument).toBe('memmap=1G!5G');
});

test('nodes have memory by their blocks', () => {
	const blocks = (node: number, from: number, to: number): Entries =>
		Object.fromEntries(
			Array.from({ length: to - from }, (_, at) => [
				`/sys/devices/system/node/node${node}/memory${from + at}/state`,
				'online',
			]),
		);
	const found = readMemoryTable(
		machine(firmware, blocks(0, 32, 56), blocks(1, 56, 72), {
			'/sys/devices/system/memory/block_size_bytes': '8000000',
			'/sys/devices/system/node/online': '0-1',
		}),
	);
	expect(planMemmap(found, { size: GIB, node: 1 })).toMatchObject({ argument: 'memmap=1G!7G', warnings: [] });
	expect(planMemmap(found, { size: 2 * GIB, node: 1 }).argument).toBe('memmap=2G!7G');
	expect(planMemmap(found, { size: 3 * GIB, node: 1 }).nearest?.argument).toBe('memmap=2G!7G');
	expect(planMemmap(found, { size: 4 * GIB, keepFree: GIB }).warnings).toEqual([
		expect.stringMatching(/several NUMA nodes/),
	]);
});

test('huge pages are counted, however they came to be', () => {
	const pages = (name: string, count: string) => ({ [`/sys/kernel/mm/hugepages/${name}/nr_hugepages`]: count });
	const found = readMemoryTable(machine(firmware, pages('hugepages-2048kB', '512'), pages('hugepages-1048576kB', '1')));
	expect(found.hugePages).toBe(2 * GIB);
});

test('the dom0 of Xen is known by its capabilities', () => {
	expect(readMemoryTable(machine(firmware, { '/proc/xen/capabilities': 'control_d' })).xen).toBe(true);
	expect(readMemoryTable(machine(firmware, { '/proc/xen/capabilities': '' })).xen).toBe(false);
});

test.each<[string, Entries, string, RegExp]>([
	['nothing at all', { '/proc/cmdline': 'ro' }, 'NO_TABLE', /dmesg/],
	['addresses for root only', { '/proc/iomem': hidden }, 'ADDRESSES_HIDDEN', /as root/],
	[
		'another architecture',
		{ '/proc/iomem': `${iomem(smallMachine)}\n09000000-09000fff : pl011@9000000` },
		'NOT_X86',
		/daxkind vm/,
	],
])('%s is an error that says what to do', (_, parts, code, remedy) => {
	const refusal = { code: `ERR_DAXKIND_${code}`, path: expect.any(String), remedy: expect.stringMatching(remedy) };
	expect(() => readMemoryTable(machine(parts))).toThrow(expect.objectContaining(refusal));
});

test('a file can be read instead', () => {
	const path = join(temporaryDirectory(), 'dmesg.txt');
	writeFileSync(path, log(smallMachine));
	expect(readMemoryTable({ from: path })).toMatchObject({ source: 'BIOS-e820', ranges: smallMachine });
	writeFileSync(path, '');
	expect(() => readMemoryTable({ from: path })).toThrow(
		expect.objectContaining({ code: 'ERR_DAXKIND_NO_TABLE', path }),
	);
	const missing = expect.objectContaining({ code: 'ENOENT', syscall: 'open', path: `${path}.not` });
	expect(() => readMemoryTable({ from: `${path}.not` })).toThrow(missing);
});

test.each<[unknown, string]>([
	[5, 'ERR_INVALID_ARG_TYPE'],
	[{ from: 5 }, 'ERR_INVALID_ARG_TYPE'],
	[{ root: 5 }, 'ERR_INVALID_ARG_TYPE'],
	[{ root: '' }, 'ERR_INVALID_ARG_VALUE'],
	[{ root: '/', from: '/proc/iomem' }, 'ERR_INVALID_ARG_VALUE'],
	[{ form: '/proc/iomem' }, 'ERR_INVALID_ARG_VALUE'],
])('%j is misuse', (options, code) => {
	expect(() => readMemoryTable(options as object)).toThrow(expect.objectContaining({ code }));
});

test('this machine has a table that can be planned with, or an error that says what to do', () => {
	let found: ReturnType<typeof readMemoryTable>;
	try {
		found = readMemoryTable();
	} catch (error) {
		expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_DAXKIND_/), remedy: expect.any(String) });
		return;
	}
	expect(found.ranges.some(({ type }) => type === 'usable')).toBe(true);
	const { possible, argument, reason } = planMemmap(found, { size: 'max' });
	expect(possible ? argument : reason).toMatch(possible ? /^memmap=\d+[MG]!\d+[MG]$/ : /\w/);
});
