// memkind_create_pmem: what it takes, what it refuses, and how many kinds there can be.
import { chmodSync, mkdirSync, rmdirSync } from 'node:fs';
import { minPmemSize } from 'daxkind';
import { expect, test } from 'vitest';
import { KIB, MIB } from '#lib/size.js';
import { testDirectory } from '../../helpers/directory.ts';
import { partSize } from '../../helpers/fill.ts';
import { closeAfterEach, create } from '../../helpers/kinds.ts';
import { holdings, namelessFiles, runChild } from '../../helpers/process.ts';

const directory = testDirectory();
/** MEMKIND_MAX_KIND. memkind cannot reach it, because of its static kinds and its arenas. */
const maxKinds = 512;
closeAfterEach();

test('test_TC_MEMKIND_PmemPriv: a new kind has its size rounded up to 2 MiB, all of it free', () => {
	const kind = create(directory, { maxSize: partSize });
	expect(kind.capacity).toBe(18 * MIB);
	expect(kind.stats()).toMatchObject({ capacity: 18 * MIB, free: 18 * MIB, largestFree: 18 * MIB, committed: 0 });
});

test('test_TC_MEMKIND_PmemCreatePmemFailNonExistingDirectory: a missing directory is ENOENT', () => {
	const before = holdings();
	expect(() => create(`${directory}/non_existing`, { maxSize: minPmemSize })).toThrow(
		expect.objectContaining({ code: 'ENOENT', errno: -2, syscall: 'open', path: `${directory}/non_existing` }),
	);
	expect(holdings()).toEqual(before);
});

test('test_TC_MEMKIND_PmemCreatePmemFailWritePermissionIssue: a directory one may not write to is EACCES', () => {
	const unwritable = `${directory}/unwritable`;
	mkdirSync(unwritable);
	chmodSync(directory, 0o755);
	chmodSync(unwritable, 0o500);
	const drop = process.getuid!() === 0 ? 'process.setgroups([]); process.setgid(65534); process.setuid(65534);' : '';
	const { stdout, stderr } = runChild(
		`${drop} try { PmemKind.create(process.argv[1] + '/unwritable'); } catch (e) { console.log(e.code, e.errno, e.syscall); }`,
		directory,
	);
	rmdirSync(unwritable);
	expect(stdout + stderr).toBe('EACCES -13 open\n');
});

test('test_TC_MEMKIND_PmemResize: a limit holds, no limit is the file system, and below 16 MiB is no size', () => {
	const limited = create(directory, { maxSize: partSize });
	const whole = limited.malloc(minPmemSize);
	// 2 MiB are left. memkind has nothing left here.
	limited.free(limited.malloc(2 * MIB));
	expect(limited.tryMalloc(2 * MIB + 1)).toBeUndefined();
	limited.free(whole);

	const unlimited = create(directory, { maxSize: 0 });
	const blocks = [unlimited.malloc(minPmemSize), unlimited.malloc(2 * MIB)];
	for (const block of blocks) unlimited.free(block);

	expect(() => create(directory, { maxSize: minPmemSize - 1 })).toThrow(
		expect.objectContaining({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE' }),
	);
	expect(minPmemSize).toBe(16 * MIB);
});

test('pmem_kinds (example): a limited, an unlimited and ten more kinds are made and closed', () => {
	create(directory, { maxSize: 32 * MIB }).close();
	create(directory).close();
	const kinds = Array.from({ length: 10 }, () => create(directory, { maxSize: 32 * MIB }));
	expect(namelessFiles(directory)).toHaveLength(10);
	for (const kind of kinds) kind.close();
	expect(namelessFiles(directory)).toHaveLength(0);
});

test('test_TC_MEMKIND_PmemCreateCheckErrorCodeArenaCreate: 512 kinds at once are no limit, and each has memory', () => {
	const before = holdings();
	const kinds = Array.from({ length: maxKinds }, () => create(directory, { maxSize: minPmemSize }));
	const blocks = kinds.map((kind, i) => kind.malloc(KIB).fill(i));
	expect(blocks.findIndex((block, i) => block[KIB - 1] !== (i & 255))).toBe(-1);
	expect(namelessFiles(directory)).toHaveLength(maxKinds);
	for (const kind of kinds) kind.close();
	expect(holdings().descriptors).toBe(before.descriptors);
});

test('test_TC_MEMKIND_PmemCreateCheckErrorCodeArenaCreate: where kinds end, at the descriptors, the error says so', () => {
	const { stdout, stderr } = runChild(
		`const kinds = [];
		for (;;) {
			try { kinds.push(PmemKind.create(process.argv[1], { maxSize: ${minPmemSize} })); }
			catch (error) { console.log(error.code, error.syscall); break; }
		}
		// The last one that worked is as good as the first.
		for (const kind of [kinds[0], kinds.at(-1)]) console.log(kind.malloc(32).fill(1).length);
		for (const kind of kinds) kind.close();
		console.log(PmemKind.create(process.argv[1], { maxSize: ${minPmemSize} }).malloc(32).length);`,
		directory,
		['prlimit', '--nofile=100', '--'],
	);
	expect(stdout + stderr).toBe('EMFILE open\n32\n32\n32\n');
});

test('memkind_create_pmem: a path longer than PATH_MAX is refused, a relative one is not', () => {
	expect(() => create(`/${'x/'.repeat(2048)}`)).toThrow(expect.objectContaining({ code: 'ENAMETOOLONG' }));
	const { stdout, stderr } = runChild(
		`process.chdir(process.argv[1]); const kind = PmemKind.create('.', { maxSize: ${minPmemSize} }); console.log(kind.malloc(5).length);`,
		directory,
	);
	expect(stdout + stderr).toBe('5\n');
});

test('memkind_create_pmem: a kind is made anew for each call, also of one directory', () => {
	const [one, two] = [create(directory, { maxSize: minPmemSize }), create(directory, { maxSize: minPmemSize })];
	const blocks = [one.malloc(100).fill(1), two.malloc(100).fill(2)];
	expect(() => two.free(blocks[0])).toThrow(expect.objectContaining({ code: 'ERR_DAXKIND_WRONG_KIND' }));
	one.close();
	expect(blocks[1]!.equals(Buffer.alloc(100, 2))).toBe(true);
});
