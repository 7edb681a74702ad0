// Texts that are no table, or only a part of one. Tables and wishes that make no sense.
import { parseMemoryTable, planMemmap } from 'daxkind/memmap';
import { describe, expect, test } from 'vitest';
import { GIB, MIB } from '#lib/size.js';
import { firmwareMap, iomem, log, oldLog, smallMachine } from '../helpers/memory-table.ts';

const refusal = (code: string, message: RegExp, remedy: RegExp) =>
	expect.objectContaining({
		code: `ERR_DAXKIND_${code}`,
		path: 'dmesg.txt',
		message: expect.stringMatching(message),
		remedy: expect.stringMatching(remedy),
	});

test.each([
	['', /dmesg\.txt is empty/],
	[' \n\n', /dmesg\.txt is empty/],
	['Linux version 6.1.0 (x86_64-linux-gnu-gcc)\nNX (Execute Disable) protection: active', /has no memory table/],
	['{"not": "a log"}', /has no memory table/],
	['\u0000\u0001\ufffd', /has no memory table/],
])('no table: %j', (text, message) => {
	expect(() => parseMemoryTable(text, 'dmesg.txt')).toThrow(
		refusal('NO_TABLE', message, /dmesg.*sys\/firmware\/memmap/),
	);
});

test.each([
	['an arm64', 'Booting Linux on physical CPU 0x0000000000 [0x410fd0c1]\nLinux version 6.1.0 (aarch64-linux-gnu-gcc)'],
	['an ARM', 'Booting Linux on physical CPU 0x0\nCPU: ARMv7 Processor [410fc075]'],
	['a RISC-V', 'Linux version 6.1.0 (riscv64-linux-gnu-gcc)\nSBI specification v1.0 detected'],
	['a POWER', 'Linux version 6.1.0 (powerpc64le-linux-gnu-gcc)'],
	['an IBM Z', 'Linux version 6.1.0 (s390x-linux-gnu-gcc)'],
	['a non-x86', `${iomem(smallMachine)}\n09000000-09000fff : pl011@9000000`],
	['a non-x86', `${iomem(smallMachine)}\nfe201000-fe2011ff : serial@7e201000`],
])('the text of %s machine has no e820 table', (whose, text) => {
	expect(() => parseMemoryTable(text, 'dmesg.txt')).toThrow(
		refusal('NOT_X86', new RegExp(`no e820 table, because it is from ${whose} machine.*x86`), /daxkind vm/),
	);
});

test('/proc/iomem as an ordinary user reads it', () => {
	const hidden = iomem(smallMachine).replace(/^[\da-f]+-[\da-f]+/gm, '00000000-00000000');
	expect(() => parseMemoryTable(hidden, 'dmesg.txt')).toThrow(
		refusal('ADDRESSES_HIDDEN', /root only/, /as root.*firmware/),
	);
	expect(parseMemoryTable(`${hidden}\n${log(smallMachine)}`).source).toBe('BIOS-e820');
});

test.each([
	['rows that overlap', log([...smallMachine.slice(0, 3), { start: 0x200000, end: 0xc0000000, type: 'reserved' }])],
	['rows that are not in order', log([smallMachine[2]!, smallMachine[3]!, smallMachine[0]!])],
	['a row within another', log([...smallMachine, { start: 0x110000000, end: 0x120000000, type: 'reserved' }])],
	['a row that ends before it begins', 'BIOS-e820: [mem 0x0000000000200000-0x0000000000100000] usable'],
	['entries that overlap', firmwareMap()([...smallMachine, { start: 0x1000, end: 0x2000, type: 'reserved' }])],
])('%s', (_, text) => {
	expect(() => parseMemoryTable(text, 'dmesg.txt')).toThrow(refusal('TABLE_DISORDER', /the row at 0x/, /one boot/));
});

test.each([
	' '.repeat(2e5),
	'> '.repeat(1e5),
	'.'.repeat(2e5),
	'BIOS-e820: '.repeat(2e4),
	`user: [mem 0x0-0xfffff] ${' '.repeat(2e5)}`,
	`BIOS-e820: [mem 0x${'f'.repeat(2e5)}`,
	`0/type:${' x'.repeat(1e5)}`,
	`Command line: ${'a="'.repeat(5e4)}`,
	`Command line: memmap=${'9'.repeat(2e5)}G!4G`,
])('a line that goes on and on does no harm: %.20s…', (line) => {
	expect(parseMemoryTable(`${line} x\n${log(smallMachine)}`).ranges).toEqual(smallMachine);
});

describe('what is not text', () => {
	test.each<unknown>([undefined, null, 5, Buffer.from('x')])('%j', (text) => {
		expect(() => parseMemoryTable(text as string)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }));
	});
});

