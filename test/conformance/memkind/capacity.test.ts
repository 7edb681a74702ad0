// memkind_get_capacity and memkind_check_dax_path: what a kind can hold, and that a directory without DAX is reported
// as such. test/guest-memory/memkind.test.ts tests directories with DAX, in the VM.
import { mkdirSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { explain, isDax, minPmemSize } from 'daxkind';
import { expect, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { testDirectory } from '../../helpers/directory.ts';
import { partSize } from '../../helpers/fill.ts';
import { closeAfterEach, create } from '../../helpers/kinds.ts';
import { holdings } from '../../helpers/process.ts';

const directory = testDirectory();
closeAfterEach();

test('test_tc_memkind_verify_capacity_fsdax: a limited kind has its limit, an unlimited the total of the file system', () => {
	expect(create(directory, { maxSize: 2 * minPmemSize }).capacity).toBe(2 * minPmemSize);
	const kind = create(directory);
	const { blocks, bsize } = statfsSync(directory);
	expect(kind.capacity).toBe(Math.floor((blocks * bsize) / (2 * MIB)) * 2 * MIB);
});

test('test_tc_memkind_verify_capacity_fsdax: memkind sometimes says -1 of an unlimited kind; here it is the same each time', () => {
	const { capacity } = create(directory);
	for (let i = 0; i < 50; i++) {
		const below = `${directory}/${'d'.repeat(i + 1)}`;
		mkdirSync(below);
		expect(create(below).capacity).toBe(capacity);
	}
});

test('test_tc_memkind_verify_capacity_fsdax: the capacity stays the same while the kind is used, and after it is closed', () => {
	const kind = create(directory, { maxSize: partSize });
	const block = kind.malloc(10 * MIB);
	expect([kind.capacity, kind.stats().capacity]).toEqual([18 * MIB, 18 * MIB]);
	kind.free(block);
	kind.close();
	expect(kind.capacity).toBe(18 * MIB);
});

test('test_TC_MEMKIND_PmemCheckDaxNonExistingPath: a path that does not exist is an error, not an answer', () => {
	const before = holdings();
	for (const ask of [isDax, explain]) {
		expect(() => ask(`${directory}/non_existing`)).toThrow(
			expect.objectContaining({ code: 'ENOENT', errno: -2, path: `${directory}/non_existing` }),
		);
	}
	expect(holdings()).toEqual(before);
});

test('test_TC_MEMKIND_PmemCheckDaxFailNonDaxPath: a directory without DAX says so, and why', () => {
	for (const path of [directory, tmpdir()]) {
		// This machine has the directory on DAX, so there is nothing to see.
		if (isDax(path)) continue;
		expect(explain(path)).toMatchObject({ dax: false, reason: expect.stringMatching(/.{10}/) });
		const before = holdings();
		expect(() => create(path, { maxSize: minPmemSize, mapSync: true })).toThrow(
			expect.objectContaining({ code: 'ENOTSUP', errno: -95, syscall: 'mmap' }),
		);
		expect(() => create(path, { maxSize: minPmemSize, requireDax: true })).toThrow(
			expect.objectContaining({ code: 'ERR_DAXKIND_NOT_DAX' }),
		);
		expect(holdings()).toEqual(before);
	}
	// Without these demands the kind is made, as memkind makes it.
	expect(create(directory, { maxSize: minPmemSize }).dax).toBe(isDax(directory));
});
