// Bad blocks that the kernel's own interface makes. They are found, and repaired by each method: on whole disks, a
// partition, linear and striped volumes, and an nvdimm that cannot clear them. The table in docs/media.md says what
// each repair achieves.
import { once } from 'node:events';
import {
	closeSync,
	linkSync,
	mkdirSync,
	openSync,
	readFileSync,
	readSync,
	statSync,
	symlinkSync,
	writeFileSync,
	writeSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { mapFile } from 'daxkind';
import { explain, findDaxMounts, inspect } from 'daxkind/dax';
import { badBlocksAsync, type RepairMethod, repairAsync } from 'daxkind/media';
import { describe, expect, test } from 'vitest';
import { native } from '#lib/native.js';
import { spawn } from '../helpers/children.ts';
import { daxkind } from '../helpers/cli.ts';
import { nvdimm, scratch } from '../helpers/guest.ts';
import { has, mkfs, sh } from '../helpers/scratch.ts';

const page = 4096;
const sector = 512;
const pages = 12;
/** The size is chosen so that the last page is not full. */
const size = pages * page + 100;

const listOf = (device: string) => `/sys/block/${basename(device)}/badblocks`;
const listed = (device: string) => readFileSync(listOf(device), 'utf8').trim();
const inject = (device: string, at: number, bytes = sector) =>
	sh(`echo "${at / sector} ${bytes / sector}" > ${listOf(device)}`);

/** Rewrites the device's bad sectors, so that the next test finds none. */
async function clear(device: string): Promise<void> {
	await repairAsync(device, { zeros: true });
	expect(listed(device)).toBe('');
}

/** Content of which no two pages are the same. */
function content(): Buffer {
	const buffer = Buffer.alloc(size, 'good');
	for (let at = 0; at < size; at += page) buffer.writeUInt32LE(at + 1, at);
	return buffer;
}

function makeFile(path: string): void {
	writeFileSync(path, content());
	sh(`sync ${path}`);
}

/** Where a byte of a file is on the device of its file system. */
function placeOf(path: string, offset: number): number {
	const { extents } = native.fileExtents(path, 1000);
	for (let n = 0; n < extents.length; n += 4) {
		const [logical, physical, length] = extents.subarray(n, n + 3) as unknown as [number, number, number];
		if (logical <= offset && offset < logical + length) return physical + offset - logical;
	}
	throw new Error(`${path} has no block at ${offset}`);
}

/** A page of a file, or the code of the error. */
function readPage(path: string, index: number): Buffer | string {
	const fd = openSync(path, 'r');
	try {
		const buffer = Buffer.alloc(page);
		return buffer.subarray(0, readSync(fd, buffer, 0, page, index * page));
	} catch (error) {
		return (error as NodeJS.ErrnoException).code!;
	} finally {
		closeSync(fd);
	}
}

const pageOf = (index: number) => content().subarray(index * page, (index + 1) * page);

/**
 * A device over the scratch device for a file system. `inList` says where a byte of it is in the scratch device's
 * bad-block list.
 */
interface Volume {
	device: string;
	inList(offset: number): number;
	take(): void;
}

const whole = (): Volume => ({ device: scratch, inList: (offset) => offset, take() {} });

function partition(): Volume {
	sh(`addpart ${scratch} 1 8192 720896`);
	return {
		device: `${scratch}p1`,
		inList: (offset) => offset + 8192 * sector,
		take: () => sh(`delpart ${scratch} 1`),
	};
}

function volume(table: string, inList: Volume['inList']): Volume {
	sh(`modprobe dm-mod && dmsetup create media --table "${table}"`);
	const device = `/dev/${sh('dmsetup info -c --noheadings -o blkdevname media')}`;
	return { device, inList, take: () => sh('dmsetup remove media') };
}

const linear = () => volume(`0 720896 linear ${scratch} 4096`, (offset) => offset + 4096 * sector);

/** Two stripes with chunks of 64 KiB. Both are on the scratch device. */
const striped = () =>
	volume(`0 720896 striped 2 128 ${scratch} 0 ${scratch} 524288`, (offset) => {
		const chunk = Math.floor(offset / 65536);
		return (chunk % 2) * 524288 * sector + Math.floor(chunk / 2) * 65536 + (offset % 65536);
	});

const volumes: [name: string, make: () => Volume, isPossible: boolean][] = [
	['the whole disk', whole, true],
	['a partition', partition, has('addpart')],
	['a linear volume', linear, has('dmsetup')],
	['a striped volume', striped, has('dmsetup')],
];

const possible = volumes.filter(([, , isPossible]) => isPossible);

describe.each(['ext4', 'xfs'] as const)('%s', (type) => {
	describe.each(possible)('on %s', (_, make) => {
		/** XFS has DAX with shared blocks only on whole disks. */
		const command = type === 'xfs' && make !== whole ? `${mkfs.xfs} -m reflink=0` : mkfs[type];

		const within = async (body: (top: string, at: Volume) => Promise<void>) => {
			const at = make();
			try {
				await madeAsync(at.device, command, (top) => body(top, at));
			} finally {
				at.take();
				await clear(scratch);
			}
		};

		test('what was injected is found: in files, in free space, from the device', async () => {
			await within(async (top, at) => {
				const file = join(top, 'below/file');
				mkdirSync(join(top, 'below'));
				makeFile(file);
				linkSync(file, join(top, 'other name'));
				symlinkSync('/', join(top, 'root'));
				writeFileSync(join(top, 'healthy'), 'healthy');
				const [second, sixth] = [1, 5].map((index) => placeOf(file, index * page)) as [number, number];
				inject(scratch, at.inList(second) + 3 * sector);
				inject(scratch, at.inList(sixth), 2 * page);
				const parts = [
					[page, page, second],
					[5 * page, 2 * page, sixth],
				];
				const found = await badBlocksAsync(file);
				expect(found).toMatchObject({
					type: 'file',
					doubts: [],
					failures: [],
					sources: [expect.stringMatching(/badblocks$/)],
				});
				expect(found.parts.map(({ offset, length, deviceOffset }) => [offset, length, deviceOffset])).toEqual(parts);
				const inTree = await badBlocksAsync(top);
				expect(inTree).toMatchObject({ type: 'mount', unowned: [], doubts: [], failures: [] });
				expect(inTree.parts).toHaveLength(2);
				expect(new Set(inTree.parts.map(({ links }) => links))).toEqual(new Set([2]));
				expect((await badBlocksAsync(join(top, 'below'))).parts.map(({ path }) => path)).toEqual([file, file]);
				expect((await badBlocksAsync(join(top, 'healthy'))).parts).toEqual([]);
				for (const device of new Set([scratch, at.device])) {
					const { parts, unowned, doubts } = await badBlocksAsync(device);
					expect({ lengths: parts.map(({ length }) => length), unowned, doubts }).toEqual({
						lengths: [page, 2 * page],
						unowned: [],
						doubts: [],
					});
				}
			});
		});

		test.each(['rewrite', 'reallocate'] as const)(
			'%s from a backup: every byte is back, nothing else is touched',
			async (method) => {
				await within(async (top, at) => {
					const file = join(top, 'file');
					makeFile(file);
					const backup = '/tmp/media-backup';
					writeFileSync(backup, content());
					const places = [1, 5, pages].map((index) => placeOf(file, index * page));
					// The file is mapped before the pages are bad. Nobody touches them until they are good again.
					const mapping = mapFile(file, { writable: false });
					for (const place of places) inject(scratch, at.inList(place) + sector);
					expect(readPage(file, 1)).toBe('EIO');
					const done = await repairAsync(file, { method, from: backup });
					expect(done).toMatchObject({ isRepaired: true, lost: 0, quarantined: [], remains: { parts: [] } });
					const outcomes = new Set(done.parts.map(({ outcome, content }) => `${outcome} ${content}`));
					if (method === 'rewrite') expect(outcomes).toEqual(new Set(['repaired backup']));
					expect(readFileSync(file).equals(content())).toBe(true);
					expect(Buffer.from(mapping.buffer).equals(content())).toBe(true);
					mapping.unmap();
					expect(statSync(file).size).toBe(size);
					expect(listed(scratch)).toBe('');
				});
			},
		);
	});

	test('zeros only where that is said, and of the bad pages alone; a dry run does nothing', async () => {
		await madeAsync(scratch, mkfs[type], async (top) => {
			const file = join(top, 'file');
			makeFile(file);
			inject(scratch, placeOf(file, 3 * page) + sector);
			await expect(repairAsync(file)).rejects.toMatchObject({
				code: 'ERR_DAXKIND_NO_CONTENT',
				path: file,
				message: expect.stringContaining('4 KiB (4096 bytes) at 12288'),
			});
			const dry = await repairAsync(top, { zeros: true, dryRun: true });
			expect(dry).toMatchObject({ lost: page, isRepaired: false, parts: [{ outcome: 'planned', content: 'zeros' }] });
			expect(readPage(file, 3)).toBe('EIO');
			const short = '/tmp/media-short';
			writeFileSync(short, content().subarray(0, 3 * page));
			await expect(repairAsync(file, { from: short })).rejects.toMatchObject({ code: 'ERR_DAXKIND_NO_CONTENT' });
			const done = await repairAsync(top, { zeros: true });
			expect(done).toMatchObject({
				lost: page,
				isRepaired: true,
				parts: [{ path: file, outcome: 'repaired', lost: page }],
			});
			const expected = content();
			expected.fill(0, 3 * page, 4 * page);
			expect(readFileSync(file).equals(expected)).toBe(true);
		});
	});

	test('a page that nobody has written yet is cleared without a backup, and nothing is lost', async () => {
		await madeAsync(scratch, mkfs[type], async (top) => {
			const file = join(top, 'file');
			sh(`fallocate -l 64K ${file} && sync ${file}`);
			inject(scratch, placeOf(file, 2 * page));
			const done = await repairAsync(file);
			expect(done).toMatchObject({ lost: 0, isRepaired: true, parts: [{ content: 'nothing', lost: 0 }] });
			expect(readFileSync(file).equals(Buffer.alloc(65536))).toBe(true);
			expect(listed(scratch)).toBe('');
		});
	});

	test('through the device only the bad sectors are lost, in a file at once and in free space', async () => {
		await madeAsync(scratch, mkfs[type], async (top) => {
			const file = join(top, 'file');
			makeFile(file);
			inject(scratch, placeOf(file, 2 * page) + sector);
			inject(scratch, 384 * 2 ** 20, page);
			const { unowned } = await badBlocksAsync(top);
			expect(unowned).toEqual([{ offset: 384 * 2 ** 20, length: page }]);
			expect(await repairAsync(top, { zeros: true, dryRun: true })).toMatchObject({
				parts: [
					{ outcome: 'planned' },
					{ outcome: 'skipped', remedy: expect.stringContaining(`daxkind repair ${scratch}`) },
				],
			});
			const done = await repairAsync(scratch, { zeros: true });
			expect(done).toMatchObject({ isRepaired: true, lost: sector + page });
			const expected = content();
			expected.fill(0, 2 * page + sector, 2 * page + 2 * sector);
			expect(readFileSync(file).equals(expected)).toBe(true);
		});
	});

	test('quarantine: a copy takes the name, and the bad file keeps its blocks', async () => {
		await madeAsync(scratch, mkfs[type], async (top) => {
			const file = join(top, 'file');
			makeFile(file);
			sh(`chmod 640 ${file}`);
			inject(scratch, placeOf(file, 4 * page));
			const done = await repairAsync(file, { method: 'quarantine', zeros: true });
			expect(done).toMatchObject({ isRepaired: true, lost: page, parts: [{ outcome: 'quarantined' }] });
			const [{ keptAs } = { keptAs: '' }] = done.quarantined;
			const expected = content();
			expected.fill(0, 4 * page, 5 * page);
			expect(readFileSync(file).equals(expected)).toBe(true);
			expect(statSync(file).mode & 0o777).toBe(0o640);
			expect(readPage(keptAs, 4)).toBe('EIO');
			expect((await badBlocksAsync(top)).parts.map(({ path }) => path)).toEqual([keptAs]);
			await clear(scratch);
		});
	});
});

/** Makes a file system on a device and mounts it while an asynchronous body runs. */
async function madeAsync(device: string, command: string, body: (top: string) => Promise<void>): Promise<void> {
	let work: Promise<void> | undefined;
	const top = sh('mktemp -d /mnt/test-XXXXXX');
	sh(`${command} ${device} && mount -o dax=always ${device} ${top}`);
	try {
		work = body(top);
		await work;
	} finally {
		sh(`umount ${top} || umount --lazy ${top}; rmdir ${top} || true`);
	}
}

test('of files that share a bad block (reflink) both are found, and neither is left with it', async () => {
	await madeAsync(scratch, mkfs.xfs, async (top) => {
		const [file, clone] = [join(top, 'file'), join(top, 'clone')];
		makeFile(file);
		// Older kernels have no DAX where blocks are shared.
		if (sh(`cp --reflink=always ${file} ${clone} && echo done || true`) !== 'done') return;
		inject(scratch, placeOf(file, page));
		const { parts } = await badBlocksAsync(top);
		expect(parts.map(({ path, shared }) => [path, shared]).sort()).toEqual([
			[clone, true],
			[file, true],
		]);
		const done = await repairAsync(top, { zeros: true });
		expect(done).toMatchObject({ isRepaired: true, lost: 2 * page });
		// The first file gets a block of its own. After that only the second one has the bad block.
		expect(done.parts.map(({ outcome }) => outcome)).toEqual(['moved', 'repaired']);
		expect(listed(scratch)).toBe('');
	});
});

/**
 * A program that holds a page of a file in a pipe. Until it ends, fallocate of any page of the file waits (ext4). The
 * numbers are Linux's for mmap and vmsplice on x86-64.
 */
const pinning = `
	$| = 1;
	open(F, "+<", $ARGV[0]) or die;
	$address = syscall(9, 0, 4096, 3, 1, fileno(F), 0);
	pipe(R, W);
	$vector = pack("QQ", $address, 4096);
	print syscall(278, fileno(W), $vector, 1, 0), "\\n";
	sleep 60;`;

test('a page that somebody has pinned keeps an abort waiting for a second, and the event loop not at all', async () => {
	await madeAsync(scratch, mkfs.ext4, async (top) => {
		const file = join(top, 'file');
		makeFile(file);
		inject(scratch, placeOf(file, page));
		const holder = spawn('perl', ['-e', pinning, file], { stdio: ['ignore', 'pipe', 'inherit'] });
		const ended = once(holder, 'exit');
		expect(String((await once(holder.stdout, 'data'))[0])).toBe('4096\n');
		const stop = new AbortController();
		let turns = 0;
		const timer = setInterval(() => turns++, 20);
		const begun = performance.now();
		const abort = setTimeout(500).then(() => stop.abort(new Error('enough')));
		const waiting = repairAsync(file, { method: 'reallocate', zeros: true, signal: stop.signal });
		await expect(waiting).rejects.toThrow('enough');
		await abort;
		clearInterval(timer);
		expect(performance.now() - begun).toBeGreaterThan(500);
		expect(turns).toBeGreaterThan(10);
		holder.kill('SIGKILL');
		await ended;
		// The repair's thread goes on now, and the page gets good blocks.
		while ((await badBlocksAsync(file)).parts.length > 0 || typeof readPage(file, 1) === 'string') await setTimeout(50);
	});
});

test('explain, inspect, mounts and the commands name them, without a walk', async () => {
	await madeAsync(scratch, mkfs.ext4, async (top) => {
		const file = join(top, 'file');
		makeFile(file);
		const link = (path: string) => explain(path).checks.find(({ link }) => link === 'bad blocks');
		const bad = () => findDaxMounts().find(({ mountPoint }) => mountPoint === top)?.badBlocks;
		expect([link(file), link(top), bad()]).toEqual([undefined, undefined, { ranges: 0, bytes: 0 }]);
		inject(scratch, placeOf(file, page));
		expect(link(file)).toMatchObject({ verdict: 'warning', remedy: `daxkind repair ${file}` });
		expect(link(top)).toMatchObject({
			verdict: 'warning',
			remedy: expect.stringContaining(`daxkind badblocks ${top}`),
		});
		expect(explain(file).dax).toBe(true);
		expect(inspect(file).badBlocks).toMatchObject({
			ranges: 1,
			bytes: sector,
			inFile: [{ offset: page, length: page }],
		});
		expect(bad()).toEqual({ ranges: 1, bytes: sector });
		const run = (...args: string[]) => {
			const { status, stdout } = daxkind(...args);
			return [status, stdout] as const;
		};
		const [status, text] = run('badblocks', '--json', basename(scratch));
		expect([status, JSON.parse(text).parts]).toMatchObject([1, [{ path: file, offset: page, length: page }]]);
		expect(run('repair', file, '--zeros')[0]).toBe(1);
		expect(run('repair', file, '--zeros', '--yes')).toEqual([
			0,
			expect.stringMatching(/ is repaired: 1 part; 4 KiB lost\n/),
		]);
		expect(readPage(file, 1)).toEqual(Buffer.alloc(page));
	});
});

describe.skipIf(!has('ndctl'))('an nvdimm that cannot clear', () => {
	const namespace = `namespace${/\d+/.exec(basename(nvdimm))![0]}.0`;
	const nvdimmMkfs = { ext4: mkfs.ext4, xfs: `${mkfs.xfs} --unsupported` };

	test.each(['ext4', 'xfs'] as const)(
		'%s: nothing is punched, the file system lives, and quarantine saves the rest',
		async (type) => {
			sh(`ndctl create-namespace -f -e ${namespace} --mode=fsdax --map=mem`);
			await madeAsync(nvdimm, nvdimmMkfs[type], async (top) => {
				const file = join(top, 'file');
				makeFile(file);
				writeFileSync('/tmp/media-backup', content());
				const place = placeOf(file, 2 * page);
				inject(nvdimm, place);
				// This is what a program meets that has mapped the file.
				const mapping = mapFile(file, { allocate: false, onMediaError: () => {} });
				expect(mapping.buffer.subarray(2 * page, 3 * page).equals(Buffer.alloc(page))).toBe(true);
				mapping.buffer[2 * page] = 1;
				expect(() => mapping.persist(2 * page, 1)).toThrow(expect.objectContaining({ code: 'EFAULT' }));
				for (const other of [0, 1, 3]) {
					expect(mapping.buffer.subarray(other * page, (other + 1) * page).equals(pageOf(other))).toBe(true);
				}
				expect(mapping.errors()).toEqual([{ offset: 2 * page, length: page, cause: 'media' }]);
				mapping.unmap();
				for (const method of ['rewrite', 'reallocate'] as RepairMethod[]) {
					const done = await repairAsync(file, { method, from: '/tmp/media-backup' });
					expect(done).toMatchObject({
						isRepaired: false,
						lost: 0,
						parts: [{ outcome: 'uncleared', error: { code: 'EFAULT' }, remedy: expect.stringContaining('quarantine') }],
						remains: { parts: [{ offset: 2 * page, deviceOffset: place }] },
					});
				}
				expect(placeOf(file, 2 * page)).toBe(place);
				expect(await repairAsync(nvdimm, { zeros: true })).toMatchObject({
					isRepaired: false,
					parts: [{ outcome: 'uncleared' }],
				});
				const done = await repairAsync(file, { method: 'quarantine', from: '/tmp/media-backup' });
				expect(done).toMatchObject({
					isRepaired: true,
					lost: 0,
					parts: [{ outcome: 'quarantined', content: 'backup' }],
				});
				expect(readFileSync(file).equals(content())).toBe(true);
				expect(readPage(done.quarantined[0]!.keptAs, 2)).toBe('EIO');
				// The file system goes on working.
				const fd = openSync(join(top, 'later'), 'w');
				writeSync(fd, pageOf(0));
				closeSync(fd);
				expect(readPage(join(top, 'later'), 0)).toEqual(pageOf(0));
			});
			sh(`ndctl create-namespace -f -e ${namespace} --mode=raw`);
		},
	);
});
