// Real DAX on a kernel that does not report it of files (before 5.8), and where a sandbox refuses statx. A program
// between the command and the guest's kernel imitates each. test/dax/sandbox.test.ts tests what needs no DAX.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { explain } from 'daxkind/dax';
import { beforeAll, describe, expect, test } from 'vitest';
import { erofs, ext4, never, scratch, virtioPmem, xfs } from '../helpers/guest.ts';
import { before58, daxkindIn, evaluateIn, problem, refusing } from '../helpers/sandbox.ts';
import { mkfs, mounted, sh } from '../helpers/scratch.ts';

/**
 * What every call says of directories, and of a file in each. One process makes all calls, because a process takes long
 * to start there.
 */
const ask = `
	const { readdirSync } = await import('node:fs');
	const attempt = (call) => { try { return call(); } catch (e) { return e; } };
	const of = (path) => {
		const file = path + '/' + readdirSync(path).find((name) => name.endsWith('.bin'));
		const kind = attempt(() => d.PmemKind.create(path, { maxSize: 2 ** 24 }));
		const required = attempt(() => d.PmemKind.create(path, { maxSize: 2 ** 24, requireDax: true }));
		const attached = attempt(() => d.Kind.attach(kind.share()).dax);
		const [directory, one] = [path, file].map((at) => d.explain(at));
		return { kind: kind.dax, attached, required: required.message ?? required.dax, isDax: [attempt(() => d.isDax(path)), d.isDax(file)],
			explained: [directory.dax, one.dax], reason: directory.reason, remedy: directory.remedy, knownBy: d.inspect(file).knownBy };
	};
	say({ said: JSON.parse(path).map(of), mounts: d.findDaxMounts().map((m) => [m.mountPoint, m.newFiles]) })`;

interface Said {
	said: Record<string, unknown>[];
	mounts: [mountPoint: string, newFiles: boolean | null][];
}

/** Makes a directory with a file in each mount, and has the calls made about them. */
function askIn(there: string[], mountPoints: readonly string[]): Said {
	const directories = mountPoints.map((mountPoint) => mkdtempSync(join(mountPoint, 'old-')));
	try {
		for (const directory of directories) writeFileSync(join(directory, 'file.bin'), 'x'.repeat(8192));
		return evaluateIn(there, ask, JSON.stringify(directories)) as Said;
	} finally {
		for (const directory of directories) rmSync(directory, { recursive: true });
	}
}

const everywhere = (dax: unknown) => ({ kind: dax, attached: dax, isDax: [dax, dax], explained: [dax, dax] });

describe.skipIf(problem !== undefined).each([
	['a kernel before 5.8', before58],
	['a sandbox that refuses statx', refusing('statx=1')],
])('on %s', (_, there) => {
	let answers: Said;
	let plain = '';
	let asynchronous = '';
	beforeAll(() => {
		sh(`${mkfs.ext4} ${scratch} && ${mkfs.ext4} ${virtioPmem}`);
		mounted(scratch, 'defaults', (withoutOption) => {
			mounted(virtioPmem, 'dax', (withoutMapSync) => {
				[plain, asynchronous] = [withoutOption, withoutMapSync];
				answers = askIn(there, [ext4, xfs, withoutMapSync, never, withoutOption]);
			});
		});
	});

	test('MAP_SYNC proves that files of an ext4 and an XFS with dax=always are on DAX', () => {
		const proven = { ...everywhere(true), required: true, knownBy: 'MAP_SYNC' };
		expect(answers.said.slice(0, 2)).toMatchObject([proven, proven]);
	});

	test('where MAP_SYNC is refused, the mount says it', () => {
		expect(answers.said[2]).toMatchObject({ ...everywhere(true), required: true, knownBy: 'rules' });
	});

	test('without the option on the mount it is off, and the remedy is one that such a kernel takes', () => {
		const reasons = ['with dax=never', there === before58 ? 'without the dax option' : 'does not have the DAX flag'];
		for (const [n, reason] of reasons.entries()) {
			const said = answers.said[3 + n]!;
			expect(said).toMatchObject({ ...everywhere(false), reason: expect.stringContaining(reason) });
			expect(said.required).toContain(`is not on DAX: ${said.reason}`);
			expect(said.remedy).toMatch(/^umount \S+ && mount -o dax \/dev\/pmem\d+ /);
		}
	});

	test('the mounts with DAX are found', () => {
		const found = new Map(answers.mounts);
		for (const mountPoint of [ext4, xfs, asynchronous]) expect(found.get(mountPoint)).toBe(true);
		expect(found.has(never)).toBe(false);
		expect(found.get(plain)).toBe(there === before58 ? undefined : false);
	});
});

describe.skipIf(problem !== undefined)('where statx is refused', () => {
	const there = refusing('statx=1');

	test('a flag may be in effect or not: it is not known, and the remedy is the sandbox', () => {
		sh(`${mkfs.ext4} ${virtioPmem}`);
		mounted(virtioPmem, 'dax=inode', (mountPoint) => {
			sh(`xfs_io -c 'chattr +x' ${mountPoint}`);
			const [said] = askIn(there, [mountPoint]).said;
			const remedy = expect.stringContaining('seccomp profile');
			expect(said).toMatchObject({ ...everywhere(null), remedy, knownBy: null });
			expect(said!.required).toMatch(/^It is not known whether '.*' is on DAX: .*statx.* is refused/);
			expect(daxkindIn(there, 'explain', mountPoint)).toMatchObject({
				status: 2,
				stdout: expect.stringMatching(/^It is not known whether /),
			});
			expect(explain(mountPoint).dax).toBe(true);
		});
	});

	test('a mount that covers another is told by its device, and an image by its mount', () => {
		sh(`${mkfs.ext4} ${scratch}`);
		mounted(scratch, 'dax=always', (mountPoint) => {
			sh(`mount -t tmpfs cover ${mountPoint}`);
			const body = `say({ mounts: d.findDaxMounts().map((m) => m.mountPoint), erofs: [d.isDax(path + '/directory/data.bin'), d.explain(path).dax] })`;
			const { mounts: found, erofs: image } = evaluateIn(there, body, erofs) as Record<string, unknown>;
			sh(`umount ${mountPoint}`);
			expect(found).not.toContain(mountPoint);
			expect(found).toContain(ext4);
			// An erofs takes no MAP_SYNC, either.
			expect(image).toEqual([true, true]);
		});
	});
});

test('without /proc mounts cannot tell, though there are mounts with DAX', () => {
	// Below /proc the guest has an image of the host's /proc. Its table of mounts is empty.
	const there = ['unshare', '-m', 'sh', '-c', 'umount -l /proc && exec "$0" "$@"'];
	expect(daxkindIn(there, 'mounts')).toMatchObject({
		status: 2,
		stdout: '',
		stderr: expect.stringMatching(/the table of mounts is (?:missing|empty)/),
	});
});
