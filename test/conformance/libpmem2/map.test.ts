// pmem2_map: what is mapped, where in memory, and what is left after unmap. Left out: the test's own calls of munmap
// with a wrong length or address (test_unmap_zero_length, test_unmap_unaligned_addr) and pmem2_map_from_existing,
// because no address can be given here, so that no two mappings can overlap (PMEM2_E_MAP_EXISTS) and a range is always
// in its mapping; pmem2_vm_reservation for the same reason; test_map_sharing_private_devdax, because mapDevice has no
// such option; the other cases on device DAX, which only a guest has.
import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { type MapFileOptions, mapFile } from 'daxkind';
import { expect, onTestFinished, test } from 'vitest';
import { native } from '#lib/native.js';
import { GIB, KIB, MIB } from '#lib/size.js';
import { spawnSync } from '../../helpers/children.ts';
import { map, mappingFlags, zeroFile } from '../../helpers/mappings.ts';
import { holdings } from '../../helpers/process.ts';

const { PAGE_SIZE, HUGE_PAGE_SIZE } = native.constants;
const outOfRange = expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' });

/** Makes a file of zeros without blocks, by default of 16 MiB. */
const newFile = (length = 16 * MIB) => zeroFile(length);

/** The addresses where this process has mapped the file, and the bytes of each. */
function placesOf(path: string): { address: number; length: number }[] {
	const lines = readFileSync('/proc/self/maps', 'utf8').split('\n');
	return lines
		.filter((line) => line.includes(` ${path}`))
		.map((line) => {
			const [from, to] = line
				.split(' ')[0]!
				.split('-')
				.map((text) => Number.parseInt(text, 16)) as [number, number];
			return { address: from, length: to - from };
		});
}

/** Maps a file without blocks, so that a long one costs nothing. */
const sparse = (path: string, options: MapFileOptions = {}) => map(path, { allocate: false, ...options });

test('test_map_rdrw_file: a file that can be written is mapped once, with all of its bytes', () => {
	const path = newFile();
	const mapping = map(path);
	expect(mapping.length).toBe(16 * MIB);
	expect(placesOf(path).map(({ length }) => length)).toEqual([16 * MIB]);
});

test('test_map_rdonly_file: a file opened for reading is EACCES, and nothing stays mapped', () => {
	const path = newFile();
	const fd = openSync(path, 'r');
	onTestFinished(() => {
		closeSync(fd);
	});
	expect(() => mapFile(fd)).toThrow(expect.objectContaining({ code: 'EACCES', syscall: 'mmap' }));
	expect(placesOf(path)).toEqual([]);
});

test.each<[what: string, options: MapFileOptions, length: number]>([
	['the whole file without a length', {}, 16 * MIB],
	['the whole file by its length', { length: 16 * MIB }, 16 * MIB],
	['its first half', { length: 8 * MIB }, 8 * MIB],
	['a half from the second page on', { offset: PAGE_SIZE, length: 8 * MIB }, 8 * MIB],
	['all from the second page on', { offset: PAGE_SIZE }, 16 * MIB - PAGE_SIZE],
	['its last page', { offset: 16 * MIB - PAGE_SIZE, length: PAGE_SIZE }, PAGE_SIZE],
])('test_map_valid_ranges: %s', (_, options, length) => {
	const path = newFile();
	expect(sparse(path, options).length).toBe(length);
	expect(placesOf(path).map((place) => place.length)).toEqual([length]);
});

test.each<[what: string, options: MapFileOptions]>([
	['a half that begins behind the middle', { offset: 12 * MIB, length: 8 * MIB }],
	['a page more than the file has', { length: 16 * MIB + PAGE_SIZE }],
	['an offset at the end', { offset: 16 * MIB }],
	['an offset behind the end', { offset: 32 * MIB }],
	['a sum that is beyond 2^53', { offset: PAGE_SIZE, length: Number.MAX_SAFE_INTEGER }],
])('test_map_invalid_ranges: %s is out of range, and nothing is mapped', (_, options) => {
	const path = newFile();
	const before = holdings();
	expect(() => mapFile(path, options)).toThrow(outOfRange);
	expect(holdings()).toEqual(before);
	expect(placesOf(path)).toEqual([]);
});

test('test_map_invalid_alignment: an offset of 1 KiB is on no page', () => {
	expect(() => mapFile(newFile(), { offset: KIB, length: 8 * MIB })).toThrow(outOfRange);
});

test('test_map_invalid_fd: a descriptor that was closed is EBADF', () => {
	const fd = openSync(newFile(), 'r+');
	closeSync(fd);
	expect(() => mapFile(fd, { length: 8 * MIB })).toThrow(expect.objectContaining({ code: 'EBADF' }));
});

test('test_unmap_valid: after unmap the addresses are of no file, and a second unmap does nothing', () => {
	const path = newFile();
	const mapping = mapFile(path, { allocate: false });
	mapping.unmap();
	expect(placesOf(path)).toEqual([]);
	expect(mapping.unmap()).toBeUndefined();
});

