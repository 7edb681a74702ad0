// Each link of the chain that whyNotDax knows, broken on purpose on the third pmem device, and mended by the very command that it gives.
// The device gets its file system with dax=never back at the end.
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { findDaxMounts, isDax, setDaxFlag, whyNotDax } from '#lib/dax/index.js';
import { readMounts } from '#lib/dax/mounts.js';
import { never } from '../helpers/guest.ts';

const mountPoint = never;
const device = readMounts().find((mount) => mount.mountPoint === mountPoint)!.source;
const directory = join(mountPoint, 'directory');
const file = join(directory, 'file');

const run = (command: string, ...parameters: string[]) => execFileSync(command, parameters, { stdio: 'pipe' });

function make(blockSize: number, options: string): void {
	run('mkfs.ext4', '-q', '-F', '-b', `${blockSize}`, device);
	run('mount', '-o', options, device, mountPoint);
	mkdirSync(directory);
	writeFileSync(file, 'contents');
}

beforeAll(() => {
	run('umount', mountPoint);
});
afterEach(() => {
	run('umount', mountPoint);
});
afterAll(() => {
	run('mkfs.ext4', '-q', '-F', '-b', '4096', device);
	run('mount', '-o', 'dax=never', device, mountPoint);
});

const daxMountPoints = () => findDaxMounts().map((mount) => mount.mountPoint);

test('dax=inode and no flag: the remedy sets it, and what is made in the directory then is on DAX', () => {
	make(4096, 'dax=inode');
	const verdict = whyNotDax(directory);
	expect(verdict).toEqual({
		dax: false,
		reason: `${mountPoint} decides by each file's flag (dax=inode), and the directory does not have the DAX flag`,
		remedy: `xfs_io -c 'chattr +x' ${directory}, or mount with -o dax=always`,
	});
	run('sh', '-c', verdict.remedy!.split(', or')[0]!);
	expect(whyNotDax(directory)).toEqual({ dax: true });
	expect(isDax(file)).toBe(false);
	writeFileSync(join(directory, 'later'), '');
	expect(isDax(join(directory, 'later'))).toBe(true);
	// The top of the mount is still without the flag.
	expect(daxMountPoints()).not.toContain(mountPoint);
	setDaxFlag(mountPoint, true);
	expect(daxMountPoints()).toContain(mountPoint);
});

test('a mount without an option decides by the flag, too', () => {
	make(4096, 'defaults');
	expect(whyNotDax(file).reason).toContain('the file does not have the DAX flag');
});

test('a flag that was set while the file was open takes effect when it is closed', () => {
	make(4096, 'dax=inode');
	const fd = openSync(file, 'r');
	setDaxFlag(file, true);
	expect(whyNotDax(file)).toMatchObject({ dax: false, reason: expect.stringContaining('was in use') });
	closeSync(fd);
	run('sh', '-c', 'echo 2 > /proc/sys/vm/drop_caches');
	expect(whyNotDax(file)).toEqual({ dax: true });
});

test('blocks smaller than a page: the remedy makes a file system that can', () => {
	make(1024, 'dax=inode');
	const { dax, reason, remedy } = whyNotDax(directory);
	expect({ dax, reason }).toEqual({
		dax: false,
		reason: "the file system's blocks are 1024 bytes, and DAX needs them as large as a page, 4096 bytes",
	});
	const command = remedy!.slice(remedy!.indexOf('mkfs'));
	expect(command).toBe(`mkfs.ext4 -b 4096 ${device}`);
	run('umount', mountPoint);
	run('sh', '-c', command.replace('mkfs.ext4', 'mkfs.ext4 -q -F'));
	run('mount', '-o', 'dax=always', device, mountPoint);
	expect(whyNotDax(mountPoint)).toEqual({ dax: true });
});

test('a read-only mount holds no new file, which is the reason if nothing else is', () => {
	make(4096, 'dax=always');
	run('mount', '-o', 'remount,ro', mountPoint);
	expect(() => isDax(directory)).toThrow(expect.objectContaining({ code: 'EROFS', syscall: 'open', path: directory }));
	expect(whyNotDax(directory)).toMatchObject({ dax: false, reason: expect.stringContaining('EROFS') });
	expect(isDax(file)).toBe(true);
	expect(daxMountPoints()).not.toContain(mountPoint);
	expect(statSync(file).size).toBe(8);
});
