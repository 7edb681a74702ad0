// Real DAX on a kernel that does not report it of files (before 5.8), and where a sandbox refuses statx: both are put between the command
// and the guest's kernel. test/dax/sandbox.test.ts has what needs no DAX.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { erofs, ext4, never, scratch, virtioPmem, xfs } from '../helpers/guest.ts';
import { before58, daxkindIn, evaluateIn, problem, refusing } from '../helpers/sandbox.ts';
import { made, mkfs, mounted, sh } from '../helpers/scratch.ts';

/** What everything that is asked says of a directory and of a file in it. */
const ask = `
	const { readdirSync } = await import('node:fs');
	const attempt = (call) => { try { return call(); } catch (e) { return e; } };
	const file = path + '/' + readdirSync(path).find((name) => name.endsWith('.bin'));
	const kind = attempt(() => d.PmemKind.create(path, { maxSize: 2 ** 24 }));
	const required = attempt(() => d.PmemKind.create(path, { maxSize: 2 ** 24, requireDax: true }));
	const attached = attempt(() => d.Kind.attach(kind.share()).dax);
	const synced = attempt(() => d.PmemKind.create(path, { maxSize: 2 ** 24, mapSync: true }).dax);
	const [directory, one] = [path, file].map((at) => d.explain(at));
	say({ kind: kind.dax, attached, synced, required: required.message ?? required.dax, isDax: [attempt(() => d.isDax(path)), d.isDax(file)],
		explained: [directory.dax, one.dax], reason: directory.reason, remedy: directory.remedy, knownBy: d.inspect(file).knownBy })`;

const everywhere = (dax: unknown) => ({ kind: dax, attached: dax, isDax: [dax, dax], explained: [dax, dax] });

/** A directory with a file in it. */
function populated(mountPoint: string): string {
	const directory = mkdtempSync(join(mountPoint, 'old-'));
	writeFileSync(join(directory, 'file.bin'), 'x'.repeat(8192));
	return directory;
}

describe.skipIf(problem !== undefined).each([
	['a kernel before 5.8', before58],
	['a sandbox that refuses statx', refusing('statx=1')],
])('%s', (_, there) => {
	const inOld = (mountPoint: string, body = ask) => {
		const directory = populated(mountPoint);
		try {
			return evaluateIn(there, body, directory) as Record<string, unknown>;
		} finally {
			rmSync(directory, { recursive: true });
		}
	};

	test.each([
		['ext4', ext4],
		['XFS', xfs],
	])('MAP_SYNC proves that files of an %s with dax=always are on DAX', (_type, mountPoint) => {
		expect(inOld(mountPoint)).toMatchObject({ ...everywhere(true), synced: true, required: true, knownBy: 'MAP_SYNC' });
	});

	test('where MAP_SYNC is refused, the mount says it', () => {
		made(virtioPmem, mkfs.ext4, 'dax', (mountPoint) => {
			expect(inOld(mountPoint)).toMatchObject({
				...everywhere(true),
				synced: expect.objectContaining({ code: 'ENOTSUP' }),
				required: true,
				knownBy: 'rules',
			});
		});
		const body = `say([d.isDax(path + '/directory/data.bin'), d.explain(path).dax])`;
		expect(evaluateIn(there, body, erofs)).toEqual([true, true]);
	});

	test('without the option on the mount it is off, and the remedy is one that such a kernel takes', () => {
		for (const [device, mountOptions, reason] of [
			[undefined, '', 'is mounted with dax=never'],
			[scratch, 'defaults', there === before58 ? 'without the dax option' : 'does not have the DAX flag'],
		] as const) {
			const expectOff = (mountPoint: string) => {
				const said = inOld(mountPoint);
				expect(said).toMatchObject({ ...everywhere(false), reason: expect.stringContaining(reason) });
				expect(said.required).toContain(`is not on DAX: ${said.reason}`);
				expect(said.remedy).toMatch(/^umount \S+ && mount -o dax \/dev\/pmem\d+ /);
			};
			if (device === undefined) expectOff(never);
			else made(device, mkfs.ext4, mountOptions, expectOff);
		}
	});

	test('the mounts with DAX are found', () => {
		const { status, stdout } = daxkindIn(there, 'mounts');
		expect(status).toBe(0);
		for (const mountPoint of [ext4, xfs]) expect(stdout).toMatch(new RegExp(`^${mountPoint} .* always +yes$`, 'm'));
	});
});

describe.skipIf(problem !== undefined)('where statx is refused', () => {
	const there = refusing('statx=1');

	test('a flag may be in effect or not: it is not known, and the remedy is the sandbox', () => {
		sh(`${mkfs.ext4} ${virtioPmem}`);
		mounted(virtioPmem, 'dax=inode', (mountPoint) => {
			sh(`xfs_io -c 'chattr +x' ${mountPoint}`);
			const directory = populated(mountPoint);
			const remedy = expect.stringContaining('seccomp profile');
			const said = evaluateIn(there, ask, directory) as Record<string, string>;
			expect(said).toMatchObject({ ...everywhere(null), remedy, knownBy: null });
			expect(said.required).toMatch(/^It is not known whether '.*' is on DAX: .*statx.* is refused/);
			expect(daxkindIn(there, 'explain', directory)).toMatchObject({
				status: 2,
				stdout: expect.stringMatching(/^It is not known whether /),
			});
			expect(daxkindIn([], 'explain', directory).status).toBe(0);
		});
	});

	test('a mount that covers another is told by its device', () => {
		sh(`${mkfs.ext4} ${scratch}`);
		mounted(scratch, 'dax=always', (mountPoint) => {
			sh(`mount -t tmpfs cover ${mountPoint}`);
			const found = evaluateIn(there, 'say(d.findDaxMounts().map((m) => m.mountPoint))', '/');
			sh(`umount ${mountPoint}`);
			expect(found).not.toContain(mountPoint);
			expect(found).toContain(ext4);
		});
	});
});

test('without /proc mounts cannot tell, though there are mounts with DAX', () => {
	// What is below it in the guest is an image of the host's, in which the table is empty.
	const there = ['unshare', '-m', 'sh', '-c', 'umount -l /proc && exec "$0" "$@"'];
	expect(daxkindIn(there, 'mounts')).toMatchObject({
		status: 2,
		stdout: '',
		stderr: expect.stringMatching(/the table of mounts is (?:not there|empty)/),
	});
	expect(daxkindIn(there, 'explain', ext4).status).toBe(0);
});
