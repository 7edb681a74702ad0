// The reasons why a flag cannot be set, each made for real. The code is the kernel's, and the sentence says why.
import { chownSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { getDaxFlag, setDaxFlag, setDaxFlagAsync } from 'daxkind/dax';
import { expect, onTestFinished, test } from 'vitest';
import { execFileSync, spawnSync } from '../helpers/children.ts';
import * as guest from '../helpers/guest.ts';
import { mkfs, mountedForTest, sh } from '../helpers/scratch.ts';

/** Expects that the synchronous and the asynchronous call fail in the same way. */
async function expectRefused(path: string, code: string, words: string, syscall = 'ioctl'): Promise<void> {
	const expected = { code, syscall, path, message: expect.stringContaining(words) };
	expect(() => setDaxFlag(path, true)).toThrow(expect.objectContaining(expected));
	await expect(setDaxFlagAsync(path, true)).rejects.toMatchObject(expected);
}

function make(command: string, options: string): string {
	sh(`${command} ${guest.scratch}`);
	return mountedForTest(guest.scratch, options);
}

function asUser(uid: number): void {
	process.seteuid!(uid);
	onTestFinished(() => process.seteuid!(0));
}

// linux/fsverity.h: FS_IOC_ENABLE_VERITY with a struct fsverity_enable_arg of version 1, SHA-256, blocks of 4096 bytes.
const enableVerity = `open(my $file, '<', $ARGV[0]) or die $!;
	my $argument = pack('L4 Q L L Q Q11', 1, 1, 4096, 0, 0, 0, 0, 0, (0) x 11);
	ioctl($file, 0x40806685, $argument) or die $!;`;

test('ext4: what excludes DAX is named', async () => {
	const top = make(`${mkfs.ext4} -O inline_data,encrypt,verity`, 'dax=inode');
	const at = (name: string) => join(top, name);
	writeFileSync(at('inline'), 'tiny');
	await expectRefused(at('inline'), 'ENOTSUP', 'it has inline data (data inside the inode), which excludes DAX');
	writeFileSync(at('journalled'), 'x'.repeat(5000));
	sh(`chattr +j ${at('journalled')}`);
	await expectRefused(
		at('journalled'),
		'ENOTSUP',
		'it has data journalling (data go through the journal), which excludes DAX',
	);
	writeFileSync(at('verity'), 'x'.repeat(5000));
	execFileSync('perl', ['-e', enableVerity, at('verity')], { stdio: 'pipe' });
	await expectRefused(at('verity'), 'ENOTSUP', 'it has fs-verity, which excludes DAX');
	mkdirSync(at('encrypted'));
	const key = execFileSync('xfs_io', ['-c', 'add_enckey', top], { input: Buffer.alloc(64, 7), encoding: 'utf8' });
	const identifier = /[0-9a-f]{32}/.exec(key)![0];
	sh(`xfs_io -c 'set_encpolicy ${identifier}' ${at('encrypted')}`);
	await expectRefused(at('encrypted'), 'ENOTSUP', 'it has encryption, which excludes DAX');
	writeFileSync(at('encrypted/file'), 'secret');
	await expectRefused(at('encrypted/file'), 'ENOTSUP', 'it has encryption, which excludes DAX');
	// Without the key a file cannot even be opened.
	sh(`xfs_io -c 'rm_enckey ${identifier}' ${top}`);
	const [name] = readdirSync(at('encrypted'));
	await expectRefused(join(at('encrypted'), name!), 'ENOKEY', 'the kernel does not have its key', 'open');
	expect(() => getDaxFlag(join(at('encrypted'), name!))).toThrow(expect.objectContaining({ code: 'ENOKEY' }));

	const { failures, ...rest } = setDaxFlag(top, true, { recursive: true });
	expect(rest).toMatchObject({ flag: true, effective: true });
	expect(failures.map(({ code, path }) => `${code} ${path!.slice(top.length + 1)}`).sort()).toEqual([
		`ENOKEY encrypted/${name}`,
		'ENOTSUP encrypted',
		'ENOTSUP inline',
		'ENOTSUP journalled',
		'ENOTSUP verity',
	]);
	expect(failures.find(({ path }) => path === at('inline'))!.message).toContain('inline data');
	expect(failures.find(({ path }) => path === at('verity'))!.message).toContain('fs-verity');
});

test('an immutable file keeps its flags on ext4, and takes the flag on XFS', async () => {
	for (const type of ['ext4', 'xfs'] as const) {
		sh(`${mkfs[type]} ${guest.scratch}`);
		const top = mountedForTest(guest.scratch, 'dax=inode');
		const file = join(top, 'immutable');
		writeFileSync(file, '');
		sh(`chattr +i ${file}`);
		if (type === 'ext4') {
			await expectRefused(file, 'EPERM', 'it is immutable, and so are its flags; use chattr -i first');
			sh(`umount ${top} && mount -t tmpfs none ${top}`);
		} else expect(setDaxFlag(file, true).flag).toBe(true);
	}
});

test('only the owner may set the flag, and needs no permission to write; a read-only mount takes none', async () => {
	const top = make(mkfs.ext4, 'dax=inode');
	const [own, foreign] = [join(top, 'own'), join(top, 'foreign')];
	writeFileSync(own, '', { mode: 0o444 });
	writeFileSync(foreign, '', { mode: 0o666 });
	sh(`chmod 666 ${foreign}`);
	chownSync(own, 1000, 1000);
	asUser(1000);
	expect(setDaxFlag(own, true).flag).toBe(true);
	await expectRefused(foreign, 'EPERM', 'only its owner, user 0, and a process with CAP_FOWNER');
	process.seteuid!(0);
	sh(`mount -o remount,ro ${top}`);
	await expectRefused(foreign, 'EROFS', 'read-only');
	for (const path of [top, foreign]) {
		expect(() => setDaxFlag(path, true, { recursive: true })).toThrow(
			expect.objectContaining({ code: 'EROFS', path, message: expect.stringContaining('read-only') }),
		);
	}
	// It is no failure when there is nothing to change.
	expect(setDaxFlag(own, true).flag).toBe(true);
});

test('XFS without checksums has no place for the flag', async () => {
	const top = make('mkfs.xfs -q -f -m crc=0', 'defaults');
	const file = join(top, 'file');
	writeFileSync(file, '');
	for (const path of [file, top]) await expectRefused(path, 'EINVAL', 'made without checksums (crc=0)');
	expect(() => setDaxFlag(top, true, { recursive: true })).toThrow(
		expect.objectContaining({ code: 'EINVAL', message: expect.stringContaining('mkfs.xfs -f -m crc=1') }),
	);
	expect(getDaxFlag(file)).toEqual({ flag: false, effective: false, pending: false });
});

test('file systems without the flag say so: tmpfs, erofs, virtiofs, proc', async () => {
	const words = 'this file system has no per-file DAX flag; ext4 and XFS have one';
	await expectRefused('/dev/shm', 'ENOTSUP', words);
	for (const path of [guest.erofs, ...(guest.virtiofs === undefined ? [] : [guest.virtiofs])]) {
		await expectRefused(path, 'ENOTTY', words);
		expect(() => getDaxFlag(path)).toThrow(expect.objectContaining({ code: 'ENOTTY' }));
	}
	await expectRefused('/proc/cmdline', 'ENOTTY', words);
});

test('an overlay passes the flag on to the file below, and says that it decides nothing there', () => {
	const top = make(mkfs.ext4, 'dax=inode');
	const merged = join(top, 'merged');
	for (const name of ['lower', 'upper', 'work', 'merged']) mkdirSync(join(top, name));
	const layers = `lowerdir=${top}/lower,upperdir=${top}/upper,workdir=${top}/work`;
	sh(`mount -t overlay -o ${layers} none ${merged}`);
	onTestFinished(() => {
		sh(`umount ${merged}`);
	});
	const file = join(merged, 'file');
	writeFileSync(file, '');
	expect(setDaxFlag(file, true)).toMatchObject({ flag: true, pending: false });
	expect(getDaxFlag(join(top, 'upper/file')).flag).toBe(true);
});

test('what xfs_io says of the same failures has the same cause', () => {
	const top = make(`${mkfs.ext4} -O inline_data`, 'dax=inode');
	const file = join(top, 'inline');
	writeFileSync(file, 'tiny');
	const { stderr, stdout } = spawnSync('xfs_io', ['-c', 'chattr +x', file], { encoding: 'utf8' });
	expect(stdout + stderr).toContain('Operation not supported');
	const onErofs = spawnSync('xfs_io', ['-r', '-c', 'lsattr', guest.erofs], { encoding: 'utf8' });
	expect(onErofs.stdout + onErofs.stderr).toContain('Inappropriate ioctl for device');
});
