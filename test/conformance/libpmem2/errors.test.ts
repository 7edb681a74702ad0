// pmem2_perror, pmem2_errormsg and the error codes, and bad input to the calls of a mapping. Each failure is an Error
// whose code, name and message say what happened, to what, and in which call. Left out: the codes of what is not here
// (reservations, addresses, configs, maps of existing memory), and pmem2_err_to_errno, because `errno` is a property.
import { closeSync, openSync } from 'node:fs';
import { type MapFileOptions, mapDevice, mapFile, type PmemMapping } from 'daxkind';
import { expect, test } from 'vitest';
import { native } from '#lib/native.js';
import { map, zeroFile } from '../../helpers/mappings.ts';
import { thrown } from '../../helpers/thrown.ts';

const { PAGE_SIZE } = native.constants;

const newFile = (length = 4 * PAGE_SIZE) => zeroFile(length);

/** Calls mapFile with the descriptor of a file that was opened so. */
function mapDescriptor(flags: string, options?: MapFileOptions): void {
	const fd = openSync(newFile(), flags);
	try {
		mapFile(fd, options);
	} finally {
		closeSync(fd);
	}
}

const mapNew = (options: unknown, length?: number) => mapFile(newFile(length), options as MapFileOptions);

function unmapped(): PmemMapping {
	const mapping = mapFile(newFile());
	mapping.unmap();
	return mapping;
}

/** libpmem2's code, a call that causes it, and the code that it has here. */
const cases: [libpmem2: string, call: () => unknown, code: string][] = [
	['FILE_HANDLE_NOT_SET', () => (mapFile as (file?: unknown) => unknown)(), 'ERR_INVALID_ARG_TYPE'],
	['INVALID_FILE_HANDLE', () => mapFile(1_000_000), 'EBADF'],
	['INVALID_FILE_TYPE', () => mapFile('/dev/null'), 'ERR_DAXKIND_FILE_TYPE'],
	['MAP_RANGE', () => mapNew({ offset: PAGE_SIZE, length: 4 * PAGE_SIZE }), 'ERR_OUT_OF_RANGE'],
	['GRANULARITY_NOT_SUPPORTED', () => mapNew({ granularity: 'byte', sync: false }), 'ERR_DAXKIND_GRANULARITY'],
	['OFFSET_OUT_OF_RANGE', () => mapNew({ offset: 2 ** 63 }), 'ERR_OUT_OF_RANGE'],
	['OFFSET_UNALIGNED', () => mapNew({ offset: 100 }), 'ERR_OUT_OF_RANGE'],
	['LENGTH_UNALIGNED', () => mapNew({ length: 100 }), 'ERR_OUT_OF_RANGE'],
	['LENGTH_OUT_OF_RANGE', () => mapNew({ length: 2 ** 63 }), 'ERR_OUT_OF_RANGE'],
	['SOURCE_EMPTY', () => mapNew({}, 0), 'ERR_OUT_OF_RANGE'],
	['INVALID_SHARING_VALUE', () => mapNew({ sharing: 'both' }), 'ERR_INVALID_ARG_VALUE'],
	['INVALID_PROT_FLAG', () => mapNew({ writable: 4 }), 'ERR_INVALID_ARG_TYPE'],
	['NO_ACCESS', () => mapDescriptor('r'), 'EACCES'],
	['DEEP_FLUSH_RANGE', () => map(newFile()).deepFlush(0, 5 * PAGE_SIZE), 'ERR_OUT_OF_RANGE'],
	['MAPPING_NOT_FOUND', () => unmapped().persist(), 'ERR_INVALID_STATE'],
	['NOSUPP', () => mapNew({ sync: true }), 'ENOTSUP'],
	['-ENOENT', () => mapFile('/dev/shm/daxkind/none'), 'ENOENT'],
	['DAX_REGION_NOT_FOUND', () => mapDevice('/dev/dax99.0'), 'ERR_DAXKIND_NO_DEVICE'],
];

