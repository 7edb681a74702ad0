import { fstatSync, readSync, writeSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { native } from '#lib/native.js';
import { temporaryDirectory, tmpfs } from '../helpers/temporary-directory.ts';

const mebibyte = 1024 * 1024;

function temporaryFile(parent?: string): number {
	const fd = native.openTemporary(temporaryDirectory(parent));
	onTestFinished(() => native.closeDescriptor(fd));
	return fd;
}

const bytesInUse = (fd: number) => fstatSync(fd).blocks * 512;

test.each([
	['an ordinary directory', undefined],
	['tmpfs', tmpfs],
])('in %s, fallocate gives blocks and hole punching takes them back, zeroing the range', (_, parent) => {
	const fd = temporaryFile(parent);
	native.truncate(fd, 8 * mebibyte);
	expect(fstatSync(fd)).toMatchObject({ size: 8 * mebibyte, blocks: 0 });
	native.allocate(fd, 0, 4 * mebibyte, true);
	expect(bytesInUse(fd)).toBeGreaterThanOrEqual(4 * mebibyte);
	expect(fstatSync(fd).size).toBe(8 * mebibyte);

	writeSync(fd, Buffer.alloc(4 * mebibyte, 0xab), 0, 4 * mebibyte, 0);
	const full = bytesInUse(fd);
	native.punchHole(fd, mebibyte, 2 * mebibyte);
	expect(full - bytesInUse(fd)).toBeGreaterThanOrEqual(2 * mebibyte - 64 * 1024);
	expect(fstatSync(fd).size).toBe(8 * mebibyte);
	const read = Buffer.alloc(4 * mebibyte);
	readSync(fd, read, 0, read.length, 0);
	expect(read.subarray(mebibyte, 3 * mebibyte).every((byte) => byte === 0)).toBe(true);
	expect(read.subarray(0, mebibyte).every((byte) => byte === 0xab)).toBe(true);
	expect(read.subarray(3 * mebibyte).every((byte) => byte === 0xab)).toBe(true);
});

test('fallocate past the end grows the file unless the size is to be kept', () => {
	const fd = temporaryFile();
	native.allocate(fd, 0, mebibyte, true);
	expect(fstatSync(fd).size).toBe(0);
	native.allocate(fd, 0, mebibyte, false);
	expect(fstatSync(fd).size).toBe(mebibyte);
});

test('more than the file system has is ENOSPC of fallocate, with the path that was given', () => {
	const fd = temporaryFile(tmpfs);
	expect(() => native.allocate(fd, 0, 2 ** 44, true, tmpfs)).toThrow(
		expect.objectContaining({ code: 'ENOSPC', errno: -28, syscall: 'fallocate', path: tmpfs }),
	);
});

test.each([
	['a read-only descriptor', 'EBADF', (fd: number) => native.allocate(fd, 0, 4096, false)],
	['an empty range', 'EINVAL', (fd: number) => native.allocate(fd, 0, 0, false)],
])('fallocate on %s fails with %s', (what, code, call) => {
	const fd = what === 'a read-only descriptor' ? native.openFile('/etc/passwd', false) : temporaryFile();
	try {
		expect(() => call(fd)).toThrow(expect.objectContaining({ code, syscall: 'fallocate' }));
	} finally {
		if (what === 'a read-only descriptor') native.closeDescriptor(fd);
	}
});

test('offsets are exact up to 2^53 - 1, and their sum past what a file can have is EFBIG', () => {
	const fd = temporaryFile();
	expect(() => native.allocate(fd, Number.MAX_SAFE_INTEGER, 4096, true)).toThrow(
		expect.objectContaining({ code: 'EFBIG', syscall: 'fallocate' }),
	);
	expect(() => native.truncate(fd, 2 ** 53)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
	expect(() => native.truncate(fd, -1)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
});
