// The rules by which file systems decide about DAX. test/guest/machine.test.ts tests what the kernel makes of the same
// options.
import { expect, test } from 'vitest';
import { daxOption, effectiveMode } from '#lib/dax/modes.js';
import { parseMountinfo } from '#lib/mountinfo.js';

const mounted = (fsType: string, options: string) =>
	parseMountinfo(`1 0 259:0 / / rw - ${fsType} /dev/pmem0 ${options}`)[0]!;

test.each([
	['ext4', 'rw', 'inode', undefined],
	['ext4', 'rw,dax=always', 'always', 'dax=always'],
	['ext4', 'rw,dax', 'always', 'dax'],
	['ext4', 'rw,dax=inode', 'inode', 'dax=inode'],
	['ext4', 'rw,dax=never', 'never', 'dax=never'],
	['xfs', 'rw,attr2', 'inode', undefined],
	['xfs', 'rw,dax=always', 'always', 'dax=always'],
	['xfs', 'rw,dax=never', 'never', 'dax=never'],
	['xfs', 'rw,dax=never,dax=always', 'always', 'dax=always'],
	['erofs', 'ro', 'never', undefined],
	['erofs', 'ro,dax=always', 'always', 'dax=always'],
	['erofs', 'ro,dax=never', 'never', 'dax=never'],
	['virtiofs', 'rw', 'inode', undefined],
	['virtiofs', 'rw,dax=inode', 'inode', 'dax=inode'],
	['virtiofs', 'rw,dax=always', 'always', 'dax=always'],
	['ext2', 'rw', 'never', undefined],
	['ext2', 'rw,dax', 'always', 'dax'],
	['tmpfs', 'rw', 'unsupported', undefined],
	['btrfs', 'rw,dax=always', 'unsupported', undefined],
	['ext4', 'rw,xdax=always,daxter,dax=bogus', 'inode', undefined],
	['constructor', 'rw', 'unsupported', undefined],
] as const)('%s with %s is in DAX mode %s', (fsType, options, mode, option) => {
	expect(daxOption(mounted(fsType, options), { perFile: true, driver: undefined })).toMatchObject({ mode, option });
});

test.each(['ext2', 'ext3'])("%s decides by the flag when ext4's driver serves it, and only then", (fsType) => {
	const modeBy = (driver: string) => daxOption(mounted(fsType, 'rw'), { perFile: true, driver }).mode;
	expect([modeBy('ext4'), modeBy(fsType)]).toEqual(['inode', 'never']);
	expect(daxOption(mounted(fsType, 'rw,dax'), { perFile: true, driver: 'ext4' }).mode).toBe('always');
});

test('a kernel that does not report DAX of files does not decide by file', () => {
	const rules = { perFile: false, driver: undefined };
	expect(daxOption(mounted('ext4', 'rw'), rules).mode).toBe('never');
	expect(daxOption(mounted('xfs', 'rw,dax'), rules).mode).toBe('always');
	// Where it is not known whether the kernel has per-file DAX, the answer is that it may.
	expect(daxOption(mounted('ext4', 'rw'), { ...rules, perFile: undefined }).mode).toBe('inode');
});

test('on virtiofs the server decides, not the flag', () => {
	const rules = { perFile: true, driver: undefined };
	expect(daxOption(mounted('virtiofs', 'rw'), rules).byFlag).toBe(false);
	expect(daxOption(mounted('xfs', 'rw'), rules).byFlag).toBe(true);
});

const able = { capable: true, aligned: true, blockSize: 4096, pageSize: 4096 };

test.each(['always', 'inode', 'never'] as const)('on a medium with DAX, mode %s is in effect', (mode) => {
	expect(effectiveMode(mode, able)).toBe(mode);
	expect(effectiveMode(mode, { ...able, blockSize: undefined })).toBe(mode);
});

test('on a medium of which nothing is known, only never is known to be in effect', () => {
	const modes = (['always', 'inode', 'never', 'unsupported'] as const).map((mode) =>
		effectiveMode(mode, { ...able, capable: undefined }),
	);
	expect(modes).toEqual([undefined, undefined, 'never', 'unsupported']);
	expect(effectiveMode('always', { ...able, capable: undefined, aligned: false })).toBe('unsupported');
});

test.each([
	['a device without DAX', { capable: false }],
	['a partition that begins within a page', { aligned: false }],
	['blocks that are no pages', { blockSize: 1024 }],
])('%s leaves no mode but never', (_, flaw) => {
	const medium = { ...able, ...flaw };
	expect(effectiveMode('always', medium)).toBe('unsupported');
	expect(effectiveMode('inode', medium)).toBe('unsupported');
	expect(effectiveMode('never', medium)).toBe('never');
});
