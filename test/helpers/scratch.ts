// File systems that a test makes on a device of the guest, mounts, and removes again.
import { mkdtempSync, rmdirSync } from 'node:fs';
import { onTestFinished } from 'vitest';
import { execFileSync, spawnSync } from './children.ts';

/** Runs a shell command and returns its output. Programs for administrators are in its path. */
export const sh = (command: string): string =>
	execFileSync('sh', ['-c', command], {
		encoding: 'utf8',
		stdio: ['ignore', 'pipe', 'pipe'],
		env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
	}).trim();

/** Whether there is such a program. Programs for administrators count too. */
export const has = (program: string): boolean =>
	spawnSync('sh', ['-c', `PATH=$PATH:/usr/sbin:/sbin command -v ${program}`]).status === 0;

/** The commands that make file systems for DAX, as daxkind's users run them. */
export const mkfs = {
	ext2: 'mkfs.ext2 -q -F -b 4096',
	ext3: 'mkfs.ext3 -q -F -b 4096',
	ext4: 'mkfs.ext4 -q -F -b 4096',
	xfs: 'mkfs.xfs -q -f',
};

/**
 * Mounts a device at a new place while `body` runs. If `body` fails and leaves files open there, the device is free for
 * the next test all the same.
 */
export function mounted<T>(device: string, options: string, body: (mountPoint: string) => T): T {
	const mountPoint = mkdtempSync('/mnt/test-');
	try {
		sh(`mount -o ${options} ${device} ${mountPoint}`);
		let result: T;
		try {
			result = body(mountPoint);
		} catch (error) {
			sh(`umount --lazy ${mountPoint}`);
			throw error;
		}
		sh(`umount ${mountPoint}`);
		return result;
	} finally {
		rmdirSync(mountPoint);
	}
}

/** Makes a file system on a device by a command, one of {@link mkfs} or another, and mounts it while `body` runs. */
export function made<T>(device: string, make: string, options: string, body: (mountPoint: string) => T): T {
	sh(`${make} ${device}`);
	return mounted(device, options, body);
}

/** Mounts a device at a new place for the rest of the test. */
export function mountedForTest(device: string, options: string): string {
	const mountPoint = mkdtempSync('/mnt/test-');
	sh(`mount -o ${options} ${device} ${mountPoint}`);
	onTestFinished(() => {
		sh(`umount ${mountPoint} && rmdir ${mountPoint}`);
	});
	return mountPoint;
}
