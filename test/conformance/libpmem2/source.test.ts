// pmem2_source, pmem2_source_size and pmem2_source_alignment: what can be mapped, how long it is, and where a mapping
// may begin. Here the source is the first argument of mapFile. Left out: a failing malloc (test_alloc_src_enomem) and
// pmem2_source_delete, because nothing is allocated that could be deleted; pmem2_source_get_fd, because the caller has
// the descriptor; pread_mcsafe and pwrite_mcsafe, because an access to a mapping never raises SIGBUS here
// (test/guest-memory/guard.test.ts); device_id, device_usc and numa_node, which are facts of devices, not of mappings;
// the same on device DAX, which only a guest has.
import { closeSync, constants, ftruncateSync, openSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { mapDevice, mapFile } from 'daxkind';
import { expect, onTestFinished, test } from 'vitest';
import { native } from '#lib/native.js';
import { KIB, MIB } from '#lib/size.js';
import { spawnSync } from '../../helpers/children.ts';
import { map, zeroFile } from '../../helpers/mappings.ts';
import { holdings } from '../../helpers/process.ts';
import { temporaryDirectory, tmpfs } from '../../helpers/temporary-directory.ts';

const { PAGE_SIZE } = native.constants;
/** Flags that Node does not have (asm-generic/fcntl.h). */
const O_PATH = 0o10000000;
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;

const code = (code: string) => expect.objectContaining({ code });

/** Makes a file of zeros on tmpfs. */
const newFile = (length = 16 * KIB) => zeroFile(length);

/** A descriptor that is closed after the test. */
function descriptor(path: string, flags: string | number): number {
	const fd = openSync(path, flags);
	onTestFinished(() => {
		closeSync(fd);
	});
	return fd;
}

/** A descriptor of no open file. */
function closedDescriptor(): number {
	const fd = openSync('/dev/null', 'r');
	closeSync(fd);
	return fd;
}

/** Expects that a call throws, and leaves no descriptor and no mapping behind. */
function refused(call: () => unknown, error: unknown): void {
	const before = holdings();
	expect(call).toThrow(error as Error);
	expect(holdings()).toEqual(before);
}

test('test_set_rw_fd: a descriptor for reading and writing is mapped', () => {
	const path = newFile();
	const mapping = map(descriptor(path, 'r+'));
	expect(mapping).toMatchObject({ source: 'file', length: 16 * KIB, writable: true, path: undefined });
	mapping.write(0, Buffer.from('stored'));
	expect(readFileSync(path, 'latin1').slice(0, 6)).toBe('stored');
});

test('test_set_ro_fd: a read-only descriptor is mapped if nothing is to be stored', () => {
	const fd = descriptor(newFile(), 'r');
	expect(map(fd, { writable: false }).length).toBe(16 * KIB);
	expect(map(fd, { sharing: 'private' }).length).toBe(16 * KIB);
});

test('test_set_invalid_fd: a closed descriptor is EBADF, before anything is mapped', () => {
	refused(() => mapFile(closedDescriptor()), expect.objectContaining({ code: 'EBADF', errno: -9, syscall: 'statx' }));
});

test.each([
	['shared', {}],
	['private', { sharing: 'private' }],
	['not writable', { writable: false }],
] as const)('test_set_wronly_fd: a write-only descriptor is EACCES of mmap for a mapping that is %s', (_, options) => {
	const fd = descriptor(newFile(), constants.O_WRONLY);
	refused(() => mapFile(fd, options), expect.objectContaining({ code: 'EACCES', syscall: 'mmap' }));
});

test('an O_PATH descriptor, which gives no access to the file, is EBADF of mmap', () => {
	const fd = descriptor(newFile(), O_PATH);
	refused(() => mapFile(fd), expect.objectContaining({ code: 'EBADF', syscall: 'mmap' }));
});

test("test_set_directory_fd: a directory's descriptor is refused as no regular file", () => {
	const directory = temporaryDirectory();
	const fd = descriptor(directory, 'r');
	refused(() => mapFile(fd), code('ERR_DAXKIND_FILE_TYPE'));
	refused(() => mapFile(directory), expect.objectContaining({ code: 'EISDIR', syscall: 'open', path: directory }));
	refused(() => mapFile(directory, { writable: false }), code('ERR_DAXKIND_FILE_TYPE'));
});

test.each(['/dev/null', '/dev/zero', '/dev/full', '/dev/urandom'])(
	'test_get_fd_inval_type: the character device %s is refused as no regular file, and the error names it',
	(path) => {
		const error = { code: 'ERR_DAXKIND_FILE_TYPE', message: expect.stringContaining(path) };
		refused(() => mapFile(path), expect.objectContaining(error));
		const fd = descriptor(path, 'r');
		refused(() => mapFile(fd), code('ERR_DAXKIND_FILE_TYPE'));
	},
);

test('test_get_fd_inval_type: a pipe is refused as no regular file, and opening it does not wait for a writer', () => {
	const path = join(temporaryDirectory(), 'pipe');
	expect(spawnSync('mkfifo', [path]).status).toBe(0);
	refused(() => mapFile(path, { writable: false }), code('ERR_DAXKIND_FILE_TYPE'));
});

test('test_get_fd_inval_type: a socket cannot be opened as a file', async () => {
	const path = join(temporaryDirectory(), 'socket');
	const server = createServer().listen(path);
	onTestFinished(() => void server.close());
	await new Promise((resolve) => server.once('listening', resolve));
	refused(
		() => mapFile(path),
		expect.objectContaining({ code: 'ENXIO', syscall: 'open', message: expect.stringContaining('a socket') }),
	);
});

test.each(['/proc/version', '/proc/self/maps'])(
	'the file %s, whose size is 0 whatever it says, is refused as empty',
	(path) => {
		refused(() => mapFile(path, { writable: false }), code('ERR_OUT_OF_RANGE'));
	},
);

test('test_set_invalid_fd: a path to no file is ENOENT with the path', () => {
	const path = join(temporaryDirectory(), 'none');
	refused(() => mapFile(path), expect.objectContaining({ code: 'ENOENT', syscall: 'open', path }));
});

test.each(['/dev/null', '/dev/zero', '/dev/dax-none', '/etc/passwd', ''])(
	'test_map_sharing_private_devdax: %j is no device-DAX device, and mapDevice does not map it as something else',
	(path) => {
		refused(() => mapDevice(path), code('ERR_DAXKIND_NO_DEVICE'));
	},
);

// pmem2_source_size

test.each([16 * KIB, 16 * MIB, 16 * MIB - 1, 1])(
	'test_normal_file_fd: a file of %d bytes is mapped with all of them',
	(length) => {
		const path = newFile(length);
		expect(map(path).length).toBe(length);
		expect(map(descriptor(path, 'r+')).buffer.length).toBe(length);
	},
);

test('test_tmpfile_fd: a file without a name is mapped with its length', () => {
	const fd = openSync(temporaryDirectory(tmpfs), O_TMPFILE | constants.O_RDWR, 0o600);
	ftruncateSync(fd, 16 * MIB);
	const mapping = map(fd);
	closeSync(fd);
	expect(mapping.length).toBe(16 * MIB);
	mapping.buffer.fill(1, MIB);
	expect(mapping.persist()).toBeUndefined();
});

test('the size is the one that the file has when it is mapped', () => {
	const path = newFile(PAGE_SIZE);
	const fd = descriptor(path, 'r+');
	expect(map(fd).length).toBe(PAGE_SIZE);
	truncateSync(path, 3 * PAGE_SIZE);
	expect(map(fd).length).toBe(3 * PAGE_SIZE);
});

test('pmem2_source_size: the place at which the descriptor reads does not matter, and stays', () => {
	const path = newFile(0);
	writeFileSync(path, Buffer.alloc(PAGE_SIZE, 'abc'));
	const fd = descriptor(path, 'r+');
	readFileSync(fd);
	expect(map(fd).buffer.toString('latin1', 0, 3)).toBe('abc');
	expect(readFileSync(fd).length).toBe(0);
});

// pmem2_source_alignment

test('test_get_alignment_success: a mapping of a file begins at any page of it, and nowhere else', () => {
	const path = newFile(4 * PAGE_SIZE);
	for (const offset of [0, PAGE_SIZE, 3 * PAGE_SIZE]) {
		expect(map(path, { offset }).length).toBe(4 * PAGE_SIZE - offset);
	}
	for (const offset of [1, 64, PAGE_SIZE / 2, PAGE_SIZE - 1, PAGE_SIZE + 1]) {
		const error = {
			code: 'ERR_OUT_OF_RANGE',
			message: expect.stringContaining(`a multiple of the page size, ${PAGE_SIZE}`),
		};
		refused(() => mapFile(path, { offset }), expect.objectContaining(error));
	}
});
