// pmem2_integration, and what pmem2_api and the examples do: whole lives of mappings. Its cases of granularity, deep
// flushes and anonymous memory are in the files of those areas. Left out: test_register_pmem, because there is no Node
// under pmemcheck; test_map_from_existing*, because no address can be given; the same on device DAX, which only a
// guest has.
import { closeSync, openSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type MapFileOptions, mapFile } from 'daxkind';
import { expect, onTestFinished, test } from 'vitest';
import { native } from '#lib/native.js';
import { KIB, MIB } from '#lib/size.js';
import { Random } from '../../../scripts/random.mjs';
import { spawnSync } from '../../helpers/children.ts';
import { map, zeroFile } from '../../helpers/mappings.ts';
import { withForced } from '../../helpers/pmem-environment.ts';
import { holdings, runChild, startChild } from '../../helpers/process.ts';
import { temporaryDirectory, tmpfs } from '../../helpers/temporary-directory.ts';
import { countsOf, problem, trace } from '../../helpers/traced.ts';

const { PAGE_SIZE } = native.constants;
const outOfRange = expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' });

const newFile = (length = 4 * PAGE_SIZE, parent = tmpfs) => zeroFile(length, parent);

test('test_reuse_cfg: the same options map the same file twice, and each mapping stands alone', () => {
	const path = newFile();
	const options: MapFileOptions = { offset: PAGE_SIZE, length: PAGE_SIZE, granularity: 'page' };
	const [one, two] = [map(path, options), map(path, options)];
	one.unmap();
	two.write(0, Buffer.from('two'));
	expect([one.length, readFileSync(path, 'latin1').slice(PAGE_SIZE, PAGE_SIZE + 3)]).toEqual([0, 'two']);
});

test('test_reuse_cfg_with_diff_fd: the same options map another file', () => {
	const paths = [newFile(), newFile()];
	const options: MapFileOptions = { length: 2 * PAGE_SIZE };
	const mappings = paths.map((path) => {
		const fd = openSync(path, 'r+');
		const mapping = map(fd, options);
		closeSync(fd);
		return mapping;
	});
	for (const [n, mapping] of mappings.entries()) mapping.fill(0, n + 1);
	expect(paths.map((path) => [...new Set(readFileSync(path).subarray(0, 2 * PAGE_SIZE))])).toEqual([[1], [2]]);
});

test('test_use_misc_lens_and_offsets: each range of a file, page by page, has the bytes of the whole', () => {
	const pages = 16;
	const path = newFile(pages * PAGE_SIZE);
	const whole = map(path);
	const random = new Random(13);
	for (let at = 0; at < whole.length; at++) whole.buffer[at] = random.below(256);
	whole.persist();
	let ranges = 0;
	for (let end = pages; end > 0; end--) {
		for (let page = 0; page < end; page++) {
			const [offset, length] = [page * PAGE_SIZE, (end - page) * PAGE_SIZE];
			const mapping = mapFile(path, { offset, length });
			if (mapping.buffer.equals(whole.at(offset, length))) ranges += 1;
			mapping.unmap();
		}
	}
	expect(ranges).toBe((pages * (pages + 1)) / 2);
});

test('test_len_not_aligned, test_len_aligned: a length ends on a page, or exactly where the file ends', () => {
	const path = newFile(4 * PAGE_SIZE + 100);
	for (const length of [PAGE_SIZE, 4 * PAGE_SIZE, 4 * PAGE_SIZE + 100])
		expect(map(path, { length }).length).toBe(length);
	for (const length of [PAGE_SIZE - 1, 4 * PAGE_SIZE - 1, 4 * PAGE_SIZE + 99, 5 * PAGE_SIZE]) {
		expect(() => mapFile(path, { length })).toThrow(outOfRange);
	}
});

test('test_offset_not_aligned, test_offset_aligned: an offset is on a page, whatever the length is', () => {
	const path = newFile();
	expect(map(path, { offset: PAGE_SIZE, length: 2 * PAGE_SIZE }).length).toBe(2 * PAGE_SIZE);
	for (const length of [undefined, PAGE_SIZE, 2 * PAGE_SIZE]) {
		const options = { offset: PAGE_SIZE - 1, ...(length !== undefined && { length }) };
		expect(() => mapFile(path, options)).toThrow(outOfRange);
	}
});

