import { chmodSync, fstatSync, linkSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { native } from '#lib/native.js';
import { temporaryDirectory, tmpfs } from '../helpers/temporary-directory.ts';

test.each([
	['an ordinary directory', undefined],
	['tmpfs', tmpfs],
])('a temporary file in %s has no name, is closed on exec, and is for its owner only', (_, parent) => {
	const directory = temporaryDirectory(parent);
	const fd = native.openTemporary(directory);
	try {
		const status = fstatSync(fd);
		expect(status.nlink).toBe(0);
		expect(status.mode & 0o7777).toBe(0o600);
		expect(readdirSync(directory)).toEqual([]);
		// O_CLOEXEC is octal 02000000 (asm-generic/fcntl.h).
		const [, flags] = readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8').match(/^flags:\s*(\d+)$/m)!;
		expect(Number.parseInt(flags!, 8) & 0o2000000).not.toBe(0);
		expect(readlinkSync(`/proc/self/fd/${fd}`)).toContain('deleted');
	} finally {
		native.closeDescriptor(fd);
	}
});

test('a temporary file can never get a name', () => {
	const directory = temporaryDirectory();
	const fd = native.openTemporary(directory);
	try {
		expect(() => linkSync(`/proc/self/fd/${fd}`, join(directory, 'name'))).toThrow();
		expect(readdirSync(directory)).toEqual([]);
	} finally {
		native.closeDescriptor(fd);
	}
});

test('a missing directory, and a file in its place, give ENOENT and ENOTDIR of open', () => {
	const directory = temporaryDirectory();
	const file = join(directory, 'file');
	writeFileSync(file, '');
	const missing = join(directory, 'missing');
	expect(() => native.openTemporary(missing)).toThrow(
		expect.objectContaining({ code: 'ENOENT', syscall: 'open', path: missing }),
	);
	expect(() => native.openTemporary(file)).toThrow(
		expect.objectContaining({ code: 'ENOTDIR', syscall: 'open', path: file }),
	);
	expect(readdirSync(directory)).toEqual(['file']);
});

test('a directory that may not be written gives EACCES', () => {
	const directory = temporaryDirectory();
	chmodSync(directory, 0o555);
	const user = process.geteuid!();
	// root may write everywhere; 65534 is "nobody" on every distribution.
	if (user === 0) process.seteuid!(65534);
	try {
		expect(() => native.openTemporary(directory)).toThrow(
			expect.objectContaining({ code: 'EACCES', syscall: 'open', path: directory }),
		);
	} finally {
		if (user === 0) process.seteuid!(user);
		chmodSync(directory, 0o755);
	}
});

test('a file system that holds no files of ours gives an error of open, not a crash', () => {
	expect(() => native.openTemporary('/proc')).toThrow(expect.objectContaining({ syscall: 'open', path: '/proc' }));
});

test('closing a descriptor twice is EBADF', () => {
	const fd = native.openTemporary(temporaryDirectory());
	native.closeDescriptor(fd);
	expect(() => native.closeDescriptor(fd)).toThrow(expect.objectContaining({ code: 'EBADF', syscall: 'close' }));
});