test.each(cases)('test_fail_pmem2_func_format: PMEM2_E_%s is an error with a code, in a sentence', (_, call, code) => {
	const error = thrown(call);
	expect(error).toBeInstanceOf(Error);
	expect(error.code).toBe(code);
	expect(error.message.length).toBeGreaterThan(20);
	expect(error.message).not.toMatch(/NaN|\[object/);
});

test('test_fail_system_func_format: a system error has errno, call and path, and its message begins with its code', () => {
	const path = '/dev/shm/daxkind/none';
	const error = thrown(() => mapFile(path));
	expect(error).toMatchObject({ code: 'ENOENT', errno: -2, syscall: 'open', path });
	expect(error.message).toMatch(/^ENOENT: .+, open '\/dev\/shm\/daxkind\/none'$/);
});

test('test_fail_pmem2_syscall_format: a refused mmap says that it was mmap, and a refused range says which would do', () => {
	expect(thrown(() => mapDescriptor('r'))).toMatchObject({ code: 'EACCES', errno: -13, syscall: 'mmap' });
	const { message } = thrown(() => mapNew({ length: 5 * PAGE_SIZE }));
	expect(message).toContain(`${4 * PAGE_SIZE}`);
	expect(message).toContain(`Received ${5 * PAGE_SIZE}`);
});

/** Calls of a mapping of four pages with input that is wrong. */
const wrong: [what: string, call: (mapping: PmemMapping) => unknown, code: string][] = [
	['write of no source', (m) => m.write(0, undefined as never), 'ERR_INVALID_ARG_TYPE'],
	['write of a text', (m) => m.write(0, 'text' as never), 'ERR_INVALID_ARG_TYPE'],
	['write of an ArrayBuffer', (m) => m.write(0, new ArrayBuffer(8) as never), 'ERR_INVALID_ARG_TYPE'],
	['write of something like a view', (m) => m.write(0, { byteLength: 8 } as never), 'ERR_INVALID_ARG_TYPE'],
	['write to no offset', (m) => m.write(undefined as never, Buffer.alloc(1)), 'ERR_INVALID_ARG_TYPE'],
	['write before the start', (m) => m.write(-1, Buffer.alloc(1)), 'ERR_OUT_OF_RANGE'],
	['write beyond the end', (m) => m.write(4 * PAGE_SIZE, Buffer.alloc(1)), 'ERR_OUT_OF_RANGE'],
	['write of too much', (m) => m.write(0, Buffer.alloc(4 * PAGE_SIZE + 1)), 'ERR_OUT_OF_RANGE'],
	['fill with 256', (m) => m.fill(0, 256), 'ERR_OUT_OF_RANGE'],
	['fill with -1', (m) => m.fill(0, -1), 'ERR_OUT_OF_RANGE'],
	['fill with 0.5', (m) => m.fill(0, 0.5), 'ERR_OUT_OF_RANGE'],
	['fill with a text', (m) => m.fill(0, 'x' as never), 'ERR_INVALID_ARG_TYPE'],
	['fill beyond the end', (m) => m.fill(1, 0, 4 * PAGE_SIZE), 'ERR_OUT_OF_RANGE'],
	['fill of a negative length', (m) => m.fill(0, 0, -1), 'ERR_OUT_OF_RANGE'],
	['move beyond the end', (m) => m.move(1, 0, 4 * PAGE_SIZE), 'ERR_OUT_OF_RANGE'],
	['move from beyond the end', (m) => m.move(0, 1, 4 * PAGE_SIZE), 'ERR_OUT_OF_RANGE'],
	['move of no length', (m) => m.move(0, 1, undefined as never), 'ERR_INVALID_ARG_TYPE'],
	['move of a bigint', (m) => m.move(0, 1, 1n as never), 'ERR_INVALID_ARG_TYPE'],
	['an unknown hint', (m) => m.fill(0, 0, 1, { hint: 'nt' as never }), 'ERR_INVALID_ARG_VALUE'],
	['a hint of the wrong type', (m) => m.fill(0, 0, 1, { hint: 2 as never }), 'ERR_INVALID_ARG_TYPE'],
	["libpmem2's flags", (m) => m.write(0, Buffer.alloc(1), 32 as never), 'ERR_INVALID_ARG_TYPE'],
	['an unknown option', (m) => m.write(0, Buffer.alloc(1), { flush: false } as never), 'ERR_INVALID_ARG_VALUE'],
	['persist: 0', (m) => m.move(0, 1, 1, { persist: 0 as never }), 'ERR_INVALID_ARG_TYPE'],
	['drain: null', (m) => m.move(0, 1, 1, { drain: null as never }), 'ERR_INVALID_ARG_TYPE'],
	['options of null', (m) => m.fill(0, 0, 1, null as never), 'ERR_INVALID_ARG_TYPE'],
	['at beyond the end', (m) => m.at(4 * PAGE_SIZE, 1), 'ERR_OUT_OF_RANGE'],
	['at of no length', (m) => m.at(0, undefined as never), 'ERR_INVALID_ARG_TYPE'],
	['at of a negative length', (m) => m.at(0, -1), 'ERR_OUT_OF_RANGE'],
];

test.each(wrong)('%s is refused with its code, and no byte changes', (_, call, code) => {
	const mapping = map(newFile());
	for (let at = 0; at < mapping.length; at++) mapping.buffer[at] = at % 251;
	const before = Buffer.from(mapping.buffer);
	const error = thrown(() => call(mapping));
	expect(error.code).toBe(code);
	expect(error).toBeInstanceOf(code === 'ERR_OUT_OF_RANGE' ? RangeError : TypeError);
	expect(mapping.buffer.equals(before)).toBe(true);
});

test('MAPPING_NOT_FOUND: after unmap every call is refused but those that say what there is', () => {
	const mapping = unmapped();
	const calls: (() => unknown)[] = [
		() => mapping.persist(),
		() => mapping.flush(),
		() => mapping.drain(),
		() => mapping.deepFlush(),
		() => mapping.write(0, Buffer.alloc(1)),
		() => mapping.write(0, Buffer.alloc(0)),
		() => mapping.fill(0, 1),
		() => mapping.move(0, 0, 0),
		() => mapping.batch(),
		() => mapping.at(0, 0),
	];
	expect(calls.map((call) => thrown(call).code)).toEqual(calls.map(() => 'ERR_INVALID_STATE'));
	expect([mapping.length, mapping.errors(), mapping.granularity]).toEqual([0, [], 'page']);
	expect(mapping.why.reason).toEqual(expect.any(String));
});
