// The limits of DAX that the kernel's document states (filesystems/dax.rst), and some that it does not state: what a
// program sees of each on ext4 and XFS. docs/limits.md is the table of these. test/guest-device/limits.test.ts has the
// same for device DAX.
import {
	closeSync,
	constants,
	copyFileSync,
	fsyncSync,
	mkdtempSync,
	openSync,
	promises,
	readFileSync,
	rmSync,
	truncateSync,
	unlinkSync,
	writeFileSync,
	writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { explain, mapFile, NodeKind, PmemKind } from 'daxkind';
import { describe, expect, onTestFinished, test } from 'vitest';
import { native } from '#lib/native.js';
import { MIB } from '#lib/size.js';
import { execFileSync, spawnSync } from '../helpers/children.ts';
import { ext4, never, nvdimm, scratch, xfs } from '../helpers/guest.ts';
import { closeAfterEach, create } from '../helpers/kinds.ts';
import {
	blockOf,
	blockRows,
	directRows,
	fileRows,
	foreignRows,
	holdPage,
	isAll,
	pagesProblem,
	type Rows,
} from '../helpers/limits.ts';
import { namelessFiles } from '../helpers/process.ts';
import { has, made, mkfs, mounted, mountedForTest, sh } from '../helpers/scratch.ts';

closeAfterEach();

function newDirectory(mount: string): string {
	const directory = mkdtempSync(join(mount, 'limits-'));
	onTestFinished(() => rmSync(directory, { recursive: true }));
	return directory;
}

/** The expected rows: all are "ok", except those in `except`. */
const allOk = (rows: Rows, except: Rows = {}): Rows => ({
	...Object.fromEntries(Object.keys(rows).map((name) => [name, 'ok'])),
	...except,
});

/** What is refused for every memory, on a disk whose blocks want whole sectors. */
const unaligned: Rows = {
	'a block that begins 16 bytes into a page': 'EINVAL',
	'100 bytes at an odd place of the file': 'EINVAL',
};

for (const [name, mount, exceptOfFiles] of [
	['ext4', ext4, { 'copyFile COPYFILE_FICLONE_FORCE': 'ENOTSUP' }],
	['xfs', xfs, {}],
] as [string, string, Rows][]) {
	describe(`on ${name} with DAX`, () => {
		test('O_DIRECT reads and writes take a block as they take any memory; a file on DAX has no alignment', async () => {
			const block = blockOf(create(mount));
			const elsewhere = await directRows(block, join(newDirectory(never), 'file'));
			expect(elsewhere).toEqual(allOk(elsewhere, unaligned));
			const onDax = await directRows(block, join(newDirectory(mount), 'file'));
			expect(onDax).toEqual(allOk(onDax));
		});

		test('sockets, pipes and buffered files take from a block and give to one', async () => {
			const rows = await blockRows(blockOf(create(mount)), join(newDirectory(never), 'file'));
			expect(rows).toEqual(allOk(rows));
		});

		test('a file on DAX is copied and sent as any other', async () => {
			const directory = newDirectory(mount);
			const path = join(directory, 'file');
			writeFileSync(path, Buffer.alloc(2 * MIB, 'x'));
			const rows = await fileRows(path, join(newDirectory(never), 'other'), join(directory, 'sibling'));
			expect(rows).toEqual(allOk(rows, exceptOfFiles));
		});

		test.skipIf(pagesProblem)(
			'of the calls that Node does not make, pins for long and page faults by a program are refused',
			async () => {
				const directory = newDirectory(mount);
				const block = blockOf(create(directory));
				const path = `/proc/${process.pid}/fd/${namelessFiles(directory)[0]!.fd}`;
				const rows = await foreignRows(path, block.byteOffset, join(newDirectory(never), 'other'));
				expect(rows).toEqual(
					allOk(rows, {
						'copy_file_range to another file system': 'EXDEV',
						'io_uring registered buffers': 'EOPNOTSUPP',
						'userfaultfd MISSING': 'EINVAL',
						'userfaultfd WP': 'EINVAL',
						'madvise MADV_FREE': 'EINVAL',
					}),
				);
				expect(Object.keys(rows)).toContain('vmsplice GIFT');
			},
		);

		test("Node's own io_uring takes blocks: it registers no buffers", () => {
			const program = `import { PmemKind } from 'daxkind';
				import { promises, constants } from 'node:fs';
				const kind = PmemKind.create(process.argv[1], { maxSize: ${16 * MIB} });
				const block = kind.memalign(4096, 4096).fill('u');
				const file = await promises.open(process.argv[2], constants.O_RDWR | constants.O_CREAT | constants.O_DIRECT);
				await file.write(block, 0, 4096, 0);
				block.fill(' ');
				await file.read(block, 0, 4096, 0);
				console.log(block.every((byte) => byte === 0x75));
				// What is left to the garbage collector makes warnings, in some runs.
				await file.close();
				kind.close();`;
			const words = ['--input-type=module', '-e', program, mount, join(newDirectory(never), 'file')];
			const env = { ...process.env, UV_USE_IO_URING: '1' };
			const { stdout, stderr } = spawnSync(process.execPath, words, { env, encoding: 'utf8' });
			expect({ stdout, stderr }).toEqual({ stdout: 'true\n', stderr: '' });
		});

		test('fork leaves the mapping out', () => {
			const directory = newDirectory(mount);
			create(directory).malloc(100);
			const smaps = readFileSync('/proc/self/smaps', 'utf8').split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/);
			const own = smaps.filter((text) => text.includes(` ${directory}/`));
			expect(own.length).toBeGreaterThan(0);
			for (const text of own) expect(/^VmFlags:(.*)$/m.exec(text)![1]!.trim().split(' ')).toContain('dc');
		});
	});
}

