// The native layer and lib/dax on real DAX.
import {
	mkdirSync,
	mkdtempSync,
	openSync,
	readdirSync,
	readFileSync,
	readSync,
	rmSync,
	truncateSync,
	writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { explain, findDaxMounts, getFsxattr, isDax, setDaxFlag, statx } from '#lib/dax/index.js';
import { mapFile } from '#lib/mapping/index.js';
import { native } from '#lib/native.js';
import { execFileSync, spawnSync } from '../helpers/children.ts';
import * as guest from '../helpers/guest.ts';
import { map, mappingFlags } from '../helpers/mappings.ts';

const mebibyte = 1024 * 1024;
const directories = [guest.ext4, guest.xfs, guest.never].map((mount) => mkdtempSync(join(mount, 'native-')));
const [ext4, xfs, never] = directories as [string, string, string];
afterAll(() => {
	for (const directory of directories) rmSync(directory, { recursive: true });
});

const onDax: [string, string][] = [
	['ext4 with dax=always', ext4],
	['XFS with dax=always', xfs],
];
const everywhere: [string, string][] = [...onDax, ['ext4 with dax=never', never]];

let files = 0;

function newFile(directory: string, size = 0): string {
	files += 1;
	const path = join(directory, `file-${files}`);
	writeFileSync(path, Buffer.alloc(size));
	return path;
}

const xfsIo = (path: string, command: string) =>
	execFileSync('xfs_io', ['-r', '-c', command, path], { encoding: 'utf8' });
const hasXfsIo = spawnSync('xfs_io', ['-V']).status === 0;

test('statfs knows the file systems', () => {
	const { EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, EROFS_SUPER_MAGIC_V1 } = native.constants;
	const types = [guest.ext4, guest.xfs, guest.erofs].map((mount) => native.statfs(mount).type);
	expect(types).toEqual([EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, EROFS_SUPER_MAGIC_V1]);
});

test.each(onDax)('a file on %s has STATX_ATTR_DAX, its directory has not', (_, directory) => {
	const { STATX_ATTR_DAX } = native.constants;
	const file = statx(newFile(directory));
	expect(file.attributesMask & STATX_ATTR_DAX).toBe(STATX_ATTR_DAX);
	expect(file.attributes & STATX_ATTR_DAX).toBe(STATX_ATTR_DAX);
	expect(file.dax).toBe(true);
	expect(statx(directory).dax).toBe(false);
	expect(native.statxTemporary(directory).dax).toBe(true);
	expect(isDax(directory)).toBe(true);
	expect(explain(directory)).toMatchObject({ dax: true });
});

test('with dax=never it is off, and explain names the option and the mount that fixes it', () => {
	const path = newFile(never);
	expect(statx(path).dax).toBe(false);
	expect(isDax(never)).toBe(false);
	for (const seen of [path, never]) {
		expect(explain(seen)).toMatchObject({
			dax: false,
			reason: `${guest.never} is mounted with dax=never`,
			remedy: expect.stringContaining(`mount -o dax=always /dev/pmem2 ${guest.never}`),
		});
	}
});

test('the DAX mounts are found, and only they', () => {
	const found = new Map(findDaxMounts().map(({ mountPoint, newFiles }) => [mountPoint, newFiles]));
	// No file can be made in an erofs.
	const expected: [string, boolean | undefined][] = [
		...[guest.ext2, guest.ext4, guest.xfs].map((path): [string, boolean] => [path, true]),
		[guest.erofs, undefined],
	];
	expect(found).toEqual(new Map(expected));
});

test.skipIf(!hasXfsIo).each(everywhere)('statx agrees with xfs_io on %s', (_, directory) => {
	const path = newFile(directory);
	const { attributes, attributesMask } = statx(path);
	const raw = xfsIo(path, 'statx -r');
	const field = (name: string) => BigInt(raw.match(new RegExp(`^stat\\.${name} = (\\S+)$`, 'm'))![1]!);
	expect([attributes, attributesMask]).toEqual([field('attributes'), field('attributes_mask')]);
});

test.each(onDax)('on %s MAP_SYNC is accepted, and the kernel marks the mapping so', (_, directory) => {
	const path = newFile(directory, 4 * mebibyte);
	const mapping = map(path, { sync: true });
	expect(mapping).toMatchObject({ sync: true, granularity: 'cache-line' });
	expect(mapping.why).toEqual({
		reason: expect.stringContaining('states no persistence domain'),
		evidence: [{ value: 'not stated', source: expect.stringMatching(/region\d+\/persistence_domain$/) }],
	});
	expect(mapFile(path, { granularity: 'cache-line' }).granularity).toBe('cache-line');
	expect(() => mapFile(path, { granularity: 'byte' })).toThrow(
		expect.objectContaining({ code: 'ERR_DAXKIND_GRANULARITY', granularity: 'cache-line', path }),
	);
	expect(mappingFlags(path)).toContain('sf');
	expect(mappingFlags(path)).toContain('dc');
	expect(map(path, { sync: false }).granularity).toBe('page');
});

test('by default a mapping is made with MAP_SYNC where that is possible', () => {
	expect(map(newFile(xfs, mebibyte)).sync).toBe(true);
	expect(map(newFile(never, mebibyte)).sync).toBe(false);
});

test('off DAX MAP_SYNC is refused with ENOTSUP of mmap', () => {
	const path = newFile(never, mebibyte);
	expect(() => mapFile(path, { sync: true })).toThrow(
		expect.objectContaining({ code: 'ENOTSUP', errno: -95, syscall: 'mmap', path }),
	);
});

test.each(onDax)('what is flushed on %s is what the kernel reads', (_, directory) => {
	const path = newFile(directory, 4 * mebibyte);
	const mapping = map(path, { sync: true });
	const { buffer } = mapping;
	for (let at = 0; at < buffer.length; at += 4) buffer.writeUInt32LE((at * 2654435761) >>> 0, at);
	mapping.persist();
	const read = Buffer.alloc(buffer.length);
	const fd = openSync(path, 'r');
	readSync(fd, read, 0, read.length, 0);
	native.closeDescriptor(fd);
	expect(read.equals(buffer)).toBe(true);
});

test.each(everywhere)('what is persisted on %s, by whatever granularity, is in the file', (_, directory) => {
	const path = newFile(directory, 3 * mebibyte + 5);
	const mapping = map(path);
	mapping.buffer.write('persisted', 3 * mebibyte - 4);
	mapping.persist(3 * mebibyte - 4, 9);
	expect(readFileSync(path).toString('latin1', 3 * mebibyte - 4)).toBe('persisted');
});

test('after unmap the file is let go: its storage comes back when it is deleted', () => {
	const path = newFile(ext4, 64 * mebibyte);
	const mapping = mapFile(path);
	const view = mapping.buffer.subarray(100);
	const free = () => {
		const { blocksFree, blockSize } = native.statfs(ext4);
		return blocksFree * blockSize;
	};
	const before = free();
	rmSync(path);
	expect(free() - before).toBeLessThan(mebibyte);
	mapping.unmap();
	expect(free() - before).toBeGreaterThan(60 * mebibyte);
	expect(view.length).toBe(0);
});

test.each(everywhere)('a sparse file that %s has no room for is ENOSPC of fallocate, never SIGBUS', (_, directory) => {
	const path = newFile(directory);
	truncateSync(path, 2 ** 31);
	expect(() => mapFile(path)).toThrow(expect.objectContaining({ code: 'ENOSPC', syscall: 'fallocate', path }));
	expect(readFileSync('/proc/self/maps', 'utf8')).not.toContain(path);
	rmSync(path);
});

test.each(everywhere)('the DAX flag on %s is set and cleared, and the other flags stay', (_, directory) => {
	const { FS_XFLAG_DAX, FS_XFLAG_NODUMP, FS_XFLAG_NOATIME } = native.constants;
	const others = FS_XFLAG_NODUMP | FS_XFLAG_NOATIME;
	const child = join(directory, 'child');
	mkdirSync(child);
	for (const path of [newFile(directory), child]) {
		native.changeFsxattrFlags(path, others, FS_XFLAG_DAX);
		expect(setDaxFlag(path, true).flag).toBe(true);
		expect(getFsxattr(path).flags & (others | FS_XFLAG_DAX)).toBe(others | FS_XFLAG_DAX);
		if (hasXfsIo) expect(xfsIo(path, 'lsattr').split(' ')[0]).toMatch(/d.*x|x.*d/);
		expect(setDaxFlag(path, false).flag).toBe(false);
		expect(getFsxattr(path).flags & (others | FS_XFLAG_DAX)).toBe(others);
		if (hasXfsIo) expect(xfsIo(path, 'lsattr').split(' ')[0]).not.toContain('x');
	}
	rmSync(child, { recursive: true });
});

test.skipIf(!hasXfsIo)('a flag that xfs_io has set is seen, and what is made in the directory inherits it', () => {
	const { FS_XFLAG_DAX } = native.constants;
	const directory = join(xfs, 'inheriting');
	mkdirSync(directory);
	execFileSync('xfs_io', ['-c', 'chattr +x', directory]);
	expect(getFsxattr(directory).flags & FS_XFLAG_DAX).toBe(FS_XFLAG_DAX);
	expect(getFsxattr(newFile(directory)).flags & FS_XFLAG_DAX).toBe(FS_XFLAG_DAX);
	rmSync(directory, { recursive: true });
});

test.each(everywhere)('fallocate and hole punching on %s are seen in the blocks', (_, directory) => {
	const path = newFile(directory);
	const inUse = () => native.statx(path).blocks * 512;
	truncateSync(path, 16 * mebibyte);
	const fd = native.openFile(path, true);
	try {
		native.allocateOrNothing(fd, 0, 8 * mebibyte);
		expect(inUse()).toBeGreaterThanOrEqual(8 * mebibyte);
		const hole = ['--offset', String(2 * mebibyte), '--length', String(4 * mebibyte)];
		execFileSync('fallocate', ['--punch-hole', ...hole, path]);
		expect(inUse()).toBeLessThan(5 * mebibyte);
	} finally {
		native.closeDescriptor(fd);
		rmSync(path);
	}
});

test("on the guest's overlay too a temporary file leaves no name", () => {
	const directory = mkdtempSync('/tmp/native-');
	onTestFinished(() => rmSync(directory, { recursive: true }));
	const status = native.statxTemporary(directory);
	expect(status).toMatchObject({ links: 0, size: 0 });
	expect(status.mode & 0o777).toBe(0o600);
	expect(readdirSync(directory)).toEqual([]);
	expect(explain(directory)).toMatchObject({ dax: false, reason: expect.stringContaining('overlay') });
});