test.each([
	['tmpfs', tmpfs],
	['an ordinary directory', undefined],
])(
	'in %s, what was made persistent is there when the file is mapped again, by every way of storing',
	async (_, parent) => {
		const path = newFile(64 * KIB, parent);
		const first = mapFile(path);
		first.buffer.write('stored', 0);
		first.persist(0, 6);
		first.write(PAGE_SIZE, Buffer.from('written'));
		first.fill(2 * PAGE_SIZE, 120, 3);
		first.move(3 * PAGE_SIZE, PAGE_SIZE, 7);
		first
			.batch()
			.write(4 * PAGE_SIZE, Buffer.from('one'))
			.write(5 * PAGE_SIZE, Buffer.from('two'))
			.persist();
		first.write(6 * PAGE_SIZE, Buffer.from('flushed'), { drain: false });
		first.drain();
		first.write(7 * PAGE_SIZE, Buffer.from('later'), { persist: false });
		await first.persistAsync(7 * PAGE_SIZE, 5);
		first.deepFlush();
		first.unmap();
		const second = map(path, { writable: false });
		const texts = ['stored', 'written', 'xxx', 'written', 'one', 'two', 'flushed', 'later'];
		expect(texts.map((text, page) => second.at(page * PAGE_SIZE, text.length).toString())).toEqual(texts);
	},
);

test('what a process made persistent is there after it was killed', async () => {
	const directory = temporaryDirectory(tmpfs);
	const path = join(directory, 'file');
	writeFileSync(path, Buffer.alloc(MIB));
	const child = await startChild(
		`import { mapFile } from 'daxkind';
		const mapping = mapFile(process.argv[1] + '/file');
		mapping.write(1000, Buffer.from('from the other process'));
		console.log('ready');
		setInterval(() => {}, 1000);`,
		directory,
	);
	expect(await child.end('SIGKILL')).toEqual([null, 'SIGKILL']);
	expect(map(path).at(1000, 22).toString()).toBe('from the other process');
});

test('two processes have the same bytes of a shared mapping', () => {
	const directory = temporaryDirectory(tmpfs);
	const path = join(directory, 'file');
	writeFileSync(path, Buffer.alloc(PAGE_SIZE));
	const mapping = map(path);
	mapping.write(0, Buffer.from('question'));
	const { stdout } = runChild(
		`import { mapFile } from 'daxkind';
		const mapping = mapFile(process.argv[1] + '/file');
		console.log(mapping.at(0, 8).toString());
		mapping.write(100, Buffer.from('answer'));`,
		directory,
	);
	expect([stdout, mapping.at(100, 6).toString()]).toEqual(['question\n', 'answer']);
});

test('a private mapping reads what the file has, and keeps its own stores from it', () => {
	const path = newFile();
	const shared = map(path);
	const isolated = map(path, { sharing: 'private' });
	shared.write(0, Buffer.from('shared'));
	expect(isolated.at(0, 6).toString()).toBe('shared');
	isolated.write(2, Buffer.from('IVA'));
	isolated.deepFlush();
	expect([isolated.at(0, 6).toString(), shared.at(0, 6).toString()]).toEqual(['shIVAd', 'shared']);
	isolated.unmap();
	expect(readFileSync(path, 'latin1').slice(0, 6)).toBe('shared');
});

test('mappings of different granularity are in one process, of one file, and each does its own', () => {
	const path = newFile();
	const mappings = ['PAGE', 'CACHE_LINE', 'BYTE'].map((value) => withForced(value, () => map(path)));
	expect(mappings.map(({ granularity }) => granularity)).toEqual(['page', 'cache-line', 'byte']);
	for (const [n, mapping] of mappings.entries()) {
		mapping.write(n * PAGE_SIZE, Buffer.from(mapping.granularity));
		mapping
			.batch()
			.write(n * PAGE_SIZE + 100, Buffer.from('batch'))
			.persist();
		mapping.drain();
		mapping.deepFlush();
	}
	const texts = mappings.map(({ granularity: { length } }, n) => mappings[2 - n]!.at(n * PAGE_SIZE, length).toString());
	expect(texts).toEqual(['page', 'cache-line', 'byte']);
});

