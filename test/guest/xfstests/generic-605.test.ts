// After xfstests generic/605: data go between a mapping of one file and reads and writes of another, direct and
// buffered. Each file is on DAX or not, by its flag.
import {
	closeSync,
	constants,
	fsyncSync,
	mkdirSync,
	openSync,
	readFileSync,
	readSync,
	rmSync,
	truncateSync,
	writeFileSync,
	writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { mapFile } from 'daxkind';
import { getDaxFlag, setDaxFlag } from 'daxkind/dax';
import { beforeAll, describe, expect, test } from 'vitest';
import { scratch } from '../../helpers/guest.ts';
import { mkfs, mounted, sh } from '../../helpers/scratch.ts';

/** Less than a page, a page, and enough for huge pages. */
const sizes = [1024, 4096, 4 * 2 ** 20];
const aligned = '-E stride=512,stripe_width=512';

const modes: [string, number][] = [
	['direct', constants.O_DIRECT],
	['buffered', 0],
];

function newFile(directory: string, flag: boolean, size: number): string {
	setDaxFlag(directory, flag);
	const file = join(directory, 'file');
	rmSync(file, { force: true });
	writeFileSync(file, '');
	truncateSync(file, size);
	expect(getDaxFlag(file)).toEqual({ flag, effective: flag, pending: false });
	return file;
}

/**
 * Writes the mapping of one file to another file, and reads that back into the mapping. Returns whether the data came
 * through unchanged both times.
 */
function roundTrip(source: string, target: string, flags: number, size: number): boolean {
	const mapping = mapFile(source);
	const fd = openSync(target, constants.O_RDWR | flags);
	try {
		const { buffer } = mapping;
		for (let at = 0; at < size; at += 512) buffer.writeUInt32LE(at ^ 0x5a5a5a5a, at);
		const copy = Buffer.from(buffer);
		if (writeSync(fd, buffer, 0, size, 0) !== size) return false;
		fsyncSync(fd);
		buffer.fill(0xff);
		if (readSync(fd, buffer, 0, size, 0) !== size) return false;
		mapping.persist(0, size);
		return buffer.equals(copy) && readFileSync(source).equals(copy) && readFileSync(target).equals(copy);
	} finally {
		closeSync(fd);
		mapping.unmap();
	}
}

describe.each([
	['ext4', `${mkfs.ext4} ${aligned}`],
	['xfs', `${mkfs.xfs} -d su=2m,sw=1,agcount=2`],
])('%s', (_, make) => {
	beforeAll(() => {
		sh(`${make} ${scratch}`);
	});

	test.each(['dax=inode', 'defaults'])('with %s data arrive whole, in all combinations', (options) => {
		mounted(scratch, options, (mountPoint) => {
			const [from, to] = [join(mountPoint, 'from'), join(mountPoint, 'to')];
			mkdirSync(from, { recursive: true });
			mkdirSync(to, { recursive: true });
			for (const size of sizes) {
				for (const [isFrom, isTo] of [
					[true, true],
					[true, false],
					[false, true],
					[false, false],
				] as const) {
					for (const [name, flags] of modes) {
						const [source, target] = [newFile(from, isFrom, size), newFile(to, isTo, size)];
						const what = `${name}, ${size} bytes, DAX ${isFrom} to ${isTo}`;
						expect(roundTrip(source, target, flags, size), what).toBe(true);
					}
				}
			}
		});
	});
});
