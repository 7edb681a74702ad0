// Where statx or another call is refused, and on kernels that report less. What can be known is told, and the rest is
// said to be unknown. test/guest/old-kernels.test.ts does the same on real DAX.
import { statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { spawnSync } from '../helpers/children.ts';
import { before58, daxkindIn, evaluateIn, problem, refusing } from '../helpers/sandbox.ts';
import { temporaryDirectory, tmpfs } from '../helpers/temporary-directory.ts';

const EPERM = 1;
const ENOSYS = 38;

describe.skipIf(problem !== undefined)('statx refused', () => {
	test.each([
		['EPERM', EPERM],
		['ENOSYS', ENOSYS],
		['EINVAL', 22],
		['ENOTSUP', 95],
	])('with %s: stat says what it can', (code, errno) => {
		const file = join(temporaryDirectory(), 'file');
		writeFileSync(file, 'x'.repeat(5000));
		const status = evaluateIn(refusing(`statx=${errno}`), 'say(d.statx(path))', file);
		const { ino, size, mode, nlink, mtimeNs } = statSync(file, { bigint: true });
		expect(status).toMatchObject({
			refusal: code,
			dax: null,
			inode: `${ino}`,
			size: Number(size),
			mode: Number(mode),
			links: Number(nlink),
			modifyTimeNs: `${mtimeNs}`,
			attributesMask: '0',
			mountId: 0,
		});
	});

	test('what is not there is not there, and links are followed', () => {
		const directory = temporaryDirectory();
		symlinkSync('/dev/null', join(directory, 'link'));
		const body = `const error = (() => { try { d.statx(path + '/missing'); } catch (e) { return e; } })();
			say([error.code, error.syscall, d.statx(path + '/link').representsMinor])`;
		expect(evaluateIn(refusing('statx=1'), body, directory)).toEqual(['ENOENT', 'statx', 3]);
	});

	test.each([EPERM, ENOSYS])('with errno %d: kinds and mappings work, and tmpfs is known not to have DAX', (errno) => {
		const directory = temporaryDirectory(tmpfs);
		writeFileSync(join(directory, 'file'), Buffer.alloc(8192, 7));
		const body = `
			const kind = d.PmemKind.create(path, { maxSize: 2 ** 24 });
			const block = kind.malloc(100).fill(1);
			const mapping = d.mapFile(path + '/file');
			const required = (() => { try { d.PmemKind.create(path, { maxSize: 2 ** 24, requireDax: true }); } catch (e) { return e; } })();
			say([kind.dax, block[99], kind.stats().resident > 0, mapping.buffer[8191], d.isDax(path), d.isDax(path + '/file'),
				d.explain(path).dax, d.explain(path + '/file').dax, required.code, required.message])`;
		const said = evaluateIn(refusing(`statx=${errno}`), body, directory) as unknown[];
		expect(said).toEqual([
			...[false, 1, true, 7, false, false, false, false],
			...['ERR_DAXKIND_NOT_DAX', expect.stringContaining('the file system is tmpfs, which has no DAX')],
		]);
	});

	test('the answers and their statuses stay those of the machine', () => {
		const directory = temporaryDirectory(tmpfs);
		for (const command of ['explain', 'inspect']) {
			expect(daxkindIn(refusing('statx=1'), command, directory)).toMatchObject({
				status: 1,
				stdout: expect.stringContaining('is not on DAX: the file system is tmpfs'),
			});
		}
		expect(daxkindIn(refusing('statx=1'), 'statx', directory)).toMatchObject({
			status: 2,
			stdout: expect.stringContaining('statx is refused (EPERM)'),
		});
	});
});

describe.skipIf(problem !== undefined)('other calls refused', () => {
	const O_TMPFILE = '4259840';
	const FS_IOC_FSGETXATTR = String(0x801c581f | 0);
	const FS_IOC_FIEMAP = String(0xc020660b | 0);
	const opens = ['openat', ...(process.arch === 'x64' ? ['open'] : [])];
	const noTemporary = (errno: number) =>
		opens.map((call) => `${call}@${call === 'open' ? 1 : 2}&${O_TMPFILE}:${O_TMPFILE}=${errno}`);

	test.each([EPERM, ENOSYS, 22])('O_TMPFILE, with errno %d: a kind has a file that is unlinked at once', (errno) => {
		const directory = temporaryDirectory(tmpfs);
		const body = `const kind = d.PmemKind.create(path, { maxSize: 2 ** 24 });
			say([kind.malloc(10).fill(3)[9], (await import('node:fs')).readdirSync(path), d.isDax(path)])`;
		expect(evaluateIn(refusing(...noTemporary(errno)), body, directory)).toEqual([3, [], false]);
	});

	test.each(['statfs', 'fstatfs', 'madvise@2&-1:10', 'fallocate'])(
		'%s: what works without it works, and what does not says that a sandbox may be why',
		(call) => {
			const directory = temporaryDirectory(tmpfs);
			const body = `
				const failed = [];
				for (const maxSize of [2 ** 24, 0]) {
					try { d.PmemKind.create(path, { maxSize, prefault: maxSize > 0 }).close(); } catch (e) { failed.push(e.message); }
				}
				say({ failed, dax: d.explain(path).dax })`;
			for (const errno of [EPERM, ENOSYS]) {
				const said = evaluateIn(refusing(`${call}=${errno}`), body, directory) as { failed: string[]; dax: boolean };
				expect(said.dax).toBe(false);
				for (const message of said.failed) {
					expect(message).toMatch(/seccomp profile of a container runtime|give maxSize/);
				}
				expect(said.failed).toHaveLength({ statfs: 0, fstatfs: 1, fallocate: 1 }[call] ?? 2);
			}
		},
	);

	test.each([EPERM, ENOSYS])('ioctl, with errno %d: reports go on without flags and extents', (errno) => {
		const file = join(temporaryDirectory(), 'file');
		writeFileSync(file, 'x'.repeat(8192));
		const ioctls = [FS_IOC_FSGETXATTR, FS_IOC_FIEMAP].map((request) => `ioctl@1&-1:${request}=${errno}`);
		const report = evaluateIn(refusing(...ioctls), 'say(d.inspect(path))', file);
		const code = errno === EPERM ? 'EPERM' : 'ENOSYS';
		expect(report).toMatchObject({ dax: false, file: { flag: null, xflagsError: code }, hugePages: { extents: null } });
	});

	test('ioctl: who asks for the flag, or sets it, is told of the sandbox, not of another owner', () => {
		const ioctls = [0x801c581f | 0, 0x401c5820].map((request) => `ioctl@1&-1:${request}=1`);
		const body = `say([() => d.getDaxFlag(path), () => d.setDaxFlag(path, true)].map((call) => { try { call(); } catch (e) { return e.message; } }))`;
		const message = expect.stringMatching(/^EPERM: have the sandbox allow ioctl .*seccomp profile/);
		expect(evaluateIn(refusing(...ioctls), body, temporaryDirectory())).toEqual([message, message]);
	});

	test('mmap with MAP_SYNC: it is not known whether it is accepted', () => {
		const directory = temporaryDirectory(tmpfs);
		const report = evaluateIn(refusing('mmap@3&524288:524288=1'), 'say(d.inspect(path))', directory);
		expect(report).toMatchObject({
			dax: false,
			mapSync: { supported: null, error: 'EPERM' },
			kernel: { mapSync: null },
		});
	});
});

describe.skipIf(problem !== undefined)('a kernel before 5.8', () => {
	test('remedies use the one word that it has', () => {
		const directory = temporaryDirectory(tmpfs);
		const { status, stdout } = daxkindIn(before58, 'explain', '--json', directory);
		expect(status).toBe(1);
		expect(JSON.parse(stdout)).toMatchObject({ dax: false, remedy: expect.stringMatching(/mounted with -o dax$/) });
		expect(stdout).not.toContain('dax=');
	});

	test('a kind on tmpfs is known not to be on DAX', () => {
		const body = `say([d.statx(path).dax, d.isDax(path), d.PmemKind.create(path, { maxSize: 2 ** 24 }).dax])`;
		expect(evaluateIn(before58, body, temporaryDirectory(tmpfs))).toEqual([null, false, false]);
	});
});

const canUnshare = spawnSync('unshare', ['-m', 'true']).status === 0;

describe.skipIf(!canUnshare)('in a mount namespace', () => {
	const without = (...directories: string[]) => {
		const umount = directories.map((directory) => `umount -l ${directory}`).join(' && ');
		return ['unshare', '-m', 'sh', '-c', `${umount} && exec "$0" "$@"`];
	};

	test('without /proc mounts cannot tell, and explain goes on without the table', () => {
		expect(daxkindIn(without('/proc'), 'mounts')).toMatchObject({
			status: 2,
			stdout: '',
			stderr: expect.stringMatching(
				/^daxkind mounts: ENOENT: the table of mounts is missing; mount \/proc, .*mountinfo'\n$/,
			),
		});
		const { status, stdout } = daxkindIn(without('/proc'), 'explain', tmpfs);
		expect(status).toBe(1);
		expect(stdout.replace(/\s+/g, ' ')).toContain('the table of mounts cannot be read ENOENT (/proc/self/mountinfo)');
	});

	test('without /sys it is not known what a device can do: mounts does not count it, and remedies depend on it', () => {
		const { status, stdout } = daxkindIn(without('/sys'), 'mounts', '--json');
		for (const { fsType, effectiveMode } of JSON.parse(stdout)) {
			if (fsType !== 'overlay') expect(effectiveMode).toBeNull();
		}
		// The test cannot know whether this machine has such a mount.
		expect(status).toBe(JSON.parse(stdout).length > 0 ? 2 : 1);
		const { remedy } = JSON.parse(daxkindIn(without('/sys'), 'explain', '--json', temporaryDirectory()).stdout);
		if (/chattr \+x/.test(remedy)) expect(remedy).toMatch(/^if its device can do DAX, which cannot be read here: /);
	});
});

test('without a descriptor left it is an error, never an empty answer', () => {
	const body = `
		const { openSync, closeSync } = await import('node:fs');
		const held = [];
		d.findDaxMounts();
		try { for (;;) held.push(openSync('/dev/null')); } catch {}
		const calls = { findDaxMounts: () => d.findDaxMounts(), inspect: () => d.inspect(path), explain: () => d.explain(path), isDax: () => d.isDax(path) };
		const codes = Object.values(calls).map((call) => { try { call(); return 'nothing'; } catch (e) { return e.code; } });
		held.forEach(closeSync);
		say(codes)`;
	const few = ['sh', '-c', 'ulimit -n 128 && exec "$0" "$@"'];
	expect(evaluateIn(few, body, temporaryDirectory(tmpfs))).toEqual(Array(4).fill('EMFILE'));
});
