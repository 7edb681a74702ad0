// Mapping files that are not on DAX. Only MAP_SYNC itself is not tested here, but in test/guest/dax.test.ts.
import { closeSync, fstatSync, openSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { mapFile } from '#lib/mapping/index.js';
import { native } from '#lib/native.js';
import { execFileSync } from '../helpers/children.ts';
import { map, mappingFlags } from '../helpers/mappings.ts';
import { temporaryDirectory, tmpfs } from '../helpers/temporary-directory.ts';

const { PAGE_SIZE, HUGE_PAGE_SIZE } = native.constants;

/** Makes a file whose every page begins with its number. */
function numberedFile(pages: number, extra = 0, parent?: string): string {
	const path = join(temporaryDirectory(parent), 'file');
	const bytes = Buffer.alloc(pages * PAGE_SIZE + extra);
	for (let page = 0; page < pages; page += 1) bytes.writeUInt32LE(page, page * PAGE_SIZE);
	writeFileSync(path, bytes);
	return path;
}

const mentions = (path: string) => readFileSync('/proc/self/maps', 'utf8').includes(path);

test.each([
	['an ordinary directory', undefined],
	['tmpfs', tmpfs],
])(
	'what is stored into a mapping in %s is in the file, and what is written to the file is in the mapping',
	(_, parent) => {
		const path = numberedFile(3, 100, parent);
		const mapping = map(path);
		expect(mapping).toMatchObject({ length: 3 * PAGE_SIZE + 100, sync: false, writable: true, granularity: 'page' });
		expect(mapping.buffer).toBeInstanceOf(Buffer);
		expect(mapping.buffer.readUInt32LE(2 * PAGE_SIZE)).toBe(2);
		mapping.buffer.write('stored', PAGE_SIZE);
		mapping.persist(PAGE_SIZE, 6);
		expect(readFileSync(path).toString('latin1', PAGE_SIZE, PAGE_SIZE + 6)).toBe('stored');
		execFileSync('fallocate', ['--punch-hole', '--offset', '0', '--length', String(PAGE_SIZE), path]);
		expect(mapping.buffer.readUInt32LE(0)).toBe(0);
	},
);

test('a part of the file is mapped from its offset', () => {
	const path = numberedFile(5, 1);
	expect(map(path, { offset: 2 * PAGE_SIZE, length: PAGE_SIZE }).buffer.readUInt32LE(0)).toBe(2);
	expect(map(path, { offset: 4 * PAGE_SIZE }).length).toBe(PAGE_SIZE + 1);
	expect(map(path, { offset: 4 * PAGE_SIZE, length: PAGE_SIZE + 1 }).length).toBe(PAGE_SIZE + 1);
});

test('a file is named by path, URL or descriptor, and the descriptor stays open', () => {
	const path = numberedFile(2);
	expect(map(pathToFileURL(path)).length).toBe(2 * PAGE_SIZE);
	const fd = openSync(path, 'r+');
	const mapping = map(fd);
	expect(fstatSync(fd).size).toBe(2 * PAGE_SIZE);
	closeSync(fd);
	expect(mapping.buffer.readUInt32LE(PAGE_SIZE)).toBe(1);
});

test('a mapping that is not writable takes stores and keeps them from the file', () => {
	const path = numberedFile(1);
	const before = readFileSync(path);
	const mapping = map(path, { writable: false });
	mapping.buffer.fill(0xff);
	expect(mapping.buffer.every((byte) => byte === 0xff)).toBe(true);
	expect(readFileSync(path)).toEqual(before);
	expect(() => mapping.persist()).toThrow(expect.objectContaining({ code: 'ERR_INVALID_STATE' }));
});

test.each([
	['an ordinary directory', undefined],
	['tmpfs', tmpfs],
])(
	'huge pages of a long mapping in %s begin where those of the file do, and children do not inherit it',
	(_, parent) => {
		const path = numberedFile(1, 0, parent);
		truncateSync(path, 3 * HUGE_PAGE_SIZE);
		for (const offset of [0, PAGE_SIZE, HUGE_PAGE_SIZE - PAGE_SIZE]) {
			const mapping = mapFile(path, { offset, allocate: false });
			const line = readFileSync('/proc/self/maps', 'utf8')
				.split('\n')
				.find((text) => text.endsWith(path));
			expect((Number.parseInt(line!, 16) - offset) % HUGE_PAGE_SIZE).toBe(0);
			// dc is VM_DONTCOPY, see proc_pid_smaps(5).
			expect(mappingFlags(path)).toContain('dc');
			mapping.unmap();
		}
	},
);

test('holes get blocks before a store can find the file system full', () => {
	const path = numberedFile(0);
	truncateSync(path, 64 * PAGE_SIZE);
	map(path, { allocate: false });
	expect(statSync(path).blocks).toBe(0);
	map(path);
	expect(statSync(path).blocks * 512).toBeGreaterThanOrEqual(64 * PAGE_SIZE);
	expect(statSync(path).size).toBe(64 * PAGE_SIZE);
});

test('after unmap every view has length 0, the file is let go, and nothing faults', () => {
	const path = numberedFile(4);
	const mapping = mapFile(path);
	const view = mapping.buffer.subarray(10, 20);
	expect(mentions(path)).toBe(true);
	mapping.unmap();
	expect(mentions(path)).toBe(false);
	expect([mapping.length, mapping.buffer.length, view.length, view[0]]).toEqual([0, 0, 0, undefined]);
	view[0] = 1;
	mapping.unmap();
	for (const call of ['persist', 'flush', 'drain'] as const) {
		expect(() => mapping[call]()).toThrow(expect.objectContaining({ code: 'ERR_INVALID_STATE' }));
	}
	expect(native.statx(path).size).toBe(4 * PAGE_SIZE);
});

test('unmapping is what `using` does', () => {
	const path = numberedFile(1);
	const mapping = mapFile(path);
	mapping[Symbol.dispose]();
	expect(mentions(path)).toBe(false);
});

test.runIf('transfer' in ArrayBuffer.prototype)('memory moved away by transfer() reads zeros after unmap', () => {
	const path = numberedFile(2);
	const mapping = mapFile(path);
	const moved = (mapping.buffer.buffer as ArrayBuffer & { transfer(): ArrayBuffer }).transfer();
	const view = new Uint8Array(moved);
	expect(view[PAGE_SIZE]).toBe(1);
	mapping.unmap();
	expect(mentions(path)).toBe(false);
	expect(view[PAGE_SIZE]).toBe(0);
	view[PAGE_SIZE] = 9;
	expect(readFileSync(path)[PAGE_SIZE]).toBe(1);
});

test('a mapping that nobody can reach any more is unmapped', async () => {
	const path = numberedFile(1);
	(() => mapFile(path))();
	for (let round = 0; round < 50 && mentions(path); round += 1) {
		globalThis.gc!();
		await new Promise((resolve) => setImmediate(resolve));
	}
	expect(mentions(path)).toBe(false);
});

test('MAP_SYNC off DAX is refused with our own words, and a mapping that may do without does', () => {
	const path = numberedFile(1);
	expect(() => mapFile(path, { sync: true })).toThrow(
		expect.objectContaining({
			code: 'ENOTSUP',
			errno: -95,
			syscall: 'mmap',
			path,
			message: expect.stringMatching(/^ENOTSUP: a mapping with MAP_SYNC is not possible here: .*, mmap '/),
		}),
	);
	expect(mentions(path)).toBe(false);
	expect(map(path).sync).toBe(false);
	expect(mappingFlags(path)).not.toContain('sf');
});

test('msync is what persists: an error of it is a system error', () => {
	const path = numberedFile(2);
	const mapping = map(path);
	mapping.flush();
	mapping.flush(2 * PAGE_SIZE);
	mapping.flush(5, 0);
	mapping.drain();
	expect(() => mapping.flush(2 * PAGE_SIZE + 1)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
	expect(() => mapping.persist(1, 2 * PAGE_SIZE)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
	expect(() => mapping.persist('1' as never)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }));
});
