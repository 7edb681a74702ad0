// Somebody truncates a file that is mapped. Its pages are zeros from then on, and the program that uses them goes on.
// Each program is a process of its own, because it would be killed if nobody put a page there.
import { truncateSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { mapFile } from 'daxkind';
import { expect, test } from 'vitest';
import { spawnSync } from '../helpers/children.ts';
import { testDirectory } from '../helpers/directory.ts';
import { temporaryDirectory, tmpfs } from '../helpers/temporary-directory.ts';

const root = testDirectory();

/** Runs the program, expects that it comes to its end, and returns what it prints. */
function printed(name: string, before: string[] = [], directory = temporaryDirectory(tmpfs)): string {
	const program = fileURLToPath(new URL(`programs/${name}.mjs`, import.meta.url));
	// losses.test.ts tests the warnings of lost memory.
	const node = [process.execPath, '--disable-warning=DAXKIND_MEDIA_ERROR'];
	const [command, ...args] = [...before, ...node, program, directory];
	const { status, signal, stdout, stderr } = spawnSync(command!, args, { encoding: 'utf8', timeout: 100_000 });
	expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
	return stdout.trim();
}

test('every sort of access to a Buffer finds zeros in lost pages, and leaves there what it writes', {
	timeout: 120_000,
}, () => {
	expect(Number(printed('accesses'))).toBeGreaterThan(80);
});

test('interpreted and optimised loops go on through pages that are lost before them, or under them', () => {
	expect(printed('loops')).toBe('');
});

test("zlib, crypto and fs use lost pages in libuv's threads as if they were zeros", { timeout: 120_000 }, () => {
	expect(printed('pool')).toBe('');
});

test('of increments that four threads make at once in lost pages, none is lost', () => {
	expect(printed('threads')).toBe('20');
});

test('a kind whose file is truncated goes on with malloc and free', () => {
	expect(printed('fixed-kind')).toBe('');
});

test('a process that has as many mappings as it may loses what is between two lost pages, and goes on', () => {
	expect(printed('most-mappings')).toBe('');
});

test('persist of a page that was lost and touched is EFAULT of msync, beside it nothing', () => {
	const path = `${root}/persisted`;
	writeFileSync(path, Buffer.alloc(4 * 4096, 1));
	const mapping = mapFile(path);
	truncateSync(path, 2 * 4096);
	mapping.buffer[2 * 4096] = 7;
	const lost = expect.objectContaining({
		message: expect.stringMatching(`^EFAULT: .*, msync '${path}'$`),
		code: 'EFAULT',
		errno: -14,
		syscall: 'msync',
		path,
	});
	mapping.persist(0, 2 * 4096);
	expect(() => mapping.persist(0, 2 * 4096 + 1)).toThrow(lost);
	expect(() => mapping.persist(3 * 4096 - 1, 1)).toThrow(lost);
	expect(() => mapping.persist()).toThrow(lost);
	// Nobody has touched the last page.
	expect(() => mapping.persist(3 * 4096)).toThrow(expect.objectContaining({ code: 'EFAULT', syscall: 'madvise' }));
	// The file does not hold what the page holds, even when it is as long as before.
	truncateSync(path, 4 * 4096);
	mapping.persist(3 * 4096);
	expect(() => mapping.persist()).toThrow(lost);
	expect(mapping.buffer[2 * 4096]).toBe(7);
	mapping.unmap();
});

test('copies of a whole ArrayBuffer, of which a small file system has no page left, end and take no room', ({
	skip,
}) => {
	const directory = temporaryDirectory();
	const mount = `mount -t tmpfs -o size=20M tmpfs ${directory}`;
	const there = (command: string) => ['unshare', '-m', 'sh', '-c', command];
	const [program, ...words] = there(mount);
	skip(spawnSync(program!, words).status !== 0, 'a file system can only be mounted by root');
	const rooms = JSON.parse(printed('copies', there(`${mount} && exec "$0" "$@"`), directory));
	expect(rooms.before).toBeGreaterThan(250);
	expect(rooms).toEqual(Object.fromEntries(Object.keys(rooms).map((name) => [name, rooms.before])));
});