test.skipIf(problem !== undefined)('a mapping of each granularity in one process executes its own instructions', () => {
	const made = ['PAGE', 'CACHE_LINE', 'BYTE'].map(
		(value) => `process.env.PMEM2_FORCE_GRANULARITY = '${value}'; const ${value} = daxkind.mapFile(path);`,
	);
	const actions = ['PAGE.persist(0, 8);', 'CACHE_LINE.persist(0, 8);', 'BYTE.persist(0, 8);', 'PAGE.persist(0, 8);'];
	const [page, line, byte, again] = trace(actions, { granularity: 'page', prepare: made.join('\n') });
	expect([page!, byte!, again!].map(countsOf)).toEqual([{ msync: 1 }, { fence: 1 }, { msync: 1 }]);
	expect(countsOf(line!)).toEqual({ [native.flushInstructions[0]!]: 1, fence: 1 });
});

test('pmem2_api: bytes are copied from one mapping to another, persistent there, and the source is gone first', () => {
	const [from, to] = [newFile(MIB), newFile(MIB)];
	const [source, target] = [mapFile(from), mapFile(to)];
	source.fill(0, 0x61);
	target.write(0, source.buffer);
	source.unmap();
	rmSync(from);
	target.unmap();
	expect(readFileSync(to).equals(Buffer.alloc(MIB, 'a'))).toBe(true);
});

test('a file that grows is mapped again with its new length, and the mapping before it keeps its own', () => {
	const path = newFile(PAGE_SIZE);
	const before = map(path);
	truncateSync(path, 3 * PAGE_SIZE);
	const after = map(path);
	after.write(2 * PAGE_SIZE, Buffer.from('new'));
	before.write(0, Buffer.from('old'));
	expect([before.length, after.length, after.at(0, 3).toString()]).toEqual([PAGE_SIZE, 3 * PAGE_SIZE, 'old']);
});

test('a thousand lives of a mapping leave no descriptor and no mapping behind', () => {
	const path = newFile();
	const before = holdings();
	for (let n = 0; n < 1000; n++) {
		const mapping = mapFile(path, n % 3 === 0 ? { sharing: 'private' } : {});
		mapping.write(n, Buffer.from([n & 255]));
		mapping.unmap();
	}
	expect(holdings()).toEqual(before);
	expect(readFileSync('/proc/self/maps', 'utf8')).not.toContain(path);
	expect([1, 2, 3].map((n) => readFileSync(path)[n])).toEqual([1, 2, 0]);
});

test('a child process inherits no mapping', () => {
	const path = newFile();
	map(path);
	const { stdout } = spawnSync('cat', ['/proc/self/maps'], { encoding: 'utf8' });
	expect(stdout).not.toContain(path);
});

test('the end of the process with mappings open is a clean one', () => {
	const directory = temporaryDirectory(tmpfs);
	writeFileSync(join(directory, 'file'), Buffer.alloc(PAGE_SIZE));
	const { status, signal, stderr } = runChild(
		`import { mapAnonymous, mapFile } from 'daxkind';
		const path = process.argv[1] + '/file';
		const mappings = [mapFile(path), mapFile(path, { sharing: 'private' }), mapAnonymous(4096)];
		for (const mapping of mappings) mapping.fill(0, 1);
		void mappings[0].persistAsync();`,
		directory,
	);
	expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
	expect([...new Set(readFileSync(join(directory, 'file')))]).toEqual([1]);
});

test("a descriptor that mapFile was given is still the caller's, also after an error", () => {
	const fd = openSync(newFile(), 'r+');
	onTestFinished(() => {
		closeSync(fd);
	});
	expect(() => mapFile(fd, { offset: 1 })).toThrow(outOfRange);
	mapFile(fd).unmap();
	expect(map(fd).length).toBe(4 * PAGE_SIZE);
});