test('test_map_get_size, test_map_get_address: after unmap the length is 0 and the Buffer has no bytes', () => {
	const mapping = mapFile(newFile(), { allocate: false });
	expect([mapping.length, mapping.buffer.length]).toEqual([16 * MIB, 16 * MIB]);
	mapping.unmap();
	expect([mapping.length, mapping.buffer.length]).toEqual([0, 0]);
});

test('test_map_unaligned_length: a file of 3 KiB is mapped whole, where libpmem2 refuses a length that is on no page', () => {
	const path = newFile(3 * KIB);
	expect(map(path, { length: 3 * KIB }).length).toBe(3 * KIB);
	for (const length of [KIB, 3 * KIB - 1, 3 * KIB + 1, PAGE_SIZE]) {
		expect(() => mapFile(path, { length })).toThrow(outOfRange);
	}
});

test('test_map_larger_than_unaligned_file_size: the page on which the file ends is mapped as far as the file goes', () => {
	const path = newFile(16 * MIB - 1);
	expect(() => mapFile(path, { length: 16 * MIB, allocate: false })).toThrow(outOfRange);
	const mapping = sparse(path, { offset: 16 * MIB - PAGE_SIZE });
	expect(mapping.length).toBe(PAGE_SIZE - 1);
	expect(mapping.buffer[PAGE_SIZE - 1]).toBeUndefined();
	mapping.fill(0, 7);
	expect(
		readFileSync(path)
			.subarray(16 * MIB - PAGE_SIZE)
			.equals(Buffer.alloc(PAGE_SIZE - 1, 7)),
	).toBe(true);
});

test('test_map_zero_file_size: an empty file has nothing to map, whatever the length', () => {
	const path = newFile(0);
	for (const options of [{}, { length: PAGE_SIZE }, { offset: PAGE_SIZE }, { sharing: 'private' }] as const) {
		expect(() => mapFile(path, options)).toThrow(outOfRange);
	}
});

test('test_map_sharing_shared: two mappings of a file see what is stored through the other, at once', () => {
	const path = newFile();
	const [one, two] = [sparse(path), sparse(path)];
	expect(placesOf(path).length).toBe(2);
	one.buffer.write('by one', 100);
	expect(two.buffer.toString('latin1', 100, 106)).toBe('by one');
	two.write(8 * MIB, Buffer.from('by two'));
	expect(one.at(8 * MIB, 6).toString()).toBe('by two');
	one.unmap();
	expect(two.at(100, 6).toString()).toBe('by one');
});

test('test_map_sharing_private: what is stored in a private mapping is seen by no other', () => {
	const path = newFile(4 * PAGE_SIZE);
	const [one, two, shared] = [map(path, { sharing: 'private' }), map(path, { sharing: 'private' }), map(path)];
	one.write(0, Buffer.from('mine'));
	one.persist();
	expect(one.at(0, 4).toString()).toBe('mine');
	expect([two.buffer[0], shared.buffer[0], readFileSync(path)[0]]).toEqual([0, 0, 0]);
});

test('test_map_sharing_private_with_reopened_fd: it is not there when the file is mapped again', () => {
	const path = newFile(4 * PAGE_SIZE);
	const before = mapFile(path, { sharing: 'private' });
	before.fill(0, 1);
	before.deepFlush();
	before.unmap();
	expect(map(path, { sharing: 'private' }).buffer.every((byte) => byte === 0)).toBe(true);
});

test('test_map_sharing_private_rdonly_file: a file that can only be read takes private stores', () => {
	const path = newFile(4 * PAGE_SIZE);
	const fd = openSync(path, 'r');
	const mapping = map(fd, { sharing: 'private' });
	closeSync(fd);
	mapping.write(PAGE_SIZE, Buffer.from('mine'));
	expect(mapping.at(PAGE_SIZE, 4).toString()).toBe('mine');
	expect(readFileSync(path).every((byte) => byte === 0)).toBe(true);
});

test.each<[length: number, alignment: number, options?: MapFileOptions]>([
	[16 * KIB, PAGE_SIZE],
	[HUGE_PAGE_SIZE - PAGE_SIZE, PAGE_SIZE],
	[HUGE_PAGE_SIZE, HUGE_PAGE_SIZE],
	[16 * MIB, HUGE_PAGE_SIZE],
	[16 * MIB + 1, HUGE_PAGE_SIZE],
	[2 * GIB - PAGE_SIZE, HUGE_PAGE_SIZE],
	[2 * GIB, GIB],
	[2 * GIB + 1, GIB],
	[5 * GIB, GIB],
	[5 * GIB, HUGE_PAGE_SIZE, { length: GIB }],
	[5 * GIB, GIB, { offset: GIB }],
	[5 * GIB, GIB, { sharing: 'private' }],
])('test_map_huge_alignment: of a file of %d bytes, the address is a multiple of %d', (length, alignment, options) => {
	const path = newFile(length);
	// Several, because one may be aligned by chance.
	for (let n = 0; n < 3; n++) sparse(path, options);
	const places = placesOf(path);
	expect(places.length).toBe(3);
	expect(places.map(({ address }) => address % alignment)).toEqual([0, 0, 0]);
});

