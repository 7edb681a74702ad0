// persistAsync: pmem2_persist on another thread. libpmem2 had a mover of data for this (pmem2_mover), and the version
// that was read has none any more, so there are no cases to name. What its future promised is here: completion,
// progress, and what happens if the mapping is gone meanwhile. The instructions are not counted, because traced.c
// follows one thread.
import { readFileSync, truncateSync } from 'node:fs';
import { type MapFileOptions, mapAnonymous, mapFile, type PersistProgress, PmemMapping } from 'daxkind';
import { expect, test } from 'vitest';
import { native } from '#lib/native.js';
import { MIB } from '#lib/size.js';
import { map, zeroFile } from '../../helpers/mappings.ts';
import { withForced } from '../../helpers/pmem-environment.ts';

const { PAGE_SIZE } = native.constants;
/** So much that a job takes many steps. */
const long = 64 * MIB;

/** A mapping whose lines are flushed one by one, so that it takes a while. */
const slow = (options?: MapFileOptions) => withForced('CACHE_LINE', () => map(zeroFile(long), options));

test.each(['PAGE', 'CACHE_LINE', 'BYTE'])(
	'with %s granularity the promise is fulfilled with nothing, and the bytes are in the file',
	async (forced) => {
		const path = zeroFile(8 * MIB);
		const mapping = withForced(forced, () => map(path));
		mapping.buffer.fill(7);
		expect(await mapping.persistAsync()).toBeUndefined();
		expect(await mapping.persistAsync(100, 1000)).toBeUndefined();
		expect(await mapping.persistAsync(8 * MIB - 1)).toBeUndefined();
		expect(readFileSync(path).every((byte) => byte === 7)).toBe(true);
	},
);

test('memory without a file, and a private mapping, have nothing to do and say that it is done', async () => {
	const anonymous = mapAnonymous(long);
	expect(await anonymous.persistAsync()).toBeUndefined();
	anonymous.unmap();
	expect(await map(zeroFile(PAGE_SIZE), { sharing: 'private' }).persistAsync()).toBeUndefined();
});

test('an empty range is done at once', async () => {
	const mapping = map(zeroFile(PAGE_SIZE));
	expect(await mapping.persistAsync(0, 0)).toBeUndefined();
	expect(await mapping.persistAsync(PAGE_SIZE)).toBeUndefined();
});

test('the call returns before the range is persistent: others run meanwhile', async () => {
	const mapping = slow();
	const order: string[] = [];
	const done = mapping.persistAsync().then(() => order.push('persistent'));
	order.push('returned');
	await Promise.resolve();
	order.push('another turn');
	await done;
	expect(order).toEqual(['returned', 'another turn', 'persistent']);
});

test('progress never goes back, and the last of it says that all bytes are done', async () => {
	const mapping = slow();
	const seen: PersistProgress[] = [];
	await mapping.persistAsync(PAGE_SIZE, long - 2 * PAGE_SIZE, { onProgress: (progress) => seen.push(progress) });
	const total = long - 2 * PAGE_SIZE;
	expect(seen.at(-1)).toEqual({ done: total, total });
	expect(seen.every((progress) => progress.total === total && progress.done <= total)).toBe(true);
	expect(seen.map(({ done }) => done)).toEqual(seen.map(({ done }) => done).sort((one, other) => one - other));
});

test('an error that the progress throws rejects the promise', async () => {
	const failure = new Error('of the caller');
	const onProgress = () => {
		throw failure;
	};
	await expect(slow().persistAsync(0, undefined, { onProgress })).rejects.toBe(failure);
});

