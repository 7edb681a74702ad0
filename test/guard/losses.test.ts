// What a kind or a mapping has lost is reported to everybody who listens, and is never used again.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { truncateSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { FixedKind, Kind, type KindMediaError, type MappingMediaError, mapFile } from 'daxkind';
import { expect, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { spawnSync } from '../helpers/children.ts';
import { until } from '../helpers/process.ts';
import { temporaryDirectory, tmpfs } from '../helpers/temporary-directory.ts';
import { Thread } from '../helpers/thread.ts';

const page = 4096;

/** A kind in a file. `truncate` takes away everything in the file from `kept` bytes on. */
function lossyKind(options: Parameters<typeof FixedKind.create>[1] = {}, size = 4 * MIB) {
	const path = `${temporaryDirectory(tmpfs)}/file`;
	writeFileSync(path, Buffer.alloc(size, 7));
	const mapping = mapFile(path, { onMediaError: () => {} });
	const kind = FixedKind.create(mapping, options);
	return { path, mapping, kind, truncate: (kept = 0) => truncateSync(path, kept) };
}

test('a block of which a page is lost is told with its memory, where and why', async () => {
	const errors: KindMediaError[] = [];
	const { kind, path, truncate } = lossyKind({ onMediaError: (error) => errors.push(error) });
	const block = kind.malloc(100_000).fill(1);
	truncate();
	expect(block[50_000]).toBe(0);
	block[50_000] = 5;
	await until(() => errors.length > 0);
	const [error] = errors;
	expect(errors).toHaveLength(1);
	expect(error).toMatchObject({ sort: 'block', length: page, cause: 'truncated', path });
	expect(error!.offset).toBeLessThanOrEqual(50_000);
	expect(error!.offset + page).toBeGreaterThan(50_000);
	// It is the same memory.
	expect(error!.block!.byteOffset).toBe(block.byteOffset);
	expect(error!.block!.buffer).toBe(block.buffer);
	expect(error!.block!.length).toBe(kind.usableSize(block));
	expect(error!.block![50_000]).toBe(5);
	kind.close();
});

test('each block of a page, referenced blocks, raw handles and free memory are told as what they are', async () => {
	const errors: KindMediaError[] = [];
	const { kind, truncate } = lossyKind({ onMediaError: (error) => errors.push(error) });
	const small = Array.from({ length: 4 }, () => kind.malloc(1000));
	const reference = kind.ref(kind.malloc(20_000));
	const handle = kind.mallocRaw(30_000);
	const collected = kind.buffer(40_000);
	truncate();
	for (const block of small) block[0] = 1;
	kind.deref(reference)[10_000] = 1;
	kind.view(handle)[0] = 1;
	collected[39_999] = 1;
	const told = (sort: string) => errors.filter((error) => error.sort === sort);
	await until(() => told('reference').length * told('handle').length > 0 && told('block').length > 4);
	for (const block of small) {
		expect(told('block').some((error) => error.block!.byteOffset === block.byteOffset)).toBe(true);
	}
	expect(told('block').some((error) => error.block!.length === collected.length)).toBe(true);
	expect(told('reference')[0]!.reference).toEqual(reference);
	expect(kind.deref(told('reference')[0]!.reference!)[10_000]).toBe(1);
	expect(told('handle')[0]).toMatchObject({ handle, offset: 0 });
	// Free memory in slabs or in a thread cache.
	expect(told('free').length).toBeGreaterThan(0);
	kind.close();
});

test('in debug mode the block that is told is what its holder has, without its red zones', async () => {
	const errors: KindMediaError[] = [];
	const { kind, truncate } = lossyKind({ debug: true, onMediaError: (error) => errors.push(error) });
	const block = kind.malloc(5000).fill(3);
	truncate();
	block[0] = 4;
	await until(() => errors.some(({ sort }) => sort === 'block'));
	const { block: told, offset, length } = errors.find(({ sort }) => sort === 'block')!;
	expect([told!.length, offset, told![0]]).toEqual([5000, 0, 4]);
	expect(length).toBeLessThanOrEqual(page);
	kind.free(block);
	kind.close();
});

test('what is lost is out of use once its block is freed, and no block is handed out there again', async () => {
	const errors: KindMediaError[] = [];
	const { kind, truncate } = lossyKind({ onMediaError: (error) => errors.push(error) });
	const sizes = [16, 100, 1000, 3000, 8000, 9000, 70_000];
	const blocks = sizes.flatMap((size) => Array.from({ length: 5 }, () => kind.malloc(size)));
	expect(kind.stats().lost).toBe(0);
	truncate();
	for (const block of blocks) block[0] = 1;
	const isTold = ({ byteOffset }: Buffer) => errors.some(({ block }) => block?.byteOffset === byteOffset);
	await until(() => blocks.every(isTold));
	// All blocks are in one ArrayBuffer, which begins where the kind does.
	const lost = errors.map(({ block, offset, length }) => {
		const from = (block?.byteOffset ?? 0) + offset;
		return { from, to: from + length };
	});
	for (const block of blocks) kind.free(block);
	expect(kind.stats().lost).toBeGreaterThan(0);
	const again: number[][] = [];
	for (const size of [3000, 500, 16]) {
		for (let block = kind.tryMalloc(size); block !== undefined; block = kind.tryMalloc(size)) {
			again.push([block.byteOffset, block.byteOffset + kind.usableSize(block)]);
		}
	}
	expect(again.length).toBeGreaterThan(1000);
	for (const { from, to } of lost) {
		expect(again.filter(([start, end]) => start! < to && from < end!)).toEqual([]);
	}
	const { capacity, free, allocated, cached, lost: outOfUse } = kind.stats();
	expect(free + allocated + cached + outOfUse).toBeLessThanOrEqual(capacity);
	kind.close();
});

test('the diagnostics channel says the same as the listener', async () => {
	const errors: unknown[] = [];
	const published: unknown[] = [];
	const { kind, truncate } = lossyKind({ onMediaError: (error) => errors.push(error) });
	const subscriber = (message: unknown) => void published.push(message);
	subscribe('daxkind:media-error', subscriber);
	const block = kind.malloc(100_000);
	truncate();
	block[0] = 1;
	await until(() => errors.length > 0);
	unsubscribe('daxkind:media-error', subscriber);
	// The mapping publishes its loss, too.
	expect(published).toEqual(expect.arrayContaining(errors));
	expect(published.find((error) => error === errors[0])).toBe(errors[0]);
	kind.close();
});

type Told = Pick<KindMediaError, 'sort' | 'offset' | 'length'>;

test('every thread that holds the kind is told', async () => {
	const errors: KindMediaError[] = [];
	const { kind, truncate } = lossyKind({ onMediaError: (error) => errors.push(error) });
	const thread = await Thread.start(kind.share());
	const told = thread.run(() => {
		const { subscribe } = process.getBuiltinModule('node:diagnostics_channel');
		return new Promise<Told>((resolve) => {
			subscribe('daxkind:media-error', (error) => {
				const { sort, offset, length } = error as KindMediaError;
				resolve({ sort, offset, length });
			});
		});
	}, undefined);
	// The thread does this after it has subscribed.
	await thread.run(() => {}, undefined);
	const block = kind.malloc(100_000);
	truncate();
	block[0] = 1;
	await until(() => errors.length > 0);
	const { sort, offset, length } = errors[0]!;
	expect(await told).toEqual({ sort, offset, length });
	kind.close();
});

test('a thread that attaches with a listener is told of the same block', async () => {
	const { kind, truncate } = lossyKind();
	const thread = await Thread.start();
	const told = thread.run(
		(scope, shared) =>
			new Promise<Told>((resolve) => {
				const onMediaError = ({ sort, offset, length }: Told) => resolve({ sort, offset, length });
				scope.kind = scope.daxkind.Kind.attach(shared, { onMediaError });
			}),
		kind.share(),
	);
	// The thread does this after it has attached.
	await thread.run(() => {}, undefined);
	const warnings: Error[] = [];
	const warn = (warning: Error) => warnings.push(warning);
	process.on('warning', warn);
	const block = kind.malloc(100_000);
	truncate();
	block[50_000] = 1;
	expect(await told).toMatchObject({ sort: 'block', length: page });
	await thread.terminate();
	process.off('warning', warn);
	// There is no warning, because somebody listens, though not in this thread.
	expect(warnings).toEqual([]);
	kind.close();
});

test('a mapping tells its own listener, and lists what it has lost', async () => {
	const errors: MappingMediaError[] = [];
	const path = `${temporaryDirectory(tmpfs)}/file`;
	writeFileSync(path, Buffer.alloc(8 * page, 7));
	const mapping = mapFile(path, { onMediaError: (error) => errors.push(error) });
	expect(mapping.errors()).toEqual([]);
	truncateSync(path, 2 * page);
	expect(mapping.buffer[3 * page]).toBe(0);
	expect(mapping.buffer[4 * page]).toBe(0);
	expect(mapping.buffer[6 * page]).toBe(0);
	expect(mapping.buffer[page]).toBe(7);
	const lost = [
		{ offset: 3 * page, length: 2 * page, cause: 'truncated' },
		{ offset: 6 * page, length: page, cause: 'truncated' },
	];
	expect(mapping.errors()).toEqual(lost);
	await until(() => errors.reduce((sum, { length }) => sum + length, 0) === 3 * page);
	expect(errors.every((error) => error.path === path && error.cause === 'truncated')).toBe(true);
	mapping.unmap();
	expect(mapping.errors()).toEqual([]);
});

test.each([
	['a view of a mapping', (path: string, onMediaError: () => void) => mapFile(path, { onMediaError }).buffer],
	[
		'a kind over a mapping',
		(path: string, onMediaError: () => void) =>
			FixedKind.create(mapFile(path, { onMediaError }), { onMediaError: () => {} }).malloc(100),
	],
])("whoever keeps only %s is told by the mapping's listener", async (_, keep) => {
	let told = 0;
	const path = `${temporaryDirectory(tmpfs)}/file`;
	writeFileSync(path, Buffer.alloc(8 * page, 7));
	const kept = keep(path, () => told++);
	for (let round = 0; round < 20; round++) {
		globalThis.gc!();
		await sleep(1);
	}
	truncateSync(path);
	expect(kept[0]).toBe(0);
	await until(() => told > 0);
	Kind.of(kept)?.close();
});

test('of a mapping whose file has another name by now the cause is not known', async () => {
	const path = `${temporaryDirectory(tmpfs)}/file`;
	writeFileSync(path, Buffer.alloc(2 * page, 7));
	const errors: MappingMediaError[] = [];
	const mapping = mapFile(path, { onMediaError: (error) => errors.push(error) });
	truncateSync(path);
	spawnSync('mv', [path, `${path}.moved`]);
	expect(mapping.buffer[0]).toBe(0);
	await until(() => errors.length > 0);
	expect(errors).toEqual([{ offset: 0, length: page, cause: 'unknown', path }]);
	mapping.unmap();
});

const program = (body: string, listener = '') => `
	import { subscribe } from 'node:diagnostics_channel';
	import { truncateSync, writeFileSync } from 'node:fs';
	import { setTimeout as sleep } from 'node:timers/promises';
	import { FixedKind, mapFile } from 'daxkind';
	const path = process.argv[1] + '/file';
	writeFileSync(path, Buffer.alloc(1024 * 1024));
	const mapping = mapFile(path);
	const kind = FixedKind.create(mapping, { ${listener} });
	const blocks = Array.from({ length: 8 }, () => kind.malloc(1000));
	truncateSync(path);
	${body}
	await sleep(300);`;

function run(source: string) {
	const args = ['--input-type=module', '-e', source, temporaryDirectory(tmpfs)];
	const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 20_000 });
	return { status, stdout, stderr };
}