/** Makes a file on a disk that takes 1.5 s for each read and write. The disk stays mounted for the rest of the test. */
function slowFile(): string {
	const sectors = sh(`blockdev --getsz ${scratch}`);
	const table = (ms: number) => `0 ${sectors} delay ${scratch} 0 ${ms}`;
	sh(`modprobe dm-mod && modprobe dm-delay && ${mkfs.ext4} ${scratch}`);
	sh(`dmsetup create slow --table "${table(0)}"`);
	onTestFinished(() => void sh('dmsetup remove slow'));
	const mount = mountedForTest(`/dev/${sh('dmsetup info -c --noheadings -o blkdevname slow')}`, 'defaults');
	writeFileSync(`${mount}/file`, Buffer.alloc(MIB, 's'));
	sh(`sync; dmsetup suspend slow && dmsetup reload slow --table "${table(1500)}" && dmsetup resume slow`);
	onTestFinished(
		() => void sh(`dmsetup suspend slow && dmsetup reload slow --table "${table(0)}" && dmsetup resume slow`),
	);
	return `${mount}/file`;
}

function withFile(path: string, body: (fd: number) => unknown): void {
	const fd = openSync(path, 'r+');
	try {
		body(fd);
	} finally {
		closeSync(fd);
	}
}

/** A time in milliseconds that is long for anything in the guest, and short beside the pin. */
const SOON = 30_000;

