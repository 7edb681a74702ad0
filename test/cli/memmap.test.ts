// `daxkind memmap` on tables of other machines: what a person and a program read, and the exit statuses.
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { asRoot } from '#lib/format.js';
import { bootLines } from '#lib/memmap/index.js';
import { daxkindWith } from '../helpers/cli.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

/** A machine with 12 GiB: 3 below the hole, 9 above it. */
const log = `[    0.000000] BIOS-provided physical RAM map:
[    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000000009ffff] usable
[    0.000000] BIOS-e820: [mem 0x0000000000100000-0x00000000bfffffff] usable
[    0.000000] BIOS-e820: [mem 0x00000000fec00000-0x00000000fec00fff] reserved
[    0.000000] BIOS-e820: [mem 0x0000000100000000-0x000000033fffffff] usable
`;

const memmap = (args: string[], input = log) => daxkindWith({ input }, 'memmap', ...args);

test('shows a table as bars to scale', () => {
	const { status, stdout } = memmap(['--from', '-']);
	expect(status).toBe(0);
	const [, low = '', high = ''] = stdout.split('\n').filter((line) => line !== '');
	expect(low).toMatch(/^ {2}0 GiB to 3 GiB +░+$/);
	expect(high).toMatch(/^ {2}4 GiB to 13 GiB +░+$/);
	expect(high.split('░').length / low.split('░').length).toBeCloseTo(3, 0);
	for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
});

test('a plan: the first line is the argument, then what to do, then where it is', () => {
	const { status, stdout } = memmap(['plan', '--size', '4G', '--from', '-']);
	expect(status).toBe(0);
	const [first, second] = stdout.split('\n');
	expect(first).toBe('memmap=4G!4G nokaslr');
	expect(second).toMatch(/^ {2}Next: +put it on that machine’s kernel command line/);
	const { grubDefault, grubby } = bootLines('memmap=4G!4G nokaslr');
	for (const line of [grubDefault, asRoot(grubby!), asRoot("daxkind memmap apply 'memmap=4G!4G nokaslr'")]) {
		expect(stdout.split('\n')).toContain(`    ${line}`);
	}
	expect(stdout).toMatch(/^ {2}4 GiB to 13 GiB +█+░+$/m);
	expect(stdout).toContain('4 GiB would be taken by the plan');
});

test.skipIf(!existsSync('/sys/firmware/memmap'))('a plan for this machine prints the command that applies it', () => {
	const args = ['plan', '--size', '16M', '--keep-free', '16M'];
	const { argument, noKaslr } = JSON.parse(memmap([...args, '--json']).stdout);
	const { shell } = bootLines(`${argument}${noKaslr ? ' nokaslr' : ''}`);
	const [, second, third] = memmap(args).stdout.split('\n');
	expect([second, third]).toEqual(['  Next:', `    ${asRoot(`daxkind memmap apply ${shell}`)}`]);
});

test('no plan: the first line says why, the next what can be; status 1', () => {
	const { status, stdout } = memmap(['plan', '--size', '40G', '--from', '-']);
	expect(status).toBe(1);
	expect(stdout).toMatch(/^Not possible: 40G would leave too little: .*--keep-free/);
	expect(stdout).toMatch(/^ {2}Possible: +memmap=8G!4G$/m);
});

test('what is not possible has no lines for a boot loader', () => {
	const { stdout } = memmap(['plan', '--size', '40G', '--json', '--from', '-']);
	expect(JSON.parse(stdout)).toMatchObject({ possible: false, argument: null, bootLines: null });
});

test('as JSON, in the words of the library', () => {
	const wanted = {
		possible: true,
		argument: 'memmap=2G!4G memmap=2G!6G',
		regions: [
			{ start: 2 ** 32, size: 2 ** 31 },
			{ start: 2 ** 32 + 2 ** 31, size: 2 ** 31 },
		],
		reason: null,
		noKaslr: true,
		bootLines: { kernel: 'memmap=2G!4G memmap=2G!6G nokaslr', grubby: expect.stringContaining('2G!4G,2G!6G nokaslr') },
		table: { source: 'BIOS-e820', ranges: expect.arrayContaining([{ start: 0, end: 0xa0000, type: 'usable' }]) },
	};
	const args = ['--size', '2G', '--count', '2', '--from', '-'];
	expect(JSON.parse(memmap(['plan', ...args, '--json']).stdout)).toMatchObject(wanted);
	expect(JSON.parse(memmap(['--from', '-', '--json']).stdout)).toMatchObject({ source: 'BIOS-e820' });
	const path = join(temporaryDirectory(), 'dmesg.txt');
	writeFileSync(path, log);
	expect(JSON.parse(memmap(['plan', '--size', '2G', '--count', '2', '--json', '--from', path]).stdout)).toMatchObject(
		wanted,
	);
});

test.each([
	['an empty text', ['--from', '-'], '', /^daxkind memmap: standard input is empty\.\n {2}Fix: give the beginning/],
	[
		'a file that is not there',
		['plan', '--size', '1G', '--from', '/no/such'],
		'',
		/^daxkind memmap plan: ENOENT: .*\/no\/such/,
	],
	[
		'a size of 0',
		['plan', '--size', '0'],
		'',
		/^daxkind memmap \w+: option '-s, --size <size>' argument '0' is invalid/,
	],
	['no size', ['plan'], '', /^daxkind memmap \w+: required option '-s, --size <size>' not specified/],
	[
		'an alignment that is none',
		['plan', '--size', '1G', '--align', '3G', '--from', '-'],
		log,
		/^daxkind memmap plan: --align .*power of two/,
	],
])('%s is trouble: status 2', (_, args, input, said) => {
	const { status, stdout, stderr } = memmap(args, input);
	expect(stderr).toMatch(said);
	expect([status, stdout]).toEqual([2, '']);
});
