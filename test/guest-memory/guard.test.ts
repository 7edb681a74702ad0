// Bad blocks of the medium, as the kernel's own list has them. Loads and stores find zeros, and the process goes on.
// The programs are those that test/guard runs on truncated files.
import {
	closeSync,
	fsyncSync,
	mkdtempSync,
	openSync,
	readFileSync,
	rmdirSync,
	writeFileSync,
	writeSync,
} from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FixedKind, mapFile } from 'daxkind';
import { afterEach, expect, test } from 'vitest';
import { native } from '#lib/native.js';
import { MIB } from '#lib/size.js';
import { execFile } from '../helpers/children.ts';
import { ext4, scratch, xfs } from '../helpers/guest.ts';
import { closeAfterEach, create } from '../helpers/kinds.ts';
import { until } from '../helpers/process.ts';
import { mkfs, mountedForTest, sh } from '../helpers/scratch.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

closeAfterEach();

/** The bad-block list of a disk, and where a device begins on the disk, in sectors. */
interface BadBlocks {
	list: string;
	start: number;
}

const diskOf = (directory: string): BadBlocks => {
	const device = sh(`findmnt -no SOURCE ${directory}`);
	return { list: `/sys/block/${basename(device)}/badblocks`, start: 0 };
};

const used = new Set<string>();
afterEach(() => {
	// Bad blocks that no file has any more stay on the list. The next file that gets such a block would lose its bytes.
	for (const list of used) {
		const disk = openSync(`/dev/${list.split('/')[3]}`, 'r+');
		for (const line of readFileSync(list, 'utf8').split('\n').filter(Boolean)) {
			const [sector, count] = line.split(' ').map(Number) as [number, number];
			writeSync(disk, Buffer.alloc(count * 512), 0, count * 512, sector * 512);
		}
		fsyncSync(disk);
		closeSync(disk);
	}
	used.clear();
});

/** Mounts a device with DAX while `body` runs. */
async function inMount(device: string, body: (directory: string) => Promise<void>) {
	const directory = mkdtempSync('/mnt/test-');
	sh(`mount -o dax=always ${device} ${directory}`);
	try {
		await body(directory);
	} finally {
		sh(`umount ${directory}`);
		rmdirSync(directory);
	}
}

async function printed(name: string, directory: string, { list, start }: BadBlocks, ...args: string[]) {
	used.add(list);
	const program = fileURLToPath(new URL(`../guard/programs/${name}.mjs`, import.meta.url));
	const env = { ...process.env, DAXKIND_BADBLOCKS: list, DAXKIND_BADBLOCKS_START: `${start}` };
	const node = ['--disable-warning=DAXKIND_MEDIA_ERROR', program, temporaryDirectory(directory), ...args];
	const { stdout } = await execFile(process.execPath, node, { env });
	return stdout.trim();
}

test('every sort of access to a Buffer finds zeros in bad pages of ext4, and leaves there what it writes', async () => {
	expect(Number(await printed('accesses', ext4, diskOf(ext4)))).toBeGreaterThan(80);
});

test.each([
	['ext4', ext4],
	['xfs', xfs],
])('on %s, of increments that four threads make at once in bad pages none is lost', async (_, directory) => {
	expect(await printed('threads', directory, diskOf(directory))).toBe('20');
});

test('on xfs, interpreted and optimised loops go on, and zlib, crypto and fs in the pool', async () => {
	expect(await printed('loops', xfs, diskOf(xfs))).toBe('');
	expect(await printed('pool', xfs, diskOf(xfs))).toBe('');
});

test('on a partition, and on a volume of the device mapper', async () => {
	const disk = `/sys/block/${basename(scratch)}/badblocks`;
	const start = 8192;
	sh(`addpart ${scratch} 1 ${start} 786432`);
	sh(`${mkfs.ext4} ${scratch}p1`);
	await inMount(`${scratch}p1`, async (directory) => {
		expect(await printed('loops', directory, { list: disk, start })).toBe('');
	});
	sh(`delpart ${scratch} 1`);
	sh(`echo "0 786432 linear ${scratch} ${start}" | dmsetup create daxkind-guard`);
	try {
		const volume = `/dev/${sh('dmsetup info -c --noheadings -o blkdevname daxkind-guard')}`;
		sh(`${mkfs.xfs} ${volume}`);
		await inMount(volume, async (directory) => {
			expect(await printed('loops', directory, { list: disk, start })).toBe('');
		});
	} finally {
		sh('dmsetup remove daxkind-guard');
	}
});