describe.each([
	['ext4', ext4],
	['xfs', xfs],
])('while a page of a kind on %s is pinned', (_, mount) => {
	async function timed<T>(operation: () => T): Promise<[result: T, ms: number]> {
		const start = performance.now();
		return [operation(), performance.now() - start];
	}

	test.skipIf(pagesProblem)(
		'no call holds the event loop for long, and storage goes back when the pin ends',
		async () => {
			const directory = newDirectory(mount);
			const kind = create(directory, { maxSize: 128 * MIB });
			const block = blockOf(kind);
			const spare = kind.malloc(20 * MIB).fill(1);
			const path = `/proc/${process.pid}/fd/${namelessFiles(directory)[0]!.fd}`;
			const held = await holdPage(path, block.byteOffset, 10 * SOON);
			kind.free(spare);
			const before = kind.stats().resident;
			const [given, purging] = await timed(() => kind.purge());
			expect(given).toBe(0);
			expect(purging).toBeGreaterThan(1500);
			expect(purging).toBeLessThan(SOON);
			// The hole waits to be punched. It delays nobody who needs the memory beside it.
			const [fresh, allocating] = await timed(() => kind.malloc(32 * MIB).fill('f'));
			expect(allocating).toBeLessThan(SOON);
			expect(isAll(fresh, 'f')).toBe(true);
			expect(kind.stats().resident).toBeGreaterThanOrEqual(before);
			await held.release();
			await expect.poll(() => kind.stats().resident, { timeout: SOON }).toBeLessThan(before + 32 * MIB - 18 * MIB);
			expect(isAll(block, 'x') && isAll(fresh, 'f')).toBe(true);
			const again = kind.malloc(20 * MIB).fill('a');
			expect(isAll(again, 'a')).toBe(true);
		},
	);

	test.skipIf(pagesProblem)('closing the kind does not wait', async () => {
		const directory = newDirectory(mount);
		const kind = create(directory, { maxSize: 64 * MIB });
		const block = blockOf(kind);
		const path = `/proc/${process.pid}/fd/${namelessFiles(directory)[0]!.fd}`;
		const held = await holdPage(path, block.byteOffset, 10 * SOON);
		const [, closing] = await timed(() => kind.close());
		expect(closing).toBeLessThan(SOON);
		await held.release();
	});

	const waitsOnXfs = mount === xfs;
	test.skipIf(pagesProblem).each<[string, waits: boolean, (path: string) => unknown]>([
		['truncateSync', true, (path) => truncateSync(path, MIB)],
		['fallocate', waitsOnXfs, (path) => withFile(path, (fd) => native.allocateOrNothing(fd, 4 * MIB, 2 * MIB))],
		['mapFile', waitsOnXfs, (path) => mapFile(path).unmap()],
		['copyFileSync', waitsOnXfs, (path) => copyFileSync(path, `${path}-copy`)],
		['mapFile without allocate', false, (path) => mapFile(path, { allocate: false }).unmap()],
		['a write into a hole', false, (path) => withFile(path, (fd) => writeSync(fd, Buffer.alloc(MIB), 0, MIB, 4 * MIB))],
		['fsync', false, (path) => withFile(path, fsyncSync)],
		['unlink', false, unlinkSync],
	])('of a file: %s, waits on this file system: %s', async (_, waits, operation) => {
		const path = join(newDirectory(mount), 'file');
		writeFileSync(path, Buffer.alloc(2 * MIB, 'x'));
		const held = await holdPage(path, 0, waits ? 1500 : 10 * SOON);
		const [, ms] = await timed(() => operation(path));
		if (waits) expect(ms).toBeGreaterThan(1000);
		else expect(ms).toBeLessThan(SOON);
		await held.release();
	});

	// Linux 6.1 does not wake the thread that waits for the pin of an O_DIRECT transfer. Without our own alarm it would
	// wait for ever.
	test.skipIf(!has('dmsetup'))(
		'an O_DIRECT read that is under way delays purge and malloc no longer than itself',
		async () => {
			const file = await promises.open(slowFile(), constants.O_RDWR | constants.O_DIRECT);
			try {
				const kind = create(mount, { maxSize: 128 * MIB });
				const block = blockOf(kind);
				for (const operation of [
					() => kind.malloc(32 * MIB),
					() => {
						kind.free(kind.malloc(20 * MIB));
						return kind.purge();
					},
					() => kind.malloc(20 * MIB),
				]) {
					const reading = file.read(block, 0, 4096, 0);
					await setTimeout(300);
					const [, ms] = await timed(operation as () => unknown);
					expect(ms).toBeLessThan(SOON);
					expect((await reading).bytesRead).toBe(4096);
					expect(isAll(block.subarray(0, 4096), 's')).toBe(true);
				}
				await kind.purgeAsync();
			} finally {
				await file.close();
			}
		},
	);
});

