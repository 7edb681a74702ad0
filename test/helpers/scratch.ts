// File systems that a test makes on a device of the guest, mounts, and takes away again.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { onTestFinished } from 'vitest';

/** Runs a shell command; its output. Administrators' programs are found. */
export const sh = (command: string): string =>
	execFileSync('sh', ['-c', command], {
		encoding: 'utf8',
		stdio: ['ignore', 'pipe', 'pipe'],
		env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
	}).trim();

/** Whether there is such a program, administrators' too. */
export const has = (program: string): boolean =>
	spawnSync('sh', ['-c', `PATH=$PATH:/usr/sbin:/sbin command -v ${program}`]).status === 0;

/** Makes file systems as daxkind's users do who want DAX. */
export const mkfs = {
	ext2: 'mkfs.ext2 -q -F -b 4096',
	ext3: 'mkfs.ext3 -q -F -b 4096',
	ext4: 'mkfs.ext4 -q -F -b 4096',
	xfs: 'mkfs.xfs -q -f',
};

/** Mounts a device at a new place while `body` runs; if that fails, even with files there left open, it is gone for the next. */
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

/** Makes a file system on a device by a command of {@link mkfs} or another, and mounts it while `body` runs. */
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
