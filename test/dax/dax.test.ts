// The public calls of lib/dax, off DAX. test/guest/dax.test.ts calls them on DAX.
import {
	closeSync,
	mkdirSync,
	openSync,
	readdirSync,
	readFileSync,
	symlinkSync,
	unlinkSync,
	writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { explain, findDaxMounts, getDaxFlag, getFsxattr, inspect, isDax, setDaxFlag, statx } from '#lib/dax/index.js';
import { native } from '#lib/native.js';
import { execFileSync } from '../helpers/children.ts';
import { temporaryDirectory, tmpfs } from '../helpers/temporary-directory.ts';

test('tmpfs is not on DAX, because tmpfs has none', () => {
	const directory = temporaryDirectory(tmpfs);
	const file = join(directory, 'file');
	writeFileSync(file, '');
	for (const path of [directory, file]) {
		expect(isDax(path)).toBe(false);
		expect(explain(path)).toMatchObject({
			dax: false,
			reason: 'the file system is tmpfs, which has no DAX',
			remedy: expect.stringContaining('ext4 or XFS'),
		});
	}
	expect(readdirSync(directory)).toEqual(['file']);
});

test('an ordinary directory is not on DAX, and the reason names its file system or its device', () => {
	const directory = temporaryDirectory();
	const { dax, reason, remedy } = explain(directory);
	expect(dax).toBe(false);
	const { mountId } = native.statx(directory);
	const line = readFileSync('/proc/self/mountinfo', 'utf8')
		.split('\n')
		.find((text) => text.startsWith(`${mountId} `))!;
	const [type, source] = line.slice(line.indexOf(' - ') + 3).split(' ');
	expect(reason).toMatch(new RegExp(`is ${type}, which has no DAX|overlay|cannot do DAX|${source}`));
	expect(remedy).toContain('persistent-memory');
});

test('what is neither a file nor a directory is told apart', () => {
	const fifo = join(temporaryDirectory(), 'fifo');
	execFileSync('mkfifo', [fifo]);
	for (const path of ['/dev/null', fifo]) {
		expect(isDax(path)).toBe(false);
		expect(explain(path)).toMatchObject({
			dax: false,
			reason: expect.stringContaining('neither a file nor a directory'),
		});
	}
});

test('a link of /proc to a deleted file is followed to that file, not by its text', () => {
	const directory = temporaryDirectory();
	const file = join(directory, 'file');
	writeFileSync(file, 'x'.repeat(8192), { flush: true });
	const fd = openSync(file, 'r');
	try {
		unlinkSync(file);
		// The text of the link names this path.
		writeFileSync(`${file} (deleted)`, '');
		const path = `/proc/self/fd/${fd}`;
		const { file: seen, hugePages, mapSync } = inspect(path);
		expect(seen).toMatchObject({ realPath: path, size: 8192 });
		expect(seen.xflagsError).not.toBe('ELOOP');
		expect(mapSync.tried).toBe('the file');
		expect(hugePages.extents).not.toBe(0);
	} finally {
		closeSync(fd);
	}
});

test('a directory in which nothing can be made still gets a reason', () => {
	expect(() => isDax('/proc')).toThrow(expect.objectContaining({ syscall: 'open', path: '/proc' }));
	expect(explain('/proc').reason).toBe('the file system is proc, which has no DAX');
});

test('the DAX mounts of this machine are those that explain says are on DAX', () => {
	const found = findDaxMounts().map(({ mountPoint, newFiles }) => ({ mountPoint, dax: newFiles === true }));
	expect(found).toEqual(found.map(({ mountPoint }) => ({ mountPoint, dax: explain(mountPoint).dax })));
});

test.each([
	[null, 'options'],
	['all', 'options'],
	[{ all: 'no' }, 'options.all'],
])('findDaxMounts(%j) is refused', (options, name) => {
	expect(() => findDaxMounts(options as never)).toThrow(
		expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE', message: expect.stringContaining(`"${name}"`) }),
	);
});

test.each([
	['statx', statx],
	['isDax', isDax],
	['explain', explain],
])('%s of a missing path is ENOENT of statx', (_, call) => {
	expect(() => call('/missing')).toThrow(
		expect.objectContaining({ code: 'ENOENT', errno: -2, syscall: 'statx', path: '/missing' }),
	);
});

test.each([
	['statx', statx],
	['isDax', isDax],
	['explain', explain],
	['getFsxattr', getFsxattr],
	['getDaxFlag', getDaxFlag],
	['setDaxFlag', (path: string) => setDaxFlag(path, true)],
])('%s takes a string or a URL, and nothing else', (_, call) => {
	for (const value of [undefined, null, 1, {}, Buffer.from('/')]) {
		expect(() => call(value as never)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }));
	}
	expect(() => call('/tmp\0')).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }));
	expect(() => call(new URL('https://example.org/') as never)).toThrow(
		expect.objectContaining({ code: 'ERR_INVALID_URL_SCHEME' }),
	);
});

test('a URL names the same file', () => {
	const directory = temporaryDirectory();
	expect(statx(pathToFileURL(directory)).inode).toBe(statx(directory).inode);
});

test('the last component of a path to flags may not be a symbolic link, those before may', () => {
	const directory = temporaryDirectory();
	mkdirSync(join(directory, 'real'));
	symlinkSync('real', join(directory, 'link'));
	expect(() => getFsxattr(join(directory, 'link'))).toThrow(
		expect.objectContaining({ code: 'ELOOP', syscall: 'open' }),
	);
	expect(() => getFsxattr(join(directory, 'link/missing'))).toThrow(expect.objectContaining({ code: 'ENOENT' }));
});