test('memory of NUMA nodes is ordinary memory to all of this', async () => {
	using kind = NodeKind.create(0, { maxSize: 16 * MIB });
	const block = blockOf(kind);
	const directory = newDirectory(never);
	const direct = await directRows(block, join(directory, 'file'));
	expect(direct).toEqual(allOk(direct, unaligned));
	const rows = await blockRows(block, join(directory, 'file'));
	expect(rows).toEqual(allOk(rows));
});

describe('a file system whose blocks are no pages', () => {
	/**
	 * What mount(8) and the kernel say. If the mount succeeds, the file system stays mounted at /mnt/limits for the
	 * rest of the test.
	 */
	function tried(make: string, options: string): { isMounted: boolean; said: string } {
		sh(`mkdir -p /mnt/limits && ${make} ${scratch} && dmesg -C`);
		const { status } = spawnSync('mount', ['-o', options, scratch, '/mnt/limits']);
		if (status === 0) onTestFinished(() => void execFileSync('umount', ['/mnt/limits']));
		return { isMounted: status === 0, said: sh('dmesg') };
	}

	test('ext4 refuses dax=always, takes dax=inode without a word, and explain says why there is no DAX', () => {
		expect(tried('mkfs.ext4 -q -F -b 1024', 'dax=always')).toEqual({
			isMounted: false,
			said: expect.stringContaining('unsupported blocksize for DAX'),
		});
		mounted(scratch, 'dax=inode', (mountPoint) => {
			expect(explain(mountPoint)).toMatchObject({
				dax: false,
				reason: "the file system's blocks are 1024 bytes, but DAX needs blocks as large as a page, 4096 bytes",
			});
			expect(() => PmemKind.create(mountPoint, { requireDax: true, maxSize: 16 * MIB })).toThrow(
				expect.objectContaining({ code: 'ERR_DAXKIND_NOT_DAX', message: expect.stringContaining('1024 bytes') }),
			);
		});
	});

	test('XFS mounts it, without DAX, and shows dax=never', () => {
		expect(tried('mkfs.xfs -q -f -b size=1024', 'dax=always')).toEqual({
			isMounted: true,
			said: expect.stringContaining('DAX not supported for blocksize. Turning off DAX.'),
		});
		expect(explain('/mnt/limits')).toMatchObject({ dax: false, reason: expect.stringContaining('1024 bytes') });
		expect(sh('findmnt -no OPTIONS /mnt/limits')).toContain('dax=never');
	});

	test('blocks above the page size are mounted by neither, in Linux 6.1', () => {
		expect(tried('mkfs.ext4 -q -F -b 8192', 'dax=always')).toEqual({
			isMounted: false,
			said: expect.stringContaining('bad block size 8192'),
		});
		expect(tried('mkfs.xfs -q -f -b size=8192', 'dax=always')).toEqual({
			isMounted: false,
			said: expect.stringContaining('Only pagesize (4096) or less will currently work'),
		});
	});
});

test('a device without page structures has no DAX at all, so that no mapping is without them', () => {
	const dax = (device: string) => readFileSync(`/sys/block/${device.slice(5)}/queue/dax`, 'utf8').trim();
	expect(dax(nvdimm)).toBe('0');
	expect(dax(scratch)).toBe('1');
	sh(`${mkfs.ext4} ${nvdimm} && mkdir -p /mnt/limits && dmesg -C`);
	expect(spawnSync('mount', ['-o', 'dax=always', nvdimm, '/mnt/limits']).status).not.toBe(0);
	expect(sh('dmesg')).toContain('DAX unsupported by block device');
	made(nvdimm, mkfs.ext4, 'dax=inode', (mountPoint) => {
		expect(explain(mountPoint)).toMatchObject({ dax: false, reason: expect.stringContaining('in raw mode') });
	});
});