test('without a listener there is one warning for each place, and none for the mapping under the kind', () => {
	const { status, stderr } = run(program('for (const block of blocks) block[0] = 1;'));
	const warnings = stderr.split('\n').filter((line) => line.includes('DAXKIND_MEDIA_ERROR'));
	expect(status).toBe(0);
	expect(warnings.length).toBeGreaterThan(0);
	expect(
		warnings.every((line) =>
			/The kind on '.*' has lost \d+ bytes, from \d+ on: somebody has truncated the file/.test(line),
		),
	).toBe(true);
	// Eight blocks of 1,000 bytes are on two or three pages.
	expect(warnings.length).toBeLessThanOrEqual(3);
});

test.each([
	['with a listener', 'onMediaError() {}', ''],
	['with a subscriber of the channel', '', "subscribe('daxkind:media-error', () => {});"],
])('%s there is no warning', (_, listener, body) => {
	expect(run(program(`${body} blocks[0][0] = 1;`, listener))).toEqual({ status: 0, stdout: '', stderr: '' });
});

test('what a listener throws is an uncaught exception', () => {
	const body = "process.on('uncaughtException', (error) => console.log(error.message)); blocks[0][0] = 1;";
	const { status, stdout } = run(
		program(body, "onMediaError({ sort }) { if (sort === 'block') throw new Error('mine'); }"),
	);
	expect(status).toBe(0);
	expect(stdout).toMatch(/^(mine\n)+$/);
});

