import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { native } from '#lib/native.js';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

const { EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, FS_XFLAG_DAX, FS_DAX_FL } = native.constants;

test('the DAX flag is seen among the inode flags of a file and a directory', ({ skip }) => {
	const directory = temporaryDirectory();
	skip(
		![EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC].includes(native.statfs(directory).type),
		'the directory for temporary files is neither on ext4 nor on XFS',
	);
	const file = join(directory, 'file');
	const child = join(directory, 'directory');
	writeFileSync(file, '');
	mkdirSync(child);
	for (const path of [file, child]) {
		expect(native.getInodeFlags(path) & FS_DAX_FL).toBe(0);
		native.changeFsxattrFlags(path, FS_XFLAG_DAX, 0);
		expect(native.getInodeFlags(path) & FS_DAX_FL).toBe(FS_DAX_FL);
	}
});

test('what has no inode flags is ENOTTY of ioctl', () => {
	for (const path of ['/dev/null', '/proc/self/status']) {
		expect(() => native.getInodeFlags(path)).toThrow(
			expect.objectContaining({ code: 'ENOTTY', syscall: 'ioctl', path }),
		);
	}
});

test('a symbolic link is not followed to its inode flags: ELOOP of open', () => {
	const link = join(temporaryDirectory(), 'link');
	symlinkSync('.', link);
	expect(() => native.getInodeFlags(link)).toThrow(
		expect.objectContaining({ code: 'ELOOP', syscall: 'open', path: link }),
	);
});
