// After xfstests generic/606: statx tells whether a file is on DAX. With dax=always and dax=never that does not depend
// on the flag; with dax=inode it follows the flag.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { getDaxFlag, setDaxFlag, statx } from 'daxkind/dax';
import { beforeAll, describe, expect, test } from 'vitest';
import { scratch } from '../../helpers/guest.ts';
import { mkfs, mounted, sh } from '../../helpers/scratch.ts';
import { seenByXfsIo, setFlagByXfsIo } from '../../helpers/xfs-io.ts';

describe.each(['ext4', 'xfs'] as const)('%s', (type) => {
	beforeAll(() => {
		sh(`${mkfs[type]} ${scratch}`);
	});

	test.each([
		['dax=always', { flagged: true, unflagged: true }],
		['dax=never', { flagged: false, unflagged: false }],
		['dax=inode', { flagged: true, unflagged: false }],
		['defaults', { flagged: true, unflagged: false }],
	])('with %s a new file in a directory with and without the flag is on DAX: %o', (options, expected) => {
		mounted(scratch, options, (mountPoint) => {
			const directory = join(mountPoint, 'directory');
			const file = join(directory, 'file');
			mkdirSync(directory, { recursive: true });
			for (const [flag, effective] of [
				[true, expected.flagged],
				[false, expected.unflagged],
			] as const) {
				rmSync(file, { force: true });
				if (options === 'defaults') setFlagByXfsIo(directory, flag);
				else setDaxFlag(directory, flag);
				writeFileSync(file, '');
				expect(statx(file).dax).toBe(effective);
				expect(getDaxFlag(file)).toEqual({ flag, effective, pending: false });
				expect(getDaxFlag(directory)).toEqual({ flag, effective, pending: false });
				expect(seenByXfsIo(file)).toEqual({ flag, effective });
			}
		});
	});
});
