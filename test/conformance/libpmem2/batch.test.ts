// mapping.batch(): what libpmem2's programs do with many pmem2_memcpy with PMEM2_F_MEM_NODRAIN and one drain
// (pmem2_api, and the example of asynchronous copies). Nothing of libpmem2's list is left out; it has no such object.
import { readFileSync, truncateSync } from 'node:fs';
import { mapFile, type PmemBatch } from 'daxkind';
import { expect, test } from 'vitest';
import { native } from '#lib/native.js';
import { Random } from '../../../scripts/random.mjs';
import { map, zeroFile } from '../../helpers/mappings.ts';
import { countsOf, flushedLines, linesOf, problem, streamedLines, trace } from '../../helpers/traced.ts';

const { PAGE_SIZE } = native.constants;
const isTraced = test.skipIf(problem !== undefined);
const code = (code: string) => expect.objectContaining({ code });

const newFile = (length = 16 * PAGE_SIZE) => zeroFile(length);

const prepare = `
	const batch = mapping.batch();
	const small = Buffer.alloc(8, 'abc');
	const large = Buffer.alloc(600, 'abc');`;
const twenty = `for (let n = 0; n < 20; n++) batch.write(n * 100, small);`;
const mixed = `batch.write(5, large).write(1000, small).write(1020, small);`;

isTraced('PMEM2_F_MEM_NODRAIN: the writes of a batch flush the lines of each, and share one fence at the end', () => {
	const actions = [`${twenty} batch.persist();`, `${mixed} batch.persist();`];
	const [many, few] = trace(actions, { granularity: 'cache-line', prepare });
	expect(flushedLines(many!)).toEqual(Array.from({ length: 20 }, (_, n) => linesOf(n * 100, 8)).flat());
	expect(flushedLines(few!)).toEqual([0, 576, ...linesOf(1000, 8), ...linesOf(1020, 8)]);
	expect([...new Set(streamedLines(few!))]).toEqual([64, 128, 192, 256, 320, 384, 448, 512]);
	for (const events of [many!, few!]) {
		expect(events.filter(({ what }) => what === 'fence').length).toBe(1);
		expect(events.at(-1)!.what).toBe('fence');
	}
});

isTraced(
	'PMEM2_F_MEM_NODRAIN: with byte granularity a batch is one fence, with page granularity an msync for each run of pages',
	() => {
		const far = 'batch.write(4 * 4096, small).write(2 * 4096, small).write(3 * 4096 - 4, small);';
		const actions = [`${mixed} batch.persist();`, `${mixed} ${far} batch.persist();`];
		expect(countsOf(trace(actions, { granularity: 'byte', prepare })[0]!)).toEqual({ fence: 1 });
		const [one, two] = trace(actions, { granularity: 'page', prepare });
		expect([countsOf(one!), countsOf(two!)]).toEqual([{ msync: 1 }, { msync: 2 }]);
	},
);

isTraced('collecting stores nothing and makes nothing persistent, and neither does a batch without writes', () => {
	const actions = [`${mixed} batch.clear();`, 'batch.persist();', 'batch.clear(); batch.persist();'];
	expect(trace(actions, { granularity: 'cache-line', prepare })).toEqual([[], [], []]);
});

test('nothing is stored before persist, and all is there after it', () => {
	const path = newFile();
	const mapping = map(path);
	const batch = mapping.batch();
	batch.write(0, Buffer.from('one')).write(PAGE_SIZE, Buffer.from('two'));
	expect([batch.size, mapping.buffer[0], mapping.buffer[PAGE_SIZE]]).toEqual([2, 0, 0]);
	batch.persist();
	expect(batch.size).toBe(0);
	const text = readFileSync(path, 'latin1');
	expect([text.slice(0, 3), text.slice(PAGE_SIZE, PAGE_SIZE + 3)]).toEqual(['one', 'two']);
});

test('the writes are made in their order: of two for the same bytes, the later one wins', () => {
	const mapping = map(newFile());
	const batch = mapping.batch();
	batch.write(10, Buffer.from('aaaaaa')).write(12, Buffer.from('bb')).write(15, Buffer.from('cc'));
	batch.write(0, Buffer.alloc(200, 'x')).write(11, Buffer.from('y')).persist();
	expect(mapping.at(9, 4).toString()).toBe('xxyx');
	expect(mapping.buffer[200]).toBe(0);
});

test('the source is copied when it is given, so it can be used again', () => {
	const mapping = map(newFile());
	const batch = mapping.batch();
	const source = Buffer.alloc(8);
	for (let n = 0; n < 100; n++) {
		source.fill(n);
		batch.write(n * 8, source);
	}
	batch.persist();
	expect(Array.from({ length: 100 }, (_, n) => mapping.buffer[n * 8 + 7])).toEqual(
		Array.from({ length: 100 }, (_, n) => n),
	);
});

test('a source that is a part of the mapping has the bytes of when it was given', () => {
	const mapping = map(newFile());
	mapping.write(0, Buffer.from('before'));
	const batch = mapping.batch().write(100, mapping.at(0, 6)).write(0, Buffer.from('after!'));
	mapping.write(0, Buffer.from('middle'));
	batch.persist();
	expect([mapping.at(100, 6).toString(), mapping.at(0, 6).toString()]).toEqual(['before', 'after!']);
});

