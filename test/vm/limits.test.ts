// The limits of DAX that the kernel's document states (filesystems/dax.rst), and some that it does not: what a program sees of each, on
// ext4 and XFS. docs/limits.md is the table of this; test/vm-device/limits.test.ts has the same on device DAX.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { explain, NodeKind, PmemKind } from 'daxkind';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ext4, never, nvdimm, scratch, xfs } from '../helpers/guest.ts';
import { closeAfterEach, create } from '../helpers/kinds.ts';
import { blockOf, blockRows, directRows, fileRows, foreignRows, pagesProblem, type Rows } from '../helpers/limits.ts';
import { namelessFiles } from '../helpers/process.ts';
import { made, mkfs, mounted, sh } from '../helpers/scratch.ts';

const MiB = 2 ** 20;

closeAfterEach();

function newDirectory(mount: string): string {
	const directory = mkdtempSync(join(mount, 'limits-'));
	onTestFinished(() => rmSync(directory, { recursive: true }));
	return directory;
}

/** That a row is not like the others. */
const allOk = (rows: Rows, except: Rows = {}): Rows => ({
	...Object.fromEntries(Object.keys(rows).map((name) => [name, 'ok'])),
	...except,
});

/** What every memory is refused on a disk whose blocks want whole sectors. */
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
			writeFileSync(path, Buffer.alloc(2 * MiB, 'x'));
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
				const block = PmemKind.create(process.argv[1], { maxSize: ${16 * MiB} }).memalign(4096, 4096).fill('u');
				const file = await promises.open(process.argv[2], constants.O_RDWR | constants.O_CREAT | constants.O_DIRECT);
				await file.write(block, 0, 4096, 0);
				block.fill(' ');
				await file.read(block, 0, 4096, 0);
				console.log(block.every((byte) => byte === 0x75));`;
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

test('memory of NUMA nodes is ordinary memory to all of this', async () => {
	using kind = NodeKind.create(0, { maxSize: 16 * MiB });
	const block = blockOf(kind);
	const directory = newDirectory(never);
	const direct = await directRows(block, join(directory, 'file'));
	expect(direct).toEqual(allOk(direct, unaligned));
	const rows = await blockRows(block, join(directory, 'file'));
	expect(rows).toEqual(allOk(rows));
});

describe('a file system whose blocks are no pages', () => {
	/** What mount(8) and the kernel say; the file system stays mounted at /mnt/limits if it is. */
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
				reason: "the file system's blocks are 1024 bytes, and DAX needs them as large as a page, 4096 bytes",
			});
			expect(() => PmemKind.create(mountPoint, { requireDax: true, maxSize: 16 * MiB })).toThrow(
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