test.each([
	[16 * MIB, HUGE_PAGE_SIZE],
	[5 * GIB, GIB],
])('test_map_huge_alignment: without a file, the address of %d bytes is a multiple of %d', (length, alignment) => {
	// A process of its own, where no other such memory is that the kernel could join it to.
	const program = `
		import { readFileSync } from 'node:fs';
		import { mapAnonymous } from 'daxkind';
		const starts = () => readFileSync('/proc/self/maps', 'utf8').split('\\n').map((line) => parseInt(line, 16));
		const before = new Set(starts());
		const mapping = mapAnonymous(${length});
		console.log(starts().some((address) => !before.has(address) && address % ${alignment} === 0), mapping.length);`;
	const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
	expect([status, stdout]).toEqual([0, `true ${length}\n`]);
});

test('test_map_huge_alignment: with an offset, huge pages of memory are where those of the file are', () => {
	const path = newFile(5 * GIB);
	for (const offset of [PAGE_SIZE, HUGE_PAGE_SIZE - PAGE_SIZE, GIB - HUGE_PAGE_SIZE]) {
		const mapping = mapFile(path, { allocate: false, offset, length: 4 * GIB });
		expect((placesOf(path)[0]!.address - offset) % GIB).toBe(0);
		mapping.unmap();
	}
});

test('test_map_huge_alignment: what was reserved to find the place is given back', () => {
	const path = newFile(5 * GIB);
	const size = () => Number(/^VmSize:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]) * KIB;
	const before = size();
	const mapping = mapFile(path, { allocate: false });
	expect(size() - before).toBeLessThan(5 * GIB + 512 * MIB);
	mapping.unmap();
});

test('pmem2_map_new: the mapping does not need the descriptor any more, nor the name', () => {
	const path = newFile(4 * PAGE_SIZE);
	const fd = openSync(path, 'r+');
	const mapping = map(fd);
	closeSync(fd);
	rmSync(path);
	mapping.write(0, Buffer.from('stored'));
	mapping.deepFlush();
	expect(mapping.at(0, 6).toString()).toBe('stored');
	expect(placesOf(`${path} (deleted)`).length).toBe(1);
});

test('pmem2_map_new: a file that was deleted is mapped by its descriptor', () => {
	const path = newFile(4 * PAGE_SIZE);
	const fd = openSync(path, 'r+');
	onTestFinished(() => {
		closeSync(fd);
	});
	rmSync(path);
	const [one, two] = [map(fd), map(fd)];
	one.write(0, Buffer.from('stored'));
	expect(two.at(0, 6).toString()).toBe('stored');
	expect(() => mapFile(path)).toThrow(expect.objectContaining({ code: 'ENOENT' }));
});

test('pmem2_map_new: after the descriptor is closed, its number can be of another file, which the mapping leaves alone', () => {
	const [path, other] = [newFile(4 * PAGE_SIZE), newFile(4 * PAGE_SIZE)];
	const fd = openSync(path, 'r+');
	const mapping = map(fd);
	closeSync(fd);
	const next = openSync(other, 'r+');
	mapping.fill(0, 1);
	mapping.deepFlush();
	closeSync(next);
	expect(next).toBe(fd);
	expect(readFileSync(other).every((byte) => byte === 0)).toBe(true);
});

test('pmem2_map_new: a write to the file and a store into the mapping are the same bytes', () => {
	const path = newFile(4 * PAGE_SIZE);
	const fd = openSync(path, 'r+');
	onTestFinished(() => {
		closeSync(fd);
	});
	const mapping = map(fd);
	writeSync(fd, 'written', PAGE_SIZE);
	expect(mapping.at(PAGE_SIZE, 7).toString()).toBe('written');
	mapping.write(PAGE_SIZE, Buffer.from('S'));
	expect(readFileSync(path, 'latin1').slice(PAGE_SIZE, PAGE_SIZE + 7)).toBe('Sritten');
});

test('pmem2_map_new: a hundred mappings of one file are mapped at places of their own, and let go of it', () => {
	const path = newFile(4 * PAGE_SIZE);
	const before = holdings();
	const mappings = Array.from({ length: 100 }, () => mapFile(path));
	expect(placesOf(path).reduce((sum, { length }) => sum + length, 0)).toBe(100 * 4 * PAGE_SIZE);
	for (const [n, mapping] of mappings.entries()) mapping.write(n, Buffer.from([n]));
	expect([...mappings[0]!.at(0, 100)]).toEqual(Array.from({ length: 100 }, (_, n) => n));
	for (const mapping of mappings) mapping.unmap();
	expect(placesOf(path)).toEqual([]);
	expect(holdings()).toEqual(before);
});

test('PMEM2_SHARED: the mapping is shared in the eyes of the kernel, and PMEM2_PRIVATE is not', () => {
	const path = newFile(4 * PAGE_SIZE);
	const shared = mapFile(path);
	expect(mappingFlags(path)).toContain('sh');
	shared.unmap();
	const isolated = mapFile(path, { sharing: 'private' });
	expect(mappingFlags(path)).not.toContain('sh');
	isolated.unmap();
});
