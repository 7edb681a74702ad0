// Kinds on real DAX, on a mount without it, and on a small tmpfs. What a kind says is compared with what the kernel
// says.
import { closeSync, mkdirSync, openSync, readFileSync, readSync, rmSync, unlinkSync } from 'node:fs';
import { type Block, isDax, OutOfMemoryError } from 'daxkind';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { execFileSync, spawnSync } from '../helpers/children.ts';
import { erofs, ext2, ext4, never, onDax, xfs } from '../helpers/guest.ts';
import { closeAfterEach, create } from '../helpers/kinds.ts';
import { freeBytes, namelessFiles, settledFreeBytes, startChild, until } from '../helpers/process.ts';

closeAfterEach();

/** Reads a kind's file by the kernel, not by the kind's mapping. */
function readThroughKernel(directory: string, offset: number, length: number): Buffer {
	const [file] = namelessFiles(directory);
	const fd = openSync(`/proc/self/fd/${file!.fd}`, 'r');
	const content = Buffer.alloc(length);
	readSync(fd, content, 0, length, offset);
	closeSync(fd);
	return content;
}

/** Whether a mapping of a kind's file has the flag that the kernel gives to MAP_SYNC mappings. */
function mappedSync(directory: string): boolean {
	const smaps = readFileSync('/proc/self/smaps', 'utf8');
	const entry = smaps.split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/).find((text) => text.includes(` ${directory}/`));
	return / sf( |$)/m.test(/^VmFlags:(.*)$/m.exec(entry ?? '')?.[1] ?? '');
}

test('the VM has the mounts that these tests are about', () => {
	const types = [ext4, xfs, never, ext2, erofs].map((path) =>
		execFileSync('findmnt', ['-no', 'FSTYPE,OPTIONS', path], { encoding: 'utf8' }),
	);
	expect(types[0]).toMatch(/^ext4 .*dax=always/);
	expect(types[1]).toMatch(/^xfs .*dax=always/);
	expect(types[2]).toMatch(/^ext4 .*dax=never/);
	expect(types[3]).toMatch(/^ext2 .*dax/);
	expect(types[4]).toMatch(/^erofs .*dax=always/);
});

for (const [name, directory] of onDax) {
	describe(`on ${name} with DAX`, () => {
		test('a kind is on DAX, with requireDax too', () => {
			const kind = create(directory, { maxSize: 16 * MIB, requireDax: true });
			expect(kind).toMatchObject({ dax: true, mapping: 'shared', granularity: 'page' });
			kind.malloc(1);
			expect(mappedSync(directory)).toBe(false);
			kind.close();
		});

		test('mapSync is accepted, and the kernel says so', () => {
			const kind = create(directory, { maxSize: 16 * MIB, mapSync: true });
			// Memory made by memmap= has no persistence domain that includes the processor's caches.
			expect(kind).toMatchObject({ dax: true, mapping: 'sync', granularity: 'cache-line' });
			expect(mappedSync(directory)).toBe(true);
			kind.malloc(100_000).fill(1);
			kind.close();
		});
	});
}

test.each([
	['ext4', ext4],
	['xfs', xfs],
])(
	'on %s with DAX, fresh memory is mapped by huge pages: its first touch is a fault for 2 MiB, not for each page',
	(_, directory) => {
		const touch = (block: Block) => {
			for (let at = 0; at < block.length; at += 4096) block[at] = 1;
		};
		// The function is compiled before its faults are counted.
		touch(Buffer.alloc(64 * MIB) as Block);
		const faults = () => process.resourceUsage().minorPageFault;
		for (const sizes of [
			[96 * MIB],
			Array.from({ length: 48 }, () => 2 * MIB),
			Array.from({ length: 1536 }, () => 65_536),
		]) {
			const kind = create(directory, { maxSize: 96 * MIB });
			const blocks = sizes.map((size) => kind.malloc(size));
			const before = faults();
			for (const block of blocks) touch(block);
			// There are 48 faults for the memory, and some for everything else that the process does meanwhile. One
			// chunk without a huge page has 512.
			expect(faults() - before).toBeLessThan(400);
			kind.close();
		}
	},
);

