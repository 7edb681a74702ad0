// What mapFile refuses. A refusal leaves no descriptor and no mapping behind.

import { constants } from 'node:buffer';
import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { idOf, type MapFileOptions, mapFile } from '#lib/mapping/index.js';
import { native } from '#lib/native.js';
import { holdings } from '../helpers/process.ts';

const { PAGE_SIZE } = native.constants;
const directory = mkdtempSync(join(tmpdir(), 'daxkind-test-'));
const path = join(directory, 'file');
const empty = join(directory, 'empty');
const huge = join(directory, 'huge');
writeFileSync(path, Buffer.alloc(4 * PAGE_SIZE + 100));
writeFileSync(empty, '');
writeFileSync(huge, '');
truncateSync(huge, 2 ** 42);
afterAll(() => rmSync(directory, { recursive: true }));

let before: ReturnType<typeof holdings>['descriptors'];
beforeEach(() => {
	before = holdings().descriptors;
});
afterEach(() => {
	expect(holdings().descriptors).toBe(before);
});

const type = 'ERR_INVALID_ARG_TYPE';
const range = 'ERR_OUT_OF_RANGE';
const value = 'ERR_INVALID_ARG_VALUE';

test.each<[what: string, options: unknown, code: string]>([
	['an offset that is not on a page', { offset: 100 }, range],
	['a negative offset', { offset: -PAGE_SIZE }, range],
	['a fractional offset', { offset: 0.5 }, range],
	['NaN for an offset', { offset: Number.NaN }, range],
	['an offset at the end', { offset: 5 * PAGE_SIZE }, range],
	['an offset of 2^53', { offset: 2 ** 53 }, range],
	['a text for an offset', { offset: '0' }, type],
	['a bigint for a length', { length: 4096n }, type],
	['length 0', { length: 0 }, range],
	['a length of half a page', { length: PAGE_SIZE / 2 }, range],
	['a length past the end', { length: 5 * PAGE_SIZE }, range],
	['a length past the end from the offset', { offset: PAGE_SIZE, length: 4 * PAGE_SIZE }, range],
	['an infinite length', { length: Infinity }, range],
	['a number for a boolean', { sync: 1 }, type],
	['a text for a boolean', { writable: 'yes' }, type],
	['null for a boolean', { allocate: null }, type],
	['MAP_SYNC for a mapping that is not writable', { sync: true, writable: false }, value],
	['blocks for a mapping that is not writable', { allocate: true, writable: false }, value],
	['a misspelt option', { readonly: true }, value],
	['an option in the wrong case', { Sync: true }, value],
	['null for options', null, type],
	['a number for options', 7, type],
])('%s is refused', (_, options, code) => {
	expect(() => mapFile(path, options as MapFileOptions)).toThrow(expect.objectContaining({ code }));
});

test.each([undefined, null, {}, [], true, 1n, Buffer.from('/tmp')])('%s is no file', (file) => {
	expect(() => mapFile(file as never)).toThrow(expect.objectContaining({ code: type }));
});

test.each([-1, 0.5, Number.NaN, 2 ** 31])('%s is no descriptor', (fd) => {
	expect(() => mapFile(fd)).toThrow(expect.objectContaining({ code: range }));
});

test('an empty file has nothing to map', () => {
	expect(() => mapFile(empty)).toThrow(expect.objectContaining({ code: range }));
});

test.each([
	['a missing file', '/missing', 'ENOENT', 'open'],
	['a path through a file', `${path}/x`, 'ENOTDIR', 'open'],
	['a directory to be written', '/', 'EISDIR', 'open'],
	['a name too long', `/${'x'.repeat(300)}`, 'ENAMETOOLONG', 'open'],
])('%s is a system error with code, syscall and path', (_, file, code, syscall) => {
	expect(() => mapFile(file)).toThrow(expect.objectContaining({ code, syscall, path: file }));
});