test('a kind hands out no block that is known to be bad, whether it commits early or late', () => {
	const list = `/sys/block/${basename(scratch)}/badblocks`;
	sh(`${mkfs.xfs} ${scratch}`);
	const directory = mountedForTest(scratch, 'dax=always');
	// Every 128 KiB, from 4 MiB on, a page is bad. The kind cannot go around so many.
	const bad = Array.from({ length: 400 }, (_, at) => (4 + at / 8) * MIB);
	used.add(list);
	for (const prefault of [false, true]) {
		// When XFS first maps a huge page it writes zeros. That repairs the bad blocks around what is touched.
		for (const at of bad) writeFileSync(list, `${at / 512} 8`);
		const errors: unknown[] = [];
		const onMediaError = (error: unknown) => errors.push(error);
		const kind = create(directory, { maxSize: 16 * MIB, prefault, onMediaError });
		if (prefault) expect(kind.stats().lost).toBeGreaterThan(50 * 4096);
		let bytes = 0;
		for (let block = kind.tryMalloc(100_000); block !== undefined; block = kind.tryMalloc(100_000)) {
			bytes += block.fill(5).length;
		}
		expect(bytes).toBeGreaterThan(12 * MIB);
		const { lost } = kind.stats();
		expect(lost).toBeGreaterThan(50 * 4096);
		expect(lost).toBeLessThan(2 * MIB);
		expect(errors).toEqual([]);
		kind.close();
	}
});

test('mapFile says which pages are on known bad blocks, or refuses them', async () => {
	const path = `${temporaryDirectory(ext4)}/file`;
	writeFileSync(path, Buffer.alloc(16 * 4096, 7));
	sh(`sync ${path}`);
	used.add(diskOf(ext4).list);
	const { extents } = native.fileExtents(path, 10);
	writeFileSync(diskOf(ext4).list, `${(extents[1]! + 3 * 4096) / 512} 16`);
	const errors: unknown[] = [];
	const mapping = mapFile(path, { onMediaError: (error) => errors.push(error) });
	const lost = { offset: 3 * 4096, length: 2 * 4096, cause: 'media' };
	expect(mapping.errors()).toEqual([lost]);
	await until(() => errors.length > 0);
	expect(errors).toEqual([{ ...lost, path }]);
	// A known page that is also met is on the list once.
	expect([mapping.buffer[4 * 4096], mapping.buffer[5 * 4096]]).toEqual([0, 7]);
	expect(mapping.errors()).toEqual([lost]);
	const kind = FixedKind.create(mapping);
	expect(kind.stats().lost).toBe(2 * 4096);
	kind.close();
	mapping.unmap();
	expect(() => mapFile(path, { errors: 'refuse' })).toThrow(
		expect.objectContaining({
			code: 'ERR_DAXKIND_BAD_BLOCKS',
			badBlocks: [{ offset: 3 * 4096, length: 2 * 4096 }],
			remedy: `daxkind repair ${path}`,
		}),
	);
	mapFile(path, { errors: 'refuse', length: 2 * 4096 }).unmap();
	// The kernel refuses these pages to everybody who does not read through the mapping.
	expect(() => readFileSync(path)).toThrow(expect.objectContaining({ code: 'EIO' }));
});

test.each([
	['ext4', ext4],
	['xfs', xfs],
])('on %s, a kind in full use of which a thousand pages go bad loses nothing else', async (_, directory) => {
	const { bad, met, told } = JSON.parse(await printed('full-use', directory, diskOf(directory), '1000'));
	expect(bad).toBe(1000);
	expect(met).toBeGreaterThan(900);
	expect(told).toBe(met);
});