test('ten thousand writes at random, and some in a long one, are what the same writes one by one are', () => {
	const random = new Random(7);
	const mapping = map(newFile());
	const expected = Buffer.alloc(mapping.length);
	const batch = mapping.batch();
	for (let n = 0; n < 10_000; n++) {
		const length = n % 1000 === 0 ? 5000 : random.below(200);
		const offset = random.below(mapping.length - length);
		const bytes = Buffer.alloc(length, n % 255 || 1);
		batch.write(offset, bytes);
		bytes.copy(expected, offset);
		if (n % 3000 === 2999) batch.persist();
	}
	expect(batch.size).toBe(1000);
	batch.persist();
	expect(mapping.buffer.equals(expected)).toBe(true);
});

test('several batches of one mapping are independent of each other', () => {
	const mapping = map(newFile());
	const [one, two] = [mapping.batch(), mapping.batch()];
	one.write(0, Buffer.from('1'));
	two.write(0, Buffer.from('2'));
	one.persist();
	expect([mapping.at(0, 1).toString(), two.size]).toEqual(['1', 1]);
	two.persist();
	expect(mapping.at(0, 1).toString()).toBe('2');
});

test('a cleared batch has forgotten its writes, and can be used again', () => {
	const mapping = map(newFile());
	const batch = mapping.batch().write(0, Buffer.from('gone'));
	batch.clear();
	batch.write(100, Buffer.from('kept')).persist();
	expect([mapping.buffer[0], mapping.at(100, 4).toString()]).toEqual([0, 'kept']);
});

test('writes at the very ends of the mapping fit, and empty ones fit anywhere', () => {
	const mapping = map(newFile(PAGE_SIZE + 10));
	const batch = mapping
		.batch()
		.write(PAGE_SIZE + 9, Buffer.from('z'))
		.write(0, Buffer.from('a'));
	batch
		.write(PAGE_SIZE + 10, Buffer.alloc(0))
		.write(0, Buffer.alloc(0))
		.persist();
	expect([mapping.buffer[0], mapping.buffer[PAGE_SIZE + 9]]).toEqual([97, 122]);
	mapping
		.batch()
		.write(0, Buffer.alloc(PAGE_SIZE + 10, 1))
		.persist();
	expect(mapping.buffer.every((byte) => byte === 1)).toBe(true);
});

test.each<[what: string, offset: unknown, source: unknown, error: string]>([
	['a range that ends behind the mapping', 16 * PAGE_SIZE - 1, Buffer.alloc(2), 'ERR_OUT_OF_RANGE'],
	['an offset behind the mapping', 16 * PAGE_SIZE + 1, Buffer.alloc(0), 'ERR_OUT_OF_RANGE'],
	['more bytes than the mapping has', 0, Buffer.alloc(16 * PAGE_SIZE + 1), 'ERR_OUT_OF_RANGE'],
	['a negative offset', -1, Buffer.alloc(1), 'ERR_OUT_OF_RANGE'],
	['a fractional offset', 0.5, Buffer.alloc(1), 'ERR_OUT_OF_RANGE'],
	['NaN for an offset', Number.NaN, Buffer.alloc(1), 'ERR_OUT_OF_RANGE'],
	['no offset', undefined, Buffer.alloc(1), 'ERR_INVALID_ARG_TYPE'],
	['a text for an offset', '0', Buffer.alloc(1), 'ERR_INVALID_ARG_TYPE'],
	['a text for bytes', 0, 'text', 'ERR_INVALID_ARG_TYPE'],
	['an array for bytes', 0, [1, 2], 'ERR_INVALID_ARG_TYPE'],
	['an ArrayBuffer for bytes', 0, new ArrayBuffer(4), 'ERR_INVALID_ARG_TYPE'],
	['no bytes', 0, undefined, 'ERR_INVALID_ARG_TYPE'],
])('%s is refused at once, and the other writes stay collected', (_, offset, source, error) => {
	const mapping = map(newFile());
	const batch = mapping.batch().write(8, Buffer.from('kept'));
	expect(() => batch.write(offset as number, source as Buffer)).toThrow(code(error));
	expect(batch.size).toBe(1);
	batch.persist();
	expect(mapping.at(8, 4).toString()).toBe('kept');
});

test('of an unmapped mapping persist is refused, and the writes are collected still', () => {
	const path = newFile();
	const mapping = mapFile(path);
	const batch = mapping.batch().write(0, Buffer.from('late'));
	mapping.unmap();
	expect(() => batch.persist()).toThrow(code('ERR_INVALID_STATE'));
	expect(batch.size).toBe(1);
	expect(readFileSync(path)[0]).toBe(0);
	expect(() => mapping.batch()).toThrow(code('ERR_INVALID_STATE'));
});

test('where the file was truncated, persist throws and keeps the writes', () => {
	const path = newFile();
	const mapping = map(path);
	const batch = mapping
		.batch()
		.write(0, Buffer.from('kept'))
		.write(8 * PAGE_SIZE, Buffer.from('lost'));
	truncateSync(path, PAGE_SIZE);
	expect(() => batch.persist()).toThrow(code('EFAULT'));
	expect(batch.size).toBe(2);
	expect(readFileSync(path, 'latin1').slice(0, 4)).toBe('kept');
});

test('only batch() makes a batch', () => {
	const mapping = map(newFile());
	const batch = mapping.batch();
	const Constructor = batch.constructor as new (...args: unknown[]) => PmemBatch;
	expect(() => new Constructor()).toThrow(code('ERR_ILLEGAL_CONSTRUCTOR'));
	expect(() => new Constructor(Symbol('batch'), 100, () => {})).toThrow(code('ERR_ILLEGAL_CONSTRUCTOR'));
	const { write, persist } = batch;
	for (const receiver of [{}, undefined, mapping]) {
		expect(() => write.call(receiver as PmemBatch, 0, Buffer.alloc(1))).toThrow(TypeError);
		expect(() => persist.call(receiver as PmemBatch)).toThrow(TypeError);
	}
});