test.each([
	['a directory', '/'],
	['a device', '/dev/zero'],
])('%s cannot be mapped', (_, file) => {
	expect(() => mapFile(file, { writable: false })).toThrow(
		expect.objectContaining({ code: 'ERR_DAXKIND_FILE_TYPE', message: expect.stringContaining(file) }),
	);
});

test('a descriptor that is not open is EBADF', () => {
	expect(() => mapFile(1_000_000)).toThrow(expect.objectContaining({ code: 'EBADF', syscall: 'statx' }));
});

test('a read-only descriptor for a writable mapping is EACCES of mmap', () => {
	const fd = openSync(path, 'r');
	try {
		expect(() => mapFile(fd)).toThrow(expect.objectContaining({ code: 'EACCES', syscall: 'mmap' }));
	} finally {
		closeSync(fd);
	}
});

test('more than one Buffer holds is in parts', () => {
	const mapping = mapFile(huge, { allocate: false });
	expect(mapping.buffer.length).toBe(Math.min(constants.MAX_LENGTH, mapping.length));
	expect(mapping.at(2 ** 41, 1)[0]).toBe(0);
	mapping.unmap();
});

test('the native function refuses what the facade would have', () => {
	const fd = openSync(path, 'r+');
	try {
		expect(() => native.mapDescriptor(fd, 0, 0, true, false, 0)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
		expect(() => native.mapDescriptor(fd, 1, PAGE_SIZE, true, false, PAGE_SIZE)).toThrow(
			expect.objectContaining({ code: 'EINVAL' }),
		);
		expect(() => native.mapDescriptor(fd, 0, Number.MAX_SAFE_INTEGER, true, false, PAGE_SIZE, path)).toThrow(
			expect.objectContaining({ code: 'ENOMEM', syscall: 'mmap', path }),
		);
		expect(native.releaseMapping(12345)).toBe(false);
		expect(() => native.releaseMapping('1' as never)).toThrow(expect.objectContaining({ code: type }));
	} finally {
		closeSync(fd);
	}
});

test('the native calls check the numbers that they find, whatever is there', () => {
	const mapping = mapFile(path);
	onTestFinished(() => mapping.unmap());
	const numbers = new Float64Array(native.mappingRequest);
	const source = Buffer.alloc(8);
	const calls: (() => unknown)[] = [
		() => native.mappingPersist(),
		() => native.mappingPersistAsync(),
		() => native.mappingFill(),
		() => native.mappingMove(),
		() => native.mappingWrite(source),
		() => native.mappingWriteAll(source, new Float64Array([0, 8])),
	];
	const good = [idOf(mapping), 0, 8, 0, 1];
	for (const [place] of good.entries()) {
		for (const wrong of [Number.NaN, -1, 1.5, 2 ** 53, 2 ** 64, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
			numbers.set(good);
			numbers[place] = wrong;
			for (const call of calls) {
				try {
					(call() as { promise?: Promise<void> } | undefined)?.promise?.catch(() => {});
				} catch (error) {
					expect(error).toMatchObject({ code: range });
				}
			}
		}
	}
	for (const [offset, length] of [
		[mapping.length, 1],
		[0, mapping.length + 1],
		[2 ** 52, 2 ** 52],
	] as const) {
		numbers.set([idOf(mapping), offset, length, 7, 0]);
		for (const call of calls.slice(0, 4)) expect(call).toThrow(expect.objectContaining({ code: range }));
	}
	for (const places of [
		[mapping.length, 1],
		[0, 9],
		[-1, 1],
		[0, Number.NaN],
	]) {
		numbers.set([idOf(mapping), 0, 0, 7, 1]);
		expect(() => native.mappingWriteAll(source, new Float64Array(places))).toThrow(
			expect.objectContaining({ code: range }),
		);
	}
	numbers.set([idOf(mapping), 0, 8, 7, 2]);
	expect(() => native.mappingWriteAll(source, new Float64Array(3))).toThrow(expect.objectContaining({ code: range }));
	numbers.set([4_000_000_000, 0, 8, 0, 0]);
	for (const call of calls) expect(call).toThrow(expect.objectContaining({ code: 'ERR_INVALID_STATE' }));
});
