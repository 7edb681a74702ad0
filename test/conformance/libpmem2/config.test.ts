// pmem2_config and pmem2_map_prot: offset, length, sharing, protection and required granularity. Here they are options
// of mapFile, which checks them when it is called. Left out: allocating and deleting a config, because the options are
// a plain object; PROT_EXEC and PROT_NONE, because JavaScript can neither execute memory nor leave it alone;
// set_vm_reservation, because nobody here chooses addresses. libpmem2 takes length 0 for "to the end", and here that is
// an absent length: 0 is refused, so that a length that was computed wrongly maps nothing.
import { chmodSync, closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { type MapFileOptions, mapAnonymous, mapFile } from 'daxkind';
import { expect, onTestFinished, test } from 'vitest';
import { native } from '#lib/native.js';
import { MIB } from '#lib/size.js';
import { map, mappingFlags, zeroFile } from '../../helpers/mappings.ts';
import { holdings } from '../../helpers/process.ts';

const { PAGE_SIZE } = native.constants;
const maxOffset = Number.MAX_SAFE_INTEGER;

const newFile = (length = 4 * PAGE_SIZE) => zeroFile(length);

function refused(options: unknown, code: string, path = newFile()): void {
	const before = holdings();
	expect(() => mapFile(path, options as MapFileOptions)).toThrow(expect.objectContaining({ code }));
	expect(holdings()).toEqual(before);
}

test('test_cfg_create_and_delete_valid: without options there are defaults: shared, writable, the whole file', () => {
	const path = newFile();
	for (const options of [undefined, {}, { offset: undefined, length: undefined, sharing: undefined }]) {
		const mapping = map(path, options as MapFileOptions);
		expect(mapping).toMatchObject({ length: 4 * PAGE_SIZE, sharing: 'shared', writable: true });
	}
});

test.each(['byte', 'cache-line', 'page'] as const)(
	'test_config_set_granularity_valid: %s can be required, and a private mapping has it',
	(granularity) => {
		expect(map(newFile(), { granularity, sharing: 'private' }).granularity).toBe('byte');
	},
);

test.each(['PAGE', 'CACHE_LINE', 'cacheline', 'line', '', 'constructor', '__proto__'])(
	'test_config_set_granularity_invalid: the text %j is no granularity',
	(granularity) => {
		refused({ granularity }, 'ERR_INVALID_ARG_VALUE');
		refused({ granularity, sharing: 'private' }, 'ERR_INVALID_ARG_VALUE');
	},
);

test.each([0, 1, 999, null, true, {}, ['page'], Symbol('page')])(
	'test_config_set_granularity_invalid: %o is of the wrong type for a granularity',
	(granularity) => {
		refused({ granularity }, 'ERR_INVALID_ARG_TYPE');
	},
);

test.each([2 ** 53, 2 ** 63, 2 ** 64, Number.MAX_VALUE, Infinity])(
	'test_set_offset_too_large: an offset of %d is out of range',
	(offset) => {
		refused({ offset }, 'ERR_OUT_OF_RANGE');
	},
);

test('test_set_offset_max: the largest number that can be an offset is taken for one, beyond the end of the file', () => {
	for (const offset of [maxOffset, Math.floor(maxOffset / PAGE_SIZE) * PAGE_SIZE, 2 ** 52]) {
		refused({ offset }, 'ERR_OUT_OF_RANGE');
		refused({ offset, length: maxOffset }, 'ERR_OUT_OF_RANGE');
	}
});

test('test_set_offset_success: the mapping begins at the offset', () => {
	const path = newFile();
	const bytes = Buffer.concat([1, 2, 3, 4].map((value) => Buffer.alloc(PAGE_SIZE, value)));
	writeFileSync(path, bytes);
	for (const page of [0, 1, 2, 3]) {
		expect(map(path, { offset: page * PAGE_SIZE }).buffer.equals(bytes.subarray(page * PAGE_SIZE))).toBe(true);
	}
});

test('test_set_length_success: the mapping has the length, and ends before the next page of the file', () => {
	const path = newFile();
	for (const length of [PAGE_SIZE, 2 * PAGE_SIZE, 4 * PAGE_SIZE]) {
		const mapping = map(path, { length });
		expect([mapping.length, mapping.buffer.length, mapping.at(0, length).length]).toEqual([length, length, length]);
		expect(() => mapping.at(0, length + 1)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
	}
});

test.each([0, -1, 0.5, Number.NaN, -0, -PAGE_SIZE, 2 ** 53, Infinity])(
	'pmem2_config_set_length: a length of %d is out of range',
	(length) => {
		refused({ length }, 'ERR_OUT_OF_RANGE');
	},
);

test('test_set_sharing_valid: shared stores reach the file, private ones do not', () => {
	const path = newFile();
	const [shared, isolated] = [map(path, { sharing: 'shared' }), map(path, { sharing: 'private' })];
	expect([shared.sharing, isolated.sharing]).toEqual(['shared', 'private']);
	isolated.write(0, Buffer.from('private'));
	expect(readFileSync(path)[0]).toBe(0);
	shared.write(0, Buffer.from('shared'));
	expect(readFileSync(path, 'latin1').slice(0, 6)).toBe('shared');
});

test.each([
	['SHARED', 'ERR_INVALID_ARG_VALUE'],
	['', 'ERR_INVALID_ARG_VALUE'],
	[777, 'ERR_INVALID_ARG_TYPE'],
	[null, 'ERR_INVALID_ARG_TYPE'],
])('test_set_sharing_invalid: %j is no sharing', (sharing, code) => {
	refused({ sharing }, code);
});

test('test_set_valid_prot_flag: writable is true or false', () => {
	const path = newFile();
	expect(map(path, { writable: true }).writable).toBe(true);
	expect(map(path, { writable: false }).writable).toBe(false);
});

test.each([0, 1, 'yes', null, {}])('test_set_invalid_prot_flag: %j is no protection', (writable) => {
	refused({ writable }, 'ERR_INVALID_ARG_TYPE');
});

test('an option that does not exist, or in other letters, is refused rather than ignored', () => {
	for (const options of [{ prot: 1 }, { Offset: 0 }, { required_store_granularity: 'page' }, { readonly: true }]) {
		refused(options, 'ERR_INVALID_ARG_VALUE');
	}
});

test('the options are looked at once: what becomes of them later does not matter', () => {
	const options: MapFileOptions = { offset: PAGE_SIZE, length: PAGE_SIZE, sharing: 'private' };
	const mapping = map(newFile(), options);
	Object.assign(options, { offset: 0, length: 1, sharing: 'shared' });
	expect(mapping).toMatchObject({ length: PAGE_SIZE, sharing: 'private' });
});

// pmem2_map_prot

test('test_rw_mode_rw_prot: a file opened for both takes stores', () => {
	const path = newFile(16 * MIB);
	const mapping = map(path);
	mapping.write(0, Buffer.from('persistent'));
	expect(readFileSync(path, 'latin1').slice(0, 10)).toBe('persistent');
});

test('test_r_mode_rw_prot: a file opened for reading is not mapped for stores: EACCES of mmap', () => {
	const fd = openSync(newFile(), 'r');
	onTestFinished(() => {
		closeSync(fd);
	});
	const before = holdings();
	const error = { code: 'EACCES', errno: -13, syscall: 'mmap' };
	expect(() => mapFile(fd)).toThrow(expect.objectContaining(error));
	expect(holdings()).toEqual(before);
});

const persisting: [name: string, call: (mapping: ReturnType<typeof map>) => unknown][] = [
	['persist', (mapping) => mapping.persist()],
	['flush', (mapping) => mapping.flush()],
	['drain', (mapping) => mapping.drain()],
	['deepFlush', (mapping) => mapping.deepFlush()],
	['write', (mapping) => mapping.write(0, Buffer.alloc(1))],
	['fill', (mapping) => mapping.fill(0, 1)],
	['move', (mapping) => mapping.move(0, 1, 1)],
	['batch', (mapping) => mapping.batch()],
];

test.each(persisting)(
	'test_rw_mode_r_prot: %s of a mapping that is not writable throws, where libpmem2 is killed by SIGSEGV',
	async (_, call) => {
		const path = newFile();
		const fd = openSync(path, 'r+');
		const mapping = map(fd, { writable: false });
		closeSync(fd);
		expect(() => call(mapping)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_STATE' }));
		await expect(mapping.persistAsync()).rejects.toMatchObject({ code: 'ERR_INVALID_STATE' });
		expect(readFileSync(path).every((byte) => byte === 0)).toBe(true);
	},
);

test('test_r_mode_r_prot: a file opened for reading is read, and a store into the Buffer stays in the mapping', () => {
	const path = newFile();
	writeFileSync(path, Buffer.alloc(PAGE_SIZE, 'abc'));
	chmodSync(path, 0o400);
	const mapping = map(path, { writable: false });
	expect(mapping.buffer.toString('latin1', 0, 3)).toBe('abc');
	mapping.buffer.fill(0);
	expect(readFileSync(path, 'latin1').slice(0, 3)).toBe('abc');
});

test('test_rw_mode_none_prot: no mapping of a file can be executed, and all can be read', () => {
	const path = newFile();
	for (const options of [{}, { sharing: 'private' }, { writable: false }] as const) {
		const mapping = mapFile(path, options);
		const flags = mappingFlags(path);
		expect(flags).toContain('rd');
		expect(flags).not.toContain('ex');
		mapping.unmap();
	}
});

// pmem2_source_from_anon

test.each([0, -1, 0.5, Number.NaN, 2 ** 53])('pmem2_source_from_anon: a length of %d is out of range', (length) => {
	expect(() => mapAnonymous(length)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
});

test.each([undefined, null, '4096', 4096n, {}])('pmem2_source_from_anon: %s is no length', (length) => {
	expect(() => mapAnonymous(length as never)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }));
});
