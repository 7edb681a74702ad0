// Mappings that need root, a small file system, or a setting of the whole machine.
import {
	closeSync,
	fstatSync,
	mkdirSync,
	mkdtempSync,
	openSync,
	readFileSync,
	readSync,
	rmSync,
	truncateSync,
	writeFileSync,
	writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { mapFile, PmemKind } from 'daxkind';
import { expect, onTestFinished, test } from 'vitest';
import { native } from '#lib/native.js';
import { GIB, MIB } from '#lib/size.js';
import { execFileSync } from '../helpers/children.ts';
import * as guest from '../helpers/guest.ts';
import { mappedAt } from '../helpers/process.ts';

const { PAGE_SIZE, HUGE_PAGE_SIZE } = native.constants;

function newDirectory(mount: string): string {
	const directory = mkdtempSync(join(mount, 'mapping-'));
	onTestFinished(() => rmSync(directory, { recursive: true }));
	return directory;
}

/**
 * Where the file has blocks, and of what sort: offset in the file, length, flags. Neighbours of the same sort are one
 * entry.
 */
function extentsOf(path: string): number[][] {
	const { extents } = native.fileExtents(path, 10_000);
	const runs: number[][] = [];
	// FIEMAP_EXTENT_LAST (bit 0) says where the list ends. It does not count here.
	for (let n = 0; n < extents.length; n += 4) {
		const [at = 0, , length = 0, flags = 0] = extents.subarray(n, n + 4);
		const last = runs.at(-1);
		if (last && last[0]! + last[1]! === at && last[2] === (flags & ~1)) last[1]! += length;
		else runs.push([at, length, flags & ~1]);
	}
	return runs;
}

test.each([
	['ext4 with DAX', guest.ext4],
	['XFS with DAX', guest.xfs],
	['ext4 without DAX', guest.never],
])('mapFile for which %s has no room leaves the file as it was', (_, mount) => {
	const path = join(newDirectory(mount), 'file');
	writeFileSync(path, 'x'.repeat(10_000));
	const fd = openSync(path, 'r+');
	onTestFinished(() => closeSync(fd));
	// Blocks that hold nothing yet must stay, too.
	native.allocateOrNothing(fd, MIB, MIB);
	writeSync(fd, Buffer.alloc(5000, 7), 0, 5000, 4 * MIB);
	truncateSync(path, 8 * GIB + 777);
	execFileSync('sync');
	const before = extentsOf(path);
	expect(before.length).toBeGreaterThanOrEqual(3);
	// The last mapping reaches the end of the file, in the middle of a block.
	for (const options of [{ length: 3 * GIB }, { offset: 2 * PAGE_SIZE, length: 3 * GIB }, { offset: 5 * GIB }]) {
		expect(() => mapFile(path, options)).toThrow(
			expect.objectContaining({ code: 'ENOSPC', syscall: 'fallocate', path }),
		);
		execFileSync('sync');
		expect(extentsOf(path)).toEqual(before);
	}
	expect(fstatSync(fd).size).toBe(8 * GIB + 777);
	const content = Buffer.alloc(4 * MIB + 5000);
	expect(readSync(fd, content, 0, content.length, 0)).toBe(content.length);
	const expected = Buffer.alloc(4 * MIB + 5000);
	expected.fill('x', 0, 10_000).fill(7, 4 * MIB);
	expect(content.equals(expected)).toBe(true);
});

test('hugetlbfs maps whole huge pages: what else is asked for is an error that says so', () => {
	const directory = '/tmp/hugetlbfs';
	mkdirSync(directory, { recursive: true });
	execFileSync('mount', ['-t', 'hugetlbfs', '-o', 'pagesize=2M', 'none', directory]);
	onTestFinished(() => void execFileSync('umount', [directory]));
	const path = join(directory, 'file');
	writeFileSync(path, '');
	truncateSync(path, 4 * HUGE_PAGE_SIZE);
	const wrong = [{ offset: PAGE_SIZE }, { length: PAGE_SIZE }, { length: HUGE_PAGE_SIZE + PAGE_SIZE }];
	for (const options of wrong) {
		const message = expect.stringContaining(`a multiple of hugetlbfs's page size, ${HUGE_PAGE_SIZE}`);
		expect(() => mapFile(path, { ...options, allocate: false })).toThrow(
			expect.objectContaining({ code: 'ERR_OUT_OF_RANGE', message }),
		);
	}
});

test('under strict overcommit a closed kind leaves memory that reads zeros, and no hole, where it was', () => {
	const directory = newDirectory(guest.never);
	const setting = (name: string) => `/proc/sys/vm/${name}`;
	const committed = Number(/^Committed_AS:\s*(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))![1]);
	const kind = PmemKind.create(directory, { maxSize: 8 * GIB });
	kind.malloc(1000).fill(1);
	const at = mappedAt(directory).toString(16);
	const before = ['overcommit_memory', 'overcommit_kbytes', 'overcommit_ratio'].map(
		(name) => [name, readFileSync(setting(name), 'utf8').trim()] as const,
	);
	try {
		// There is room for what runs already, and not for the kind.
		writeFileSync(setting('overcommit_kbytes'), `${committed + 256 * 1024}`);
		writeFileSync(setting('overcommit_memory'), '2');
		kind.close();
	} finally {
		for (const [name, value] of before)
			if (value !== '0' || name === 'overcommit_memory') writeFileSync(setting(name), value);
	}
	const maps = readFileSync('/proc/self/maps', 'utf8').split('\n');
	const line = maps.find((text) => text.startsWith(`${at}-`));
	expect(line?.split(' ')[1]).toBe('r--p');
	expect(maps.filter((text) => text.includes(`${directory}/`))).toEqual([]);
});