test('prefault goes on past pages that are lost, and tells them', async () => {
	const errors: KindMediaError[] = [];
	const { kind, truncate } = lossyKind({ onMediaError: (error) => errors.push(error) }, MIB);
	truncate(MIB / 2);
	await kind.prefaultAsync();
	await until(() => errors.reduce((sum, { length }) => sum + length, 0) >= MIB / 2);
	expect(kind.stats()).toMatchObject({ lost: MIB / 2, free: MIB / 2 });
	kind.close();
});

test('a kind that is closed tells nothing any more', async () => {
	const errors: KindMediaError[] = [];
	const { kind, truncate } = lossyKind({ onMediaError: (error) => errors.push(error) });
	const block = kind.malloc(100_000);
	truncate();
	block[0] = 1;
	kind.close();
	await sleep(100);
	expect(errors).toEqual([]);
});

test('a listener that is no function is refused', () => {
	const path = `${temporaryDirectory(tmpfs)}/file`;
	writeFileSync(path, Buffer.alloc(page));
	const refused = expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' });
	expect(() => mapFile(path, { onMediaError: 1 as never })).toThrow(refused);
	expect(() => mapFile(path, { errors: 1 as never })).toThrow(refused);
	expect(() => mapFile(path, { errors: 'ignore' as never })).toThrow(
		expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }),
	);
	const mapping = mapFile(path, { errors: 'refuse' });
	expect(() => FixedKind.create(mapping, { onMediaError: 'x' as never })).toThrow(refused);
	mapping.unmap();
});