describe('on ext4 with dax=never', () => {
	test('a kind works, and is not on DAX', () => {
		const kind = create(never, { maxSize: 16 * MIB });
		expect(kind).toMatchObject({ dax: false, mapping: 'shared', granularity: 'page' });
		kind.free(kind.malloc(MIB).fill(1));
		kind.close();
	});

	test('requireDax says that the mount is the reason, and what would help', () => {
		expect(() => create(never, { requireDax: true })).toThrow(
			expect.objectContaining({ code: 'ERR_DAXKIND_NOT_DAX', message: expect.stringMatching(/dax=never.*mount/s) }),
		);
	});

	test('mapSync is refused', () => {
		expect(() => create(never, { mapSync: true })).toThrow(
			expect.objectContaining({
				code: 'ENOTSUP',
				syscall: 'mmap',
				path: never,
				message: expect.stringContaining('a mapping with MAP_SYNC is not possible here: '),
			}),
		);
	});
});

const small = '/run/daxkind-small';
beforeAll(() => {
	mkdirSync(small, { recursive: true });
	execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=40m', 'tmpfs', small]);
});
afterAll(() => {
	execFileSync('umount', [small]);
});

for (const [name, directory] of [
	['ext4 with DAX', ext4],
	['xfs with DAX', xfs],
	['ext4 with dax=never', never],
	['ext2 with DAX, which has no fallocate', ext2],
	['a small tmpfs', small],
] as const) {
	describe(`on ${name}`, () => {
		test('bytes written through a block are what the kernel reads from the file', () => {
			const kind = create(directory, { maxSize: 32 * MIB });
			for (const size of [100, 5000, 70_000, 3 * MIB]) {
				const block = kind.malloc(size);
				for (let i = 0; i < size; i++) block[i] = (i * 13 + size) & 255;
				expect(readThroughKernel(directory, block.byteOffset, size).equals(block)).toBe(true);
			}
			kind.close();
		});

		test('the file and its storage are gone after close', async () => {
			const free = await settledFreeBytes(directory);
			const kind = create(directory, { maxSize: 32 * MIB });
			kind.malloc(20 * MIB).fill(1);
			expect(freeBytes(directory)).toBeLessThanOrEqual(free - 20 * MIB);
			expect(namelessFiles(directory)).toHaveLength(1);
			kind.close();
			expect(namelessFiles(directory)).toHaveLength(0);
			await until(() => freeBytes(directory) > free - MIB);
		});

		test('the file and its storage are gone after SIGKILL', async () => {
			const free = await settledFreeBytes(directory);
			const child = await startChild(
				`globalThis.kind = PmemKind.create(process.argv[1], { maxSize: ${32 * MIB} });
				globalThis.block = kind.malloc(${20 * MIB}).fill(1);
				console.log('ready'); setInterval(() => {}, 1000);`,
				directory,
			);
			expect(namelessFiles(directory, child.pid)).toHaveLength(1);
			expect(freeBytes(directory)).toBeLessThanOrEqual(free - 20 * MIB);
			expect(await child.end('SIGKILL')).toEqual([null, 'SIGKILL']);
			await until(() => freeBytes(directory) > free - MIB);
		});

		test('storage comes back after free and purge, and after free alone with the conservative policy', async () => {
			for (const policy of ['default', 'conservative'] as const) {
				const kind = create(directory, { maxSize: 32 * MIB, policy });
				const kept = kind.malloc(100).fill('k');
				const free = await settledFreeBytes(directory);
				const blocks = Array.from({ length: 20 }, () => kind.malloc(MIB).fill(2));
				expect(freeBytes(directory)).toBeLessThanOrEqual(free - 18 * MIB);
				for (const block of blocks) kind.free(block);
				if (policy === 'default') expect(kind.purge()).toBeGreaterThanOrEqual(18 * MIB);
				// The conservative kind's thread cache may hold 1/32 of it. A call takes long in the guest.
				await expect.poll(() => freeBytes(directory), { timeout: 10_000 }).toBeGreaterThanOrEqual(free - 4 * MIB);
				expect(kept.toString()).toBe('k'.repeat(100));
				kind.close();
			}
		});

		test('a full file system is an OutOfMemoryError, every byte stays usable, and room made is used', () => {
			const filler = `${directory}/filler`;
			const spare = 30 * MIB + 123 * 1024;
			const kind = create(directory);
			fill(filler, directory, spare);
			try {
				for (const size of [MIB, 20_000, 500]) {
					const blocks: Block[] = [];
					let failure: unknown;
					try {
						for (;;) blocks.push(kind.malloc(size).fill(blocks.length));
					} catch (error) {
						failure = error;
					}
					expect(failure).toBeInstanceOf(OutOfMemoryError);
					expect(failure).toMatchObject({ reason: 'file-system-full', requested: size });
					expect(kind.tryMalloc(size)).toBeUndefined();
					// The file system has no room for anybody else either.
					expect(write(`${directory}/other`, 2 * MIB)).toContain('No space left on device');
					expect(blocks.length * size).toBeGreaterThan(spare / 2);
					blocks.forEach((block, i) => {
						if (!block.equals(Buffer.alloc(size, i & 255))) expect.fail(`block ${i} of ${size} bytes`);
					});
					for (const block of blocks) kind.free(block);
				}
				kind.purge();
			} finally {
				unlinkSync(filler);
			}
			const room = Math.min(freeBytes(directory) - 8 * MIB, 100 * MIB);
			kind.malloc(room).fill(7);
			kind.close();
		});

		test('prefault takes everything at once, or says that there is no room', async () => {
			const kind = create(directory, { maxSize: 16 * MIB, prefault: true });
			expect(kind.stats().resident).toBeGreaterThanOrEqual(16 * MIB);
			kind.close();
			const free = await settledFreeBytes(directory);
			expect(() => create(directory, { maxSize: 1024 * MIB, prefault: true })).toThrow(
				expect.objectContaining({ code: 'ENOSPC', syscall: 'fallocate', path: directory }),
			);
			await until(() => freeBytes(directory) > free - MIB);
		});
	});
}

