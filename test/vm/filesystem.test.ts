import { describe, expect, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { asDaxMode, asFileSystem, makeCommand, mountOptions, planDevices } from '#lib/vm/filesystem.js';

const invalid = expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' });

describe('mountOptions', () => {
	test.each([
		['ext4', 'always', 'dax=always'],
		['ext4', 'never', 'dax=never'],
		['xfs', 'inode', 'dax=inode'],
		['ext2', 'always', 'dax'],
		['ext2', 'inode', 'defaults'],
		['erofs', 'always', 'dax=always'],
		['erofs', 'never', 'dax=never'],
	] as const)('gives %s with dax=%s the option "%s"', (fileSystem, mode, options) => {
		expect(mountOptions(fileSystem, mode)).toBe(options);
	});

	test.each([
		['ext2', 'never'],
		['erofs', 'inode'],
	] as const)('refuses %s with dax=%s, naming what works', (fileSystem, mode) => {
		expect(() => mountOptions(fileSystem, mode)).toThrow(invalid);
		expect(() => mountOptions(fileSystem, mode)).toThrow(/must be dax=always or dax=\w+ on/);
	});
});

describe('planDevices', () => {
	test('gives the n-th of each list to the n-th device and repeats the last', () => {
		const devices = planDevices([512 * MIB, 1024 * MIB], ['ext4', 'xfs', 'none'], ['always']);
		expect(devices.map(({ size, fileSystem, mount }) => [size / MIB, fileSystem, mount?.point])).toEqual([
			[512, 'ext4', '/mnt/pmem0'],
			[1024, 'xfs', '/mnt/pmem1'],
			[1024, 'none', undefined],
		]);
	});

	test('refuses an xfs smaller than mkfs.xfs makes', () => {
		expect(() => planDevices([64 * MIB], ['xfs'], ['always'])).toThrow(
			expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }),
		);
	});

	test('refuses more devices than the command line of a kernel holds', () => {
		expect(() => planDevices(Array(17).fill(64 * MIB), ['none'], ['always'])).toThrow(/at most 16/);
	});
});

describe('makeCommand', () => {
	test('gives ext file systems blocks of a page, whatever their size', () => {
		expect(makeCommand('ext2', '/dev/pmem0').join(' ')).toContain('-b 4096');
	});

	test('turns reflink off only for kernels that cannot have it together with DAX', () => {
		expect(makeCommand('xfs', '/dev/pmem0', { reflink: false })).toContain('reflink=0');
		expect(makeCommand('xfs', '/dev/pmem0')).not.toContain('reflink=0');
	});
});

test('names are read with or without "dax=", and unknown ones refused', () => {
	expect(asDaxMode('inode')).toBe('inode');
	expect(asDaxMode('dax=inode')).toBe('inode');
	expect(() => asDaxMode('nodax')).toThrow(invalid);
	expect(asFileSystem('xfs')).toBe('xfs');
	expect(() => asFileSystem('ntfs')).toThrow(invalid);
});
