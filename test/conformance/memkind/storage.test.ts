// What memkind does to its file and address space behind the API, and what users complained about: holes, mappings, the
// size of the file, descriptors. Here there is one file and one mapping, whatever happens.
import { fstatSync, readFileSync } from 'node:fs';
import { type Block, minPmemSize } from 'daxkind';
import { expect, test } from 'vitest';
import { KIB, MIB } from '#lib/size.js';
import { Random } from '../../../scripts/random.mjs';
import { execFileSync } from '../../helpers/children.ts';
import { testDirectory } from '../../helpers/directory.ts';
import { fill, freeAll, partSize } from '../../helpers/fill.ts';
import { closeAfterEach, create } from '../../helpers/kinds.ts';
import { namelessFiles, runChild } from '../../helpers/process.ts';

const directory = testDirectory();
closeAfterEach();

const file = () => fstatSync(namelessFiles(directory)[0]!.fd);
const mappings = () =>
	readFileSync('/proc/self/maps', 'utf8')
		.split('\n')
		.filter((line) => line.includes(` ${directory}/`)).length;

test('test_TC_MEMKIND_PmemCheckExtentDalloc: the storage of what was freed leaves the file, at once by purge', () => {
	// It also leaves by itself after ten seconds: test/kind/storage.test.ts tests that.
	const kind = create(directory, { maxSize: partSize });
	const blocks = Array.from({ length: 10_000 }, () => kind.malloc(32));
	const initial = file().blocks;
	expect(initial).toBeGreaterThan(0);
	freeAll(kind, blocks);
	expect(kind.purge()).toBe(initial * 512);
	expect(file().blocks).toBe(0);
});

test('memkind defect: every second page freed makes no mapping more, where memkind aborts at 65,530', () => {
	const kind = create(directory, { maxSize: 320 * MIB, policy: 'conservative' });
	const blocks = fill(kind, 4 * KIB);
	expect(blocks.length).toBe((320 * MIB) / (4 * KIB));
	freeAll(
		kind,
		blocks.filter((_, i) => i % 2 === 0),
	);
	kind.purge();
	expect(mappings()).toBe(1);
	// The memory that was freed can be used again.
	expect(fill(kind, 4 * KIB).length).toBe(blocks.length / 2);
});

test('memkind defect: the file is as long after a million allocations as at first, where memkind never uses an offset twice', () => {
	const kind = create(directory, { maxSize: 32 * MIB, policy: 'conservative' });
	const { size } = file();
	const random = new Random(6);
	const held: (Block | undefined)[] = new Array(64);
	for (let i = 0; i < 1_000_000; i++) {
		const at = random.below(held.length);
		kind.free(held[at]);
		// Now and then there is a long block, because long blocks give storage back.
		held[at] = kind.tryMalloc(i % 1000 === 0 ? 2 * MIB : random.below(4000));
	}
	expect(file().size).toBe(size);
	expect(size).toBe(32 * MIB);
	expect(mappings()).toBe(1);
});

test('memkind defect: a child process has neither the descriptor nor the memory of a kind', () => {
	create(directory, { maxSize: minPmemSize }).malloc(MIB).fill('secret');
	const links = execFileSync('sh', ['-c', 'ls -l /proc/$$/fd; cat /proc/$$/maps'], { encoding: 'utf8' });
	expect(links).toContain(' -> ');
	expect(links).not.toContain(directory);
});

test('memkind defect: a process that used all of a conservative kind ends with status 0, where memkind aborts at exit', () => {
	const { status, signal, stdout, stderr } = runChild(
		`const kind = PmemKind.create(process.argv[1], { maxSize: ${64 * MIB}, policy: 'conservative' });
		const blocks = [];
		for (let block = kind.tryMalloc(4096); block !== undefined; block = kind.tryMalloc(4096)) blocks.push(block);
		blocks.forEach((block, i) => { if (i % 2) kind.free(block); });
		console.log(blocks.length);`,
		directory,
	);
	expect({ status, signal, stdout, stderr }).toEqual({ status: 0, signal: null, stdout: '16384\n', stderr: '' });
});

test('memkind defect: storage that is reserved is counted once, however often blocks come and go', () => {
	const kind = create(directory, { maxSize: minPmemSize });
	for (let round = 0; round < 20; round++) {
		const blocks = fill(kind, [100, 5000, 70_000, MIB]);
		expect(kind.stats()).toMatchObject({ resident: minPmemSize, committed: minPmemSize });
		freeAll(kind, blocks);
		expect(kind.purge()).toBe(minPmemSize);
		expect(kind.stats()).toMatchObject({ resident: 0, committed: 0, free: minPmemSize });
	}
});