/** Fills a file system until about `spare` bytes are free. */
function fill(file: string, directory: string, spare: number): void {
	expect(write(file, Math.floor((freeBytes(directory) - spare) / 4096) * 4096)).toBe('');
}

/** Writes a file of `length` bytes, and returns what dd(1) says. */
function write(file: string, length: number): string {
	const { stderr } = spawnSync(
		'dd',
		['if=/dev/zero', `of=${file}`, 'bs=1M', `count=${length}`, 'iflag=count_bytes', 'status=none'],
		{
			encoding: 'utf8',
		},
	);
	if (stderr !== '') rmSync(file, { force: true });
	return stderr;
}

test('on a full file system, free memory that is committed elsewhere in the kind is used', () => {
	const kind = create(small, { maxSize: 1024 * MIB });
	const blocks: Block[] = [];
	for (let block = kind.tryMalloc(MIB); block !== undefined; block = kind.tryMalloc(MIB)) blocks.push(block);
	for (const block of blocks.filter((_, i) => i % 2 === 0)) kind.free(block);
	const { committed, allocated } = kind.stats();
	kind.malloc(8 * MIB).fill(1);
	expect(kind.tryMalloc(80 * MIB)).toBeUndefined();
	expect(kind.stats().committed).toBeLessThanOrEqual(committed);
	expect(kind.stats().allocated).toBe(allocated + 8 * MIB);
});

test('erofs has files on DAX, and no room for a kind', () => {
	expect(isDax(`${erofs}/directory/data.bin`)).toBe(true);
	expect(() => create(erofs)).toThrow(expect.objectContaining({ code: 'EROFS', syscall: 'open', path: erofs }));
});

test('a kind on a read-only mount: EROFS', () => {
	const readonly = `${small}/readonly`;
	mkdirSync(readonly);
	execFileSync('mount', ['--bind', readonly, readonly]);
	execFileSync('mount', ['-o', 'remount,bind,ro', readonly]);
	try {
		expect(() => create(readonly)).toThrow(expect.objectContaining({ code: 'EROFS', syscall: 'open', path: readonly }));
	} finally {
		execFileSync('umount', [readonly]);
	}
});
