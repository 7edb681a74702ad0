import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { native } from '#lib/native.js';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

const { EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, FS_XFLAG_DAX, FS_XFLAG_NODUMP, FS_XFLAG_NOATIME } = native.constants;

const hasFlags = (directory: string) => [EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC].includes(native.statfs(directory).type);

test('the DAX flag of a file or directory is set and cleared, and the other flags stay', ({ skip }) => {
	const directory = temporaryDirectory();
	skip(!hasFlags(directory), 'the directory for temporary files is neither on ext4 nor on XFS');
	const file = join(directory, 'file');
	const child = join(directory, 'directory');
	writeFileSync(file, '');
	mkdirSync(child);
	for (const path of [file, child]) {
		const others = FS_XFLAG_NODUMP | FS_XFLAG_NOATIME;
		expect(native.changeFsxattrFlags(path, others, 0).flags & (others | FS_XFLAG_DAX)).toBe(others);
		expect(native.changeFsxattrFlags(path, FS_XFLAG_DAX, 0).flags & FS_XFLAG_DAX).toBe(FS_XFLAG_DAX);
		expect(native.getFsxattr(path).flags & (others | FS_XFLAG_DAX)).toBe(others | FS_XFLAG_DAX);
		expect(native.changeFsxattrFlags(path, 0, FS_XFLAG_DAX).flags & FS_XFLAG_DAX).toBe(0);
		expect(native.getFsxattr(path).flags & (others | FS_XFLAG_DAX)).toBe(others);
	}
});

test.each(['/dev/null', '/dev/tty', '/proc/self/status'])('%s has no flags: ENOTTY of ioctl', (path) => {
	const expected = expect.objectContaining({ code: 'ENOTTY', errno: -25, syscall: 'ioctl', path });
	expect(() => native.getFsxattr(path)).toThrow(expected);
	expect(() => native.changeFsxattrFlags(path, FS_XFLAG_DAX, 0)).toThrow(expected);
});

test('a symbolic link is not followed: ELOOP of open', () => {
	const directory = temporaryDirectory();
	const link = join(directory, 'link');
	writeFileSync(join(directory, 'file'), '');
	symlinkSync('file', link);
	expect(() => native.getFsxattr(link)).toThrow(
		expect.objectContaining({ code: 'ELOOP', syscall: 'open', path: link }),
	);
});

test('a missing file is ENOENT of open', () => {
	const missing = join(temporaryDirectory(), 'missing');
	expect(() => native.changeFsxattrFlags(missing, 1, 0)).toThrow(
		expect.objectContaining({ code: 'ENOENT', syscall: 'open', path: missing }),
	);
});

test.each([-1, 2 ** 32, 1.5])('flags of %s are refused', (flags) => {
	expect(() => native.changeFsxattrFlags('/dev/null', flags, 0)).toThrow(
		expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }),
	);
});