test('a signal that is aborted already rejects with its reason', async () => {
	const mapping = map(zeroFile(PAGE_SIZE));
	const reason = { some: 'reason' };
	await expect(mapping.persistAsync(0, undefined, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
	expect(await mapping.persistAsync()).toBeUndefined();
});

test('a signal that is aborted meanwhile ends it with its reason, and the mapping can be used as before', async () => {
	const mapping = slow();
	const controller = new AbortController();
	const done = mapping.persistAsync(0, undefined, { signal: controller.signal });
	controller.abort(new Error('enough'));
	await expect(done).rejects.toThrow('enough');
	mapping.write(0, Buffer.from('after'));
	expect(await mapping.persistAsync(0, 5)).toBeUndefined();
});

test('a signal that is aborted afterwards changes nothing', async () => {
	const mapping = map(zeroFile(PAGE_SIZE));
	const controller = new AbortController();
	expect(await mapping.persistAsync(0, undefined, { signal: controller.signal })).toBeUndefined();
	controller.abort();
	expect(mapping.length).toBe(PAGE_SIZE);
});

test('pmem2_map_delete meanwhile: the promise is rejected as of an unmapped mapping, and nothing faults', async () => {
	const mapping = slow({ allocate: false });
	const done = mapping.persistAsync();
	mapping.unmap();
	await expect(done).rejects.toMatchObject({ code: 'ERR_INVALID_STATE', message: expect.stringContaining('unmapped') });
	expect(mapping.length).toBe(0);
});

test('pmem2_map_delete meanwhile, at any moment: it is either done or rejected so', async () => {
	const path = zeroFile(4 * MIB);
	const ways = new Set<string>();
	for (let round = 0; round < 60; round++) {
		const mapping = withForced('CACHE_LINE', () => mapFile(path));
		const done = mapping.persistAsync().then(
			() => 'done',
			(error) => error.code,
		);
		const end = performance.now() + round / 20;
		while (performance.now() < end);
		mapping.unmap();
		ways.add(await done);
	}
	expect([...ways].filter((way) => way !== 'done' && way !== 'ERR_INVALID_STATE')).toEqual([]);
});

test('the mapping stays until the job is over, even if nobody can reach it any more', async () => {
	const path = zeroFile(long);
	const start = () => withForced('CACHE_LINE', () => mapFile(path)).persistAsync();
	const done = start();
	for (let n = 0; n < 5; n++) globalThis.gc!();
	expect(await done).toBeUndefined();
});

test('several at once are all done, of one mapping and of others', async () => {
	const mappings = [slow(), slow()];
	const calls = mappings.flatMap((mapping) =>
		Array.from({ length: 8 }, (_, n) => mapping.persistAsync(n * 8 * MIB, 8 * MIB)),
	);
	expect(await Promise.all(calls)).toEqual(calls.map(() => undefined));
});

test('stores and other persists go on meanwhile', async () => {
	const mapping = slow();
	const done = mapping.persistAsync();
	for (let n = 0; n < 1000; n++) mapping.write(n * 64, Buffer.from([n & 255]));
	mapping.persist(0, PAGE_SIZE);
	await done;
	expect(Array.from({ length: 1000 }, (_, n) => mapping.buffer[n * 64])).toEqual(
		Array.from({ length: 1000 }, (_, n) => n & 255),
	);
});

test('where the file was truncated, it is EFAULT with the path, as of persist', async () => {
	const path = zeroFile(8 * MIB);
	const mapping = map(path);
	truncateSync(path, PAGE_SIZE);
	await expect(mapping.persistAsync()).rejects.toMatchObject({ code: 'EFAULT', errno: -14, path });
	expect(await mapping.persistAsync(0, PAGE_SIZE)).toBeUndefined();
});

test.each<[offset: unknown, length: unknown, options: unknown, code: string]>([
	[-1, 1, undefined, 'ERR_OUT_OF_RANGE'],
	[0, PAGE_SIZE + 1, undefined, 'ERR_OUT_OF_RANGE'],
	[PAGE_SIZE, 1, undefined, 'ERR_OUT_OF_RANGE'],
	[0.5, 1, undefined, 'ERR_OUT_OF_RANGE'],
	['0', 1, undefined, 'ERR_INVALID_ARG_TYPE'],
	[0, null, undefined, 'ERR_INVALID_ARG_TYPE'],
	[0, 1, null, 'ERR_INVALID_ARG_TYPE'],
	[0, 1, { signal: {} }, 'ERR_INVALID_ARG_TYPE'],
	[0, 1, { onProgress: 'yes' }, 'ERR_INVALID_ARG_TYPE'],
	[0, 1, { progress: () => {} }, 'ERR_INVALID_ARG_VALUE'],
])('an offset of %o, a length of %o and options of %o are a rejection', async (offset, length, options, code) => {
	const mapping = map(zeroFile(PAGE_SIZE));
	await expect(mapping.persistAsync(offset as number, length as number, options as object)).rejects.toMatchObject({
		code,
	});
});

test('an unmapped mapping, one that is not writable, and what is no mapping are rejections', async () => {
	const unmapped = mapFile(zeroFile(PAGE_SIZE));
	unmapped.unmap();
	await expect(unmapped.persistAsync()).rejects.toMatchObject({ code: 'ERR_INVALID_STATE' });
	const readable = map(zeroFile(PAGE_SIZE), { writable: false });
	await expect(readable.persistAsync()).rejects.toMatchObject({ code: 'ERR_INVALID_STATE' });
	const { persistAsync } = PmemMapping.prototype;
	await expect(persistAsync.call({} as PmemMapping)).rejects.toMatchObject({ code: 'ERR_INVALID_THIS' });
});
