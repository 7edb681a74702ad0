import { readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { native } from '#lib/native.js';
import { temporaryDirectory, tmpfs } from '../helpers/temporary-directory.ts';

test('statx says of a file what stat says', () => {
	const path = join(temporaryDirectory(), 'file');
	writeFileSync(path, 'x'.repeat(5000), { mode: 0o640 });
	const expected = statSync(path, { bigint: true });
	const status = native.statx(path);
	expect(status).toMatchObject({
		size: 5000,
		links: 1,
		mode: Number(expected.mode),
		uid: Number(expected.uid),
		gid: Number(expected.gid),
		inode: expected.ino,
		blocks: Number(expected.blocks),
		blockSize: Number(expected.blksize),
		accessTimeNs: expected.atimeNs,
		changeTimeNs: expected.ctimeNs,
		modifyTimeNs: expected.mtimeNs,
	});
	// The kernel's encoding of device numbers: 12 bits of major and 20 bits of minor. The minor's low 8 bits come
	// lowest, then the major, then the rest of the minor.
	const { deviceMajor, deviceMinor } = status;
	expect(((deviceMinor & ~0xff) << 12) | (deviceMajor << 8) | (deviceMinor & 0xff)).toBe(Number(expected.dev));
	const { STATX_BASIC_STATS } = native.constants;
	expect(status.mask & STATX_BASIC_STATS).toBe(STATX_BASIC_STATS);
});

test.each([
	['an ordinary directory', undefined],
	['tmpfs', tmpfs],
])('the DAX attribute of a file in %s is reported, and off', (_, parent) => {
	const path = join(temporaryDirectory(parent), 'file');
	writeFileSync(path, '');
	const { attributes, attributesMask, dax } = native.statx(path);
	const { STATX_ATTR_DAX } = native.constants;
	expect(attributesMask & STATX_ATTR_DAX).toBe(STATX_ATTR_DAX);
	expect(attributes & STATX_ATTR_DAX).toBe(0n);
	expect(dax).toBe(false);
});

test('the number of the mount is that of its line in mountinfo', () => {
	const { mountId, mask } = native.statx(tmpfs);
	expect(mask & native.constants.STATX_MNT_ID).not.toBe(0);
	const line = readFileSync('/proc/self/mountinfo', 'utf8')
		.split('\n')
		.find((text) => text.startsWith(`${mountId} `));
	expect(line?.split(' ')[4]).toBe(tmpfs);
});

test('a symbolic link is followed', () => {
	const directory = temporaryDirectory();
	symlinkSync('/dev/null', join(directory, 'link'));
	const status = native.statx(join(directory, 'link'));
	expect([status.representsMajor, status.representsMinor]).toEqual([1, 3]);
});

test('a path that is not there gives an error shaped as those of node:fs', () => {
	const path = join(temporaryDirectory(), 'missing');
	let ours: Error | undefined;
	let nodes: Error | undefined;
	try {
		native.statx(path);
	} catch (error) {
		ours = error as Error;
	}
	try {
		statSync(path);
	} catch (error) {
		nodes = error as Error;
	}
	expect(ours).toBeInstanceOf(Error);
	expect(Object.entries({ ...ours })).toEqual(Object.entries({ ...nodes, syscall: 'statx' }));
	expect(ours!.message).toBe(nodes!.message.replace(', stat ', ', statx '));
});

test('a descriptor that is not open gives EBADF without a path', () => {
	expect(() => native.statxDescriptor(1_000_000)).toThrow(
		expect.objectContaining({ code: 'EBADF', errno: -9, syscall: 'statx' }),
	);
});

test.each([
	['no argument', [], 'ERR_INVALID_ARG_TYPE'],
	['a number', [1], 'ERR_INVALID_ARG_TYPE'],
	['a null byte', ['/tmp\0/x'], 'ERR_INVALID_ARG_VALUE'],
])('%s instead of a path is refused by the native function itself', (_, parameters, code) => {
	const statx = native.statx as (...values: unknown[]) => unknown;
	expect(() => statx(...parameters)).toThrow(expect.objectContaining({ code }));
});

test.each([-1, 0.5, Number.NaN, Infinity, 2 ** 31, '1', 1n, undefined, {}])(
	'%s instead of a descriptor is refused by the native function itself',
	(fd) => {
		const code = typeof fd === 'number' ? 'ERR_OUT_OF_RANGE' : 'ERR_INVALID_ARG_TYPE';
		expect(() => native.statxDescriptor(fd as number)).toThrow(expect.objectContaining({ code }));
	},
);
