// The commands about DAX, on DAX, beside the programs that they must agree with: xfs_io, lsattr, chattr, findmnt.
import { closeSync, mkdirSync, openSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DaxMount, getDaxFlag } from 'daxkind/dax';
import { expect, test } from 'vitest';
import { cli, daxkind } from '../helpers/cli.ts';
import * as guest from '../helpers/guest.ts';
import { made, mkfs, mounted, sh } from '../helpers/scratch.ts';
import { flagsByXfsIo, statusByXfsIo, statusFromJson } from '../helpers/xfs-io.ts';

/** Makes a tree of files and directories with and without the DAX flag. One file has other flags. */
function tree(mountPoint: string): string {
	const top = join(mountPoint, 'top');
	mkdirSync(join(top, 'plain/deep'), { recursive: true });
	mkdirSync(join(top, 'flagged'));
	sh(`chattr +x ${join(top, 'flagged')}`);
	for (const name of ['file', 'plain/deep/file', 'flagged/file']) writeFileSync(join(top, name), 'contents');
	sh(`chattr +dA ${join(top, 'file')}`);
	return top;
}

const lines = (text: string) =>
	text
		.split('\n')
		.filter((line) => line !== '')
		.sort();

test.each(['ext4', 'xfs'] as const)(
	'on %s with dax=inode they show and do what the field’s own programs do',
	(type) => {
		made(guest.scratch, mkfs[type], 'dax=inode', (mountPoint) => {
			const top = tree(mountPoint);
			const flagged = join(top, 'flagged/file');

			// statx prints each value that xfs_io prints.
			const shown = daxkind('statx', flagged);
			expect(shown.status).toBe(0);
			expect(shown.stdout.split('\n')[0]).toBe(`${flagged} is in the DAX state`);
			expect(statusFromJson(daxkind('statx', '--json', flagged).stdout)).toEqual(statusByXfsIo(flagged));

			// lsattr prints the same flags of the same files in the same order.
			const all = flagsByXfsIo(top);
			const records: { path: string; flags: string[] }[] = JSON.parse(daxkind('lsattr', '-R', '--json', top).stdout);
			expect(records.map(({ path, flags }) => ({ path, flags }))).toEqual(all);
			const listed = daxkind('lsattr', '-R', top).stdout.trimEnd().split('\n');
			expect(listed.map((line) => line.split(/ +/))).toEqual(
				all.map(({ path, flags }) => [flags.join(',') || '-', path]),
			);
			expect(all).toContainEqual({ path: flagged, flags: ['dax'] });
			const byLsattr = sh(`lsattr -d ${flagged}`).split(' ')[0]!.includes('x');
			expect(byLsattr).toBe(true);

			// xfs_io and e2fsprogs see what chattr has changed.
			symlinkSync('/dev/shm', join(top, 'link'));
			const change = daxkind('chattr', '-R', '+x', top);
			expect(change).toEqual({
				status: 0,
				stdout: `${top}: DAX flag set in 3 files and 4 directories: 5 changed\n`,
				stderr: '',
			});
			rmSync(join(top, 'link'));
			for (const line of lines(sh(`xfs_io -r -c 'lsattr -R' ${top}`))) expect(line).toMatch(/^[^ ]{14}x/);
			expect(sh(`xfs_io -r -c lsattr ${join(top, 'file')}`)).toMatch(/^-----Ad-------x--/);
			expect(daxkind('chattr', '-qx', flagged)).toEqual({ status: 0, stdout: '', stderr: '' });
			expect(sh(`lsattr -d ${flagged}`).split(' ')[0]).not.toContain('x');
			const file = openSync(flagged, 'r');
			const { stdout } = daxkind('chattr', '+x', flagged);
			closeSync(file);
			expect(stdout).toBe(
				`${flagged}: DAX flag set; pending: it takes effect when nobody has the file open any more\n`,
			);
			expect(getDaxFlag(flagged)).toEqual({ flag: true, effective: true, pending: false });
		});
	},
);

test('mounts agrees with findmnt, but for what the file systems hide', () => {
	const { status, stdout } = daxkind('mounts', '--json');
	expect(status).toBe(0);
	const found = JSON.parse(stdout) as DaxMount[];
	const dax = [guest.ext4, guest.xfs, guest.ext2, guest.erofs];
	expect(found.map(({ mountPoint }) => mountPoint).sort()).toEqual([...dax].sort());
	for (const { mountPoint, source, fsType, daxOption } of found) {
		const [device, type, options] = sh(`findmnt -nro SOURCE,FSTYPE,OPTIONS ${mountPoint}`).split(' ') as [
			string,
			string,
			string,
		];
		expect([source, fsType]).toEqual([device, type]);
		expect(options.split(',')).toContain(daxOption);
	}
	const all = daxkind('mounts', '--all').stdout;
	expect(all).toMatch(/^4 mounts have DAX\n/);
	expect(all).toMatch(new RegExp(`^${guest.never} +ext4 +pmem2 +dax=never +never +no$`, 'm'));
	expect(all).toMatch(new RegExp(`^  ${guest.never} +${guest.never} is mounted with dax=never$`, 'm'));
});

test('explain and inspect answer by their first line and their status', () => {
	expect(daxkind('explain', guest.xfs)).toMatchObject({
		status: 0,
		stdout: expect.stringMatching(`^${guest.xfs} is on DAX\n`),
	});
	const off = daxkind('inspect', guest.never);
	expect(off).toMatchObject({
		status: 1,
		stdout: expect.stringMatching(`^${guest.never} is not on DAX: ${guest.never} is mounted with dax=never\n`),
	});
	expect(off.stdout).toMatch(/DAX mode in effect +never\n/);
	expect(off.stdout).toMatch(/provider +e820\n/);
});

test("a flag that is set by explain's own remedy is in effect", () => {
	mounted(guest.scratch, 'dax=inode', (mountPoint) => {
		const directory = join(mountPoint, 'fixed');
		mkdirSync(directory);
		const { remedy } = JSON.parse(daxkind('explain', '--json', directory).stdout);
		const command = remedy.split(' (')[0]!.replace(/^daxkind/, `${process.execPath} ${cli}`);
		expect(sh(command)).toBe(`${directory}: DAX flag set, and in effect for new files in it`);
		expect(daxkind('explain', directory).status).toBe(0);
	});
});
