// After xfstests generic/608: when a change of the flag takes effect. It does not while somebody has the file open,
// whatever is done to the kernel's caches. It does at once after the last close, and at the latest with the next mount.
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { getDaxFlag, setDaxFlag } from 'daxkind/dax';
import { beforeAll, describe, expect, test } from 'vitest';
import { scratch } from '../../helpers/guest.ts';
import { mkfs, mounted, sh } from '../../helpers/scratch.ts';
import { seenByXfsIo, setFlagByXfsIo } from '../../helpers/xfs-io.ts';

const dropCaches = () => sh('echo 2 > /proc/sys/vm/drop_caches');

function expectState(path: string, expected: { flag: boolean; effective: boolean; pending: boolean }): void {
	expect(getDaxFlag(path)).toEqual(expected);
	const { flag, effective } = expected;
	expect(seenByXfsIo(path)).toEqual({ flag, effective });
}

describe.each(['ext4', 'xfs'] as const)('%s', (type) => {
	beforeAll(() => {
		sh(`${mkfs[type]} ${scratch}`);
	});

	test.each([
		['dax=inode', setDaxFlag],
		['defaults', setFlagByXfsIo],
	])('with %s a change on an open file is in effect after the last close, or with the next mount', (options, set) => {
		const [directory, file] = ['directory', 'directory/file'];
		mounted(scratch, options, (mountPoint) => {
			const changed = join(mountPoint, 'file');
			rmSync(changed, { force: true });
			writeFileSync(changed, '');
			expect(getDaxFlag(changed)).toEqual({ flag: false, effective: false, pending: false });
			const fd = openSync(changed, 'r');
			set(changed, true);
			expectState(changed, { flag: true, effective: false, pending: true });
			dropCaches();
			expect(getDaxFlag(changed)).toEqual({ flag: true, effective: false, pending: true });
			closeSync(fd);
			dropCaches();
			expectState(changed, { flag: true, effective: true, pending: false });

			mkdirSync(join(mountPoint, directory), { recursive: true });
			set(join(mountPoint, directory), true);
			const cleared = join(mountPoint, file);
			rmSync(cleared, { force: true });
			writeFileSync(cleared, '');
			expectState(cleared, { flag: true, effective: true, pending: false });
			const held = openSync(cleared, 'r');
			set(cleared, false);
			expectState(cleared, { flag: false, effective: true, pending: true });
			closeSync(held);
		});
		mounted(scratch, options, (mountPoint) => {
			expectState(join(mountPoint, file), { flag: false, effective: false, pending: false });
		});
	});
});
