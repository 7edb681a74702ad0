// The DAX flag of trees where it decides, where a tree crosses mounts, and where directories do not say what their
// entries are.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { getDaxFlag, isDax, setDaxFlag, setDaxFlagAsync } from 'daxkind/dax';
import { expect, onTestFinished, test } from 'vitest';
import { scratch } from '../helpers/guest.ts';
import { mkfs, mountedForTest, sh } from '../helpers/scratch.ts';
import { flaggedByXfsIo } from '../helpers/xfs-io.ts';

/** Three levels of directories with files. */
function grow(top: string): string[] {
	const paths = [top];
	for (const one of ['a', 'b']) {
		for (const two of ['c', 'd']) {
			mkdirSync(join(top, one, two), { recursive: true });
			for (const file of ['1', '2', '3']) {
				writeFileSync(join(top, one, two, file), '');
				paths.push(join(top, one, two, file));
			}
			paths.push(join(top, one, two));
		}
		paths.push(join(top, one));
	}
	return paths.sort();
}

const recursive = { recursive: true } as const;

test.each([
	['ext4', mkfs.ext4],
	['xfs', mkfs.xfs],
	// The directory entries have no types: DT_UNKNOWN.
	['ext4 without filetype', `${mkfs.ext4} -O ^filetype`],
])('on %s a tree gets the flag as by xfs_io, and files are on DAX at once if nobody has them open', async (_, make) => {
	sh(`${make} ${scratch}`);
	const top = join(mountedForTest(scratch, 'dax=inode'), 'tree');
	mkdirSync(top);
	const all = grow(top);
	const counts = { files: 12, directories: 7, failures: [] };
	const on = { flag: true, effective: true, pending: false };
	expect(setDaxFlag(top, true, recursive)).toEqual({ ...on, ...counts, changed: 19 });
	expect(flaggedByXfsIo(top)).toEqual(all);
	for (const path of all) expect(isDax(path)).toBe(true);
	// These are made after xfs_io has looked, because it opens whatever there is. It would wait for ever, or change
	// something elsewhere.
	symlinkSync('/dev/null', join(top, 'a/null'));
	sh(`mkfifo ${top}/a/c/fifo && mknod ${top}/b/zero c 1 5`);
	const off = await setDaxFlagAsync(top, false, recursive);
	expect(off).toEqual({ flag: false, effective: false, pending: false, ...counts, changed: 19 });
	for (const path of all) {
		expect(getDaxFlag(path).flag).toBe(false);
		expect(isDax(path)).toBe(false);
	}
});

test('the walk stays on the mount where it begins, bind mounts of files and directories included', () => {
	sh(`${mkfs.ext4} ${scratch}`);
	const mountPoint = mountedForTest(scratch, 'dax=inode');
	const [top, outside] = [join(mountPoint, 'tree'), join(mountPoint, 'outside')];
	mkdirSync(outside);
	writeFileSync(join(outside, 'file'), '');
	mkdirSync(join(top, 'bound/below'), { recursive: true });
	mkdirSync(join(top, 'other'));
	writeFileSync(join(top, 'bound file'), '');
	// Two mounts of the same file system, which has the same device number, and one of another.
	sh(`mount --bind ${outside} ${top}/bound && mount --bind ${outside}/file '${top}/bound file'`);
	sh(`mount -t tmpfs none ${top}/other && touch ${top}/other/file`);
	onTestFinished(() => {
		sh(`umount ${top}/bound '${top}/bound file' ${top}/other`);
	});
	expect(setDaxFlag(top, true, recursive)).toMatchObject({ files: 0, directories: 1, changed: 1, failures: [] });
	expect(getDaxFlag(outside).flag).toBe(false);
	expect(getDaxFlag(join(outside, 'file')).flag).toBe(false);
	expect(setDaxFlag(join(top, 'bound'), true, recursive)).toMatchObject({ files: 1, directories: 1, changed: 2 });
});
