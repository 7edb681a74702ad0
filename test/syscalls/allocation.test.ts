// The exports for open files. test/native/files_test.cc tests in C++ what the calls themselves do.
import { fstatSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { native } from '#lib/native.js';
import { temporaryDirectory, tmpfs } from '../helpers/temporary-directory.ts';

const mebibyte = 1024 * 1024;

function openEmptyFile(parent?: string): number {
	const path = join(temporaryDirectory(parent), 'file');
	writeFileSync(path, '');
	const fd = native.openFile(path, true);
	onTestFinished(() => native.closeDescriptor(fd));
	return fd;
}

test.each([
	['an ordinary directory', undefined],
	['tmpfs', tmpfs],
])('in %s, a file gets blocks and keeps its size', (_, parent) => {
	const fd = openEmptyFile(parent);
	native.allocateOrNothing(fd, 0, 4 * mebibyte);
	expect(fstatSync(fd).blocks * 512).toBeGreaterThanOrEqual(4 * mebibyte);
	expect(fstatSync(fd).size).toBe(0);
});

test('more than the file system has is ENOSPC of fallocate, with the path that was given', () => {
	const fd = openEmptyFile(tmpfs);
	expect(() => native.allocateOrNothing(fd, 0, 2 ** 44, tmpfs)).toThrow(
		expect.objectContaining({ code: 'ENOSPC', errno: -28, syscall: 'fallocate', path: tmpfs }),
	);
});

test.each([
	['a read-only descriptor', 'EBADF', (fd: number) => native.allocateOrNothing(fd, 0, 4096)],
	['an empty range', 'EINVAL', (fd: number) => native.allocateOrNothing(fd, 0, 0)],
])('fallocate on %s fails with %s', (what, code, call) => {
	const fd = what === 'a read-only descriptor' ? native.openFile('/etc/passwd', false) : openEmptyFile();
	try {
		expect(() => call(fd)).toThrow(expect.objectContaining({ code, syscall: 'fallocate' }));
	} finally {
		if (what === 'a read-only descriptor') native.closeDescriptor(fd);
	}
});

test('offsets are exact up to 2^53 - 1, and their sum past what a file can have is EFBIG', () => {
	const fd = openEmptyFile();
	expect(() => native.allocateOrNothing(fd, Number.MAX_SAFE_INTEGER, 4096)).toThrow(
		expect.objectContaining({ code: 'EFBIG', syscall: 'fallocate' }),
	);
	expect(() => native.allocateOrNothing(fd, 2 ** 53, 4096)).toThrow(
		expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }),
	);
	expect(() => native.allocateOrNothing(fd, -1, 4096)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
});

test('closing a descriptor twice is EBADF', () => {
	const fd = native.openFile('/etc/passwd', false);
	native.closeDescriptor(fd);
	expect(() => native.closeDescriptor(fd)).toThrow(expect.objectContaining({ code: 'EBADF', syscall: 'close' }));
});