describe('a table that is not whole', () => {
	const rows = log(smallMachine).split('\n');
	const cut = (text: string) => planMemmap(parseMemoryTable(text), { size: GIB, keepFree: GIB });
	const incomplete = (why: RegExp) => [expect.stringMatching(new RegExp(`incomplete: .*${why.source}`))];

	test.each([
		['begins late', rows.slice(-1).join('\n'), /first row is at 4 GiB/],
		['has dots in it', [...rows.slice(0, 4), '...', ...rows.slice(4)].join('\n'), /left rows out/],
		['has dots before it', ['   ....', ...rows].join('\n'), /left rows out/],
		['has a snip behind it', [...rows, '> [...]'].join('\n'), /left rows out/],
		['has a row that is cut', [...rows, 'BIOS-e820: [mem 0x00000002400'].join('\n'), /cut short/],
		[
			'has an old row that is cut',
			[oldLog(smallMachine), ' BIOS-e820: 0000000240000000 - 00000'].join('\n'),
			/cut short/,
		],
		['ends after the first letters of a row', [...rows, '[    0.000000] BIOS-e'].join('\n'), /cut short/],
		[
			'ends before a type',
			[...rows, 'BIOS-e820: [mem 0x0000000240000000-0x00000002ffffffff] '].join('\n'),
			/0x240000000/,
		],
		[
			'ends within a type',
			[...rows, 'BIOS-e820: [mem 0x0000000240000000-0x00000002ffffffff] usab'].join('\n'),
			/0x240000000/,
		],
		[
			'is less than the kernel says',
			[...rows, 'last_pfn = 0x440000 max_arch_pfn = 0x400000000'].join('\n'),
			/up to 17 GiB/,
		],
		[
			'lacks a file of an entry',
			firmwareMap()(smallMachine).replace(/.*1\/end.*\n/, ''),
			/lacks its start, end or type/,
		],
	])('that %s can be planned with, with a warning', (_, text, why) => {
		expect(cut(text)).toMatchObject({ possible: true, argument: 'memmap=1G!4G', warnings: incomplete(why) });
	});

	test('that is cut before 4 GiB says nothing of what is above', () => {
		const found = cut([...rows.slice(0, 4), 'BIOS-e820: ['].join('\n'));
		expect(found).toMatchObject({
			possible: false,
			nearest: undefined,
			reason: expect.stringMatching(/cut before 4 GiB/),
		});
		const byUser = cut([...rows.slice(0, 4), log(smallMachine, 'user')].join('\n'));
		expect(byUser.reason).toMatch(/cut before 4 GiB \(the log shows memory up to 9 GiB/);
	});

	test('a table above 4 GiB without a usable row gives no plan', () => {
		const table = parseMemoryTable('BIOS-e820: [mem 0x0000000880000000-0x00000027ffffffff] persistent (type 7)');
		expect(planMemmap(table, { size: GIB })).toMatchObject({
			possible: false,
			reason: expect.stringMatching(/no usable memory/),
		});
	});

	test('is told from one with dots elsewhere', () => {
		const text = [
			'...',
			'BIOS-provided physical RAM map:',
			...rows,
			'NX: active',
			'...',
			'$ dmesg | grep BIOS-e820',
		].join('\n');
		expect(parseMemoryTable(text).omissions).toEqual([]);
	});
});

describe('a wish that nothing could fulfil', () => {
	const table = parseMemoryTable(log(smallMachine));
	test.each<[unknown, string]>([
		[undefined, 'ERR_INVALID_ARG_TYPE'],
		[null, 'ERR_INVALID_ARG_TYPE'],
		[5, 'ERR_INVALID_ARG_TYPE'],
		[{}, 'ERR_INVALID_ARG_TYPE'],
		[{ size: '4G' }, 'ERR_INVALID_ARG_TYPE'],
		[{ size: 0 }, 'ERR_OUT_OF_RANGE'],
		[{ size: -GIB }, 'ERR_OUT_OF_RANGE'],
		[{ size: 1.5 }, 'ERR_OUT_OF_RANGE'],
		[{ size: Number.NaN }, 'ERR_OUT_OF_RANGE'],
		[{ size: Number.POSITIVE_INFINITY }, 'ERR_OUT_OF_RANGE'],
		[{ size: 2 ** 60 }, 'ERR_OUT_OF_RANGE'],
		[{ size: GIB, count: 0 }, 'ERR_OUT_OF_RANGE'],
		[{ size: GIB, count: 1e9 }, 'ERR_OUT_OF_RANGE'],
		[{ size: GIB, node: -1 }, 'ERR_OUT_OF_RANGE'],
		[{ size: GIB, alignment: 2 * MIB }, 'ERR_OUT_OF_RANGE'],
		[{ size: GIB, alignment: 48 * MIB }, 'ERR_OUT_OF_RANGE'],
		[{ size: GIB, keepFree: -1 }, 'ERR_OUT_OF_RANGE'],
		[{ size: GIB, below4G: 'yes' }, 'ERR_INVALID_ARG_TYPE'],
		[{ size: GIB, keepfree: 0 }, 'ERR_INVALID_ARG_VALUE'],
	])('%j', (wish, code) => {
		expect(() => planMemmap(table, wish as { size: number })).toThrow(expect.objectContaining({ code }));
	});
});

describe('a table that is none', () => {
	test.each<[unknown, string]>([
		[undefined, 'ERR_INVALID_ARG_TYPE'],
		[null, 'ERR_INVALID_ARG_TYPE'],
		[{}, 'ERR_INVALID_ARG_TYPE'],
		[{ ranges: [{ start: 0, end: '5', type: 'usable' }] }, 'ERR_INVALID_ARG_TYPE'],
		[{ ranges: [{ start: 0, end: 2 ** 60, type: 'usable' }] }, 'ERR_INVALID_ARG_TYPE'],
		[{ ranges: [...smallMachine, smallMachine[0]] }, 'ERR_DAXKIND_TABLE_DISORDER'],
	])('%j', (table, code) => {
		expect(() => planMemmap(table as Parameters<typeof planMemmap>[0], { size: GIB })).toThrow(
			expect.objectContaining({ code }),
		);
	});

	test('and one without rows is no machine’s', () => {
		const found = planMemmap({ source: 'sysfs', ranges: [] }, { size: GIB });
		expect(found).toMatchObject({ possible: false, noKaslr: false, reason: expect.stringMatching(/no usable memory/) });
	});
});
