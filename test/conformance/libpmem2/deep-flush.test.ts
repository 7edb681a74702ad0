// pmem2_deep_flush: of a file it is one msync, after what persist does. test_deep_flush_* of pmem2_integration is here
// too. Left out: test_deep_flush_func_devdax, which needs a device.
// libpmem2 refuses anonymous memory (PMEM2_E_NOSUPP); here it has nothing to flush, as it has nothing to persist.
import { readFileSync } from 'node:fs';
import { mapAnonymous, type PmemGranularity } from 'daxkind';
import { expect, test } from 'vitest';
import { native } from '#lib/native.js';
import { map, zeroFile } from '../../helpers/mappings.ts';
import { countsOf, flushedLines, linesOf, problem, trace } from '../../helpers/traced.ts';

const { PAGE_SIZE } = native.constants;
const [best] = native.flushInstructions;

function newMapping(options = {}) {
	const path = zeroFile(4 * PAGE_SIZE);
	return { path, mapping: map(path, options) };
}

test.skipIf(problem !== undefined).each<[PmemGranularity, object]>([
	['page', { msync: 1 }],
	['cache-line', { [best!]: 3, fence: 1, msync: 1 }],
	['byte', { fence: 1, msync: 1 }],
])('test_deep_flush_func: with %s granularity it executes %o', (granularity, expected) => {
	const [events] = trace(['mapping.deepFlush(100, 100);'], { granularity });
	expect(countsOf(events!)).toEqual(expected);
});

test.skipIf(problem !== undefined)(
	'test_deep_flush_func: the msync comes last, when the lines of the range are flushed and waited for',
	() => {
		const actions = ['mapping.deepFlush(100, 1000);', 'mapping.deepFlush();'];
		const [part, whole] = trace(actions, { granularity: 'cache-line', length: 3 * PAGE_SIZE });
		expect(flushedLines(part!)).toEqual(linesOf(100, 1000));
		expect(flushedLines(whole!)).toEqual(linesOf(0, 3 * PAGE_SIZE));
		for (const events of [part!, whole!]) {
			expect(events.slice(-2).map(({ what }) => what)).toEqual(['fence', 'msync']);
		}
	},
);

test.skipIf(problem !== undefined)('test_deep_flush_func: an empty range has no msync', () => {
	const traces = trace(['mapping.deepFlush(64, 0);', 'mapping.deepFlush(mapping.length);'], { granularity: 'byte' });
	expect(traces.map(countsOf)).toEqual([{ fence: 1 }, { fence: 1 }]);
});

test.skipIf(problem !== undefined)(
	'test_source_anon_private: what is in no file, or does not reach it, has no msync',
	() => {
		const prepare = `
			const isolated = daxkind.mapFile(path, { sharing: 'private' });
			const anonymous = daxkind.mapAnonymous(8192);`;
		const actions = ['isolated.deepFlush();', 'anonymous.deepFlush();'];
		const traces = trace(actions, { granularity: 'cache-line', prepare });
		expect(traces.map(countsOf)).toEqual([{ fence: 1 }, { fence: 1 }]);
	},
);

test('test_deep_flush_valid: the whole mapping is flushed, and its bytes are in the file', () => {
	const { path, mapping } = newMapping();
	mapping.fill(0, 1);
	expect(mapping.deepFlush()).toBeUndefined();
	expect(mapping.deepFlush(0, mapping.length)).toBeUndefined();
	expect(readFileSync(path).every((byte) => byte === 1)).toBe(true);
});

test('test_deep_flush_slice: a part of the mapping is flushed that nobody has stored into', () => {
	const { mapping } = newMapping();
	mapping.fill(0, 1, PAGE_SIZE);
	expect(mapping.deepFlush(PAGE_SIZE, PAGE_SIZE)).toBeUndefined();
});

test.each<[libpmem2: string, what: string, offset: number, length: number | undefined]>([
	['test_deep_flush_e_range_behind', 'behind the mapping', 4 * PAGE_SIZE + 1, 64],
	['test_deep_flush_e_range_before', 'before the mapping', -4 * PAGE_SIZE, 64],
	['test_deep_flush_overlap', 'that reaches beyond the end', 1024, 4 * PAGE_SIZE],
	['test_deep_flush_range_beyond_mapping', 'that begins at the end', 4 * PAGE_SIZE, 1],
	['test_deep_flush_range_beyond_mapping', 'as long as a number can be', 1, Number.MAX_SAFE_INTEGER],
	['test_deep_flush_range_beyond_mapping', 'that begins where no number is exact', 2 ** 53, undefined],
])('%s: a range %s is refused', (_libpmem2, _what, offset, length) => {
	for (const options of [{}, { sharing: 'private' }]) {
		const { mapping } = newMapping(options);
		expect(() => mapping.deepFlush(offset, length)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
	}
	const anonymous = mapAnonymous(4 * PAGE_SIZE);
	expect(() => anonymous.deepFlush(offset, length)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
	anonymous.unmap();
});

test('test_source_anon_*: memory without a file has its length, reads zeros, is byte, and takes all calls', () => {
	const mapping = mapAnonymous(1_000_001);
	expect(mapping).toMatchObject({ source: 'anonymous', length: 1_000_001, granularity: 'byte', sharing: 'private' });
	expect(mapping.buffer.every((byte) => byte === 0)).toBe(true);
	mapping.write(999_999, Buffer.from('ab'));
	mapping.deepFlush();
	expect(mapping.at(999_999, 2).toString()).toBe('ab');
	mapping.unmap();
	expect(() => mapping.deepFlush()).toThrow(expect.objectContaining({ code: 'ERR_INVALID_STATE' }));
});
