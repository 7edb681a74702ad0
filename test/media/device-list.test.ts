// The kernel's lists of bad blocks, in a made sysfs: of a disk, a partition, and a DAX device in a region.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { native } from '#lib/native.js';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

/** Makes a sysfs with these attributes, and links from dev to the devices. */
function sysfs(attributes: Record<string, string>, links: Record<string, string>): string {
	const sys = temporaryDirectory();
	for (const [path, text] of Object.entries(attributes)) {
		mkdirSync(join(sys, dirname(path)), { recursive: true });
		writeFileSync(join(sys, path), text);
	}
	for (const [path, target] of Object.entries(links)) {
		mkdirSync(join(sys, dirname(path)), { recursive: true });
		symlinkSync(join(sys, target), join(sys, path));
	}
	return sys;
}

const region = 'devices/ndbus0/region0';
const pmem = `${region}/pfn0.0/block/pmem0`;
const dax = `${region}/dax0.1/dax0.1`;

const make = () =>
	sysfs(
		{
			[`${region}/mappings`]: '1\n',
			[`${region}/resource`]: '0x100000000\n',
			[`${region}/badblocks`]: '4096 8\n20000 1\n',
			[`${pmem}/badblocks`]: '100 4\n104 4\n2050 2\n9000 1\n',
			[`${pmem}/size`]: '16384\n',
			[`${pmem}/pmem0p1/partition`]: '1\n',
			[`${pmem}/pmem0p1/start`]: '2048\n',
			[`${pmem}/pmem0p1/size`]: '4096\n',
			[`${dax}/resource`]: '0x100200000\n',
			[`${dax}/size`]: '4194304\n',
			'devices/virtual/block/loop0/size': '10\n',
		},
		{
			'dev/block/259:0': pmem,
			'dev/block/259:1': `${pmem}/pmem0p1`,
			'dev/block/7:0': 'devices/virtual/block/loop0',
			'dev/char/252:1': dax,
		},
	);

const of = (sys: string, major: number, minor: number, isDax = false) => {
	const { ranges, sources, doubt } = native.badBlocksOf(major, minor, isDax, sys);
	return {
		ranges: [...ranges].map((value, n) => (n % 4 === 2 ? value : value / 512)),
		sources: sources.map((path) => path.slice(sys.length + 1)),
		doubt,
	};
};

test('a disk has its own list, neighbours merged', () => {
	expect(of(make(), 259, 0)).toEqual({
		ranges: [...[100, 8, 0, 100], ...[2050, 2, 0, 2050], ...[9000, 1, 0, 9000]],
		sources: [`${pmem}/badblocks`],
		doubt: '',
	});
});

test('a partition lists the bad blocks of its disk between its start and its end', () => {
	expect(of(make(), 259, 1)).toEqual({ ranges: [2, 2, 0, 2050], sources: [`${pmem}/badblocks`], doubt: '' });
});

test('a DAX device has what its region lists, from where it begins', () => {
	expect(of(make(), 252, 1, true)).toEqual({ ranges: [0, 8, 0, 4096], sources: [`${region}/badblocks`], doubt: '' });
});

test('what is no list, and no device, has nothing', () => {
	const sys = make();
	expect(of(sys, 7, 0)).toEqual({ ranges: [], sources: [], doubt: '' });
	expect(of(sys, 1, 1)).toEqual({ ranges: [], sources: [], doubt: '' });
	expect(of(sys, 1, 1, true)).toEqual({ ranges: [], sources: [], doubt: '' });
	writeFileSync(join(sys, pmem, 'badblocks'), 'garbage\n');
	expect(of(sys, 259, 0)).toMatchObject({ ranges: [], sources: [`${pmem}/badblocks`] });
});

test('where the region does not say where the device begins, there is a doubt', () => {
	const sys = sysfs(
		{ [`${region}/mappings`]: '1\n', [`${region}/badblocks`]: '1 1\n', [`${dax}/size`]: '4096\n' },
		{ 'dev/char/252:1': dax },
	);
	expect(of(sys, 252, 1, true)).toMatchObject({ ranges: [], doubt: expect.stringContaining('only root can read') });
});

test('where the table of a volume cannot be read, there is a doubt', () => {
	const volume = 'devices/virtual/block/dm-7';
	// No machine has this volume.
	const sys = sysfs({ [`${volume}/dm/name`]: 'none\n' }, { 'dev/block/4095:7': volume });
	expect(of(sys, 4095, 7)).toMatchObject({
		ranges: [],
		doubt: expect.stringMatching(/^(only root can read what the volume|the table of the) .*device mapper/),
	});
});
