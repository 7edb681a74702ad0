// Every situation that keeps DAX off, or on, made for real, and what explain says of it. The kernel decides about on
// and off; the reasons are ours.
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DaxLink, explain, findDaxMounts, inspect, isDax, setDaxFlag } from 'daxkind/dax';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { spawn, spawnSync } from '../helpers/children.ts';
import { nvdimm, scratch, virtiofs, virtioPmem } from '../helpers/guest.ts';
import { has, made, mkfs, mounted, sh } from '../helpers/scratch.ts';

/** What explain must say: undefined for DAX, or the first broken link, with words of the reason and of the remedy. */
type Expected = undefined | [link: DaxLink, reason: string, remedy?: string];

function expectExplained(path: string, expected: Expected): void {
	const { dax, reason, remedy, checks } = explain(path);
	const broken = checks.find(({ verdict }) => verdict === 'broken');
	const said = broken && [broken.link, reason, remedy];
	if (expected === undefined) {
		expect({ dax, said }).toEqual({ dax: true, said: undefined });
		return;
	}
	const [link, words, fix] = expected;
	expect({ dax, said }).toEqual({
		dax: false,
		said: [link, expect.stringContaining(words), fix === undefined ? undefined : expect.stringContaining(fix)],
	});
	for (const { evidence } of checks) expect(evidence.length).toBeGreaterThan(0);
}

/** Makes a directory and a file in it, without flags of their own. */
function populated(mountPoint: string): { directory: string; file: string } {
	const directory = join(mountPoint, 'directory');
	mkdirSync(directory);
	const file = join(directory, 'file');
	writeFileSync(file, 'x'.repeat(5000));
	return { directory, file };
}

function expectBoth(mountPoint: string, expected: Expected): void {
	const { directory, file } = populated(mountPoint);
	expectExplained(directory, expected);
	expectExplained(file, expected);
}

const noFlag: Expected = ['flag', 'does not have the DAX flag', 'daxkind chattr +x /mnt/'];

describe.each(['ext4', 'xfs'] as const)('%s', (type) => {
	beforeAll(() => {
		sh(`${mkfs[type]} ${scratch}`);
	});
	/** Mounts the file system and removes what the last test left. */
	const withOptions = (options: string, body: (mountPoint: string) => void) =>
		mounted(scratch, options, (mountPoint) => {
			rmSync(join(mountPoint, 'directory'), { recursive: true, force: true });
			body(mountPoint);
		});

	test.each(['dax=always', 'dax'])('with %s is on DAX', (options) => {
		withOptions(options, (mountPoint) => {
			expectBoth(mountPoint, undefined);
			expect(inspect(mountPoint).mount).toMatchObject({ daxOption: 'dax=always', mode: 'always' });
		});
	});

	test.each(['dax=inode', 'defaults'])('with %s decides by the flag', (options) => {
		withOptions(options, (mountPoint) => {
			expectBoth(mountPoint, noFlag);
			const directory = join(mountPoint, 'directory');
			setDaxFlag(directory, true);
			expectExplained(directory, undefined);
			expectExplained(join(directory, 'file'), [
				'flag',
				'its directory has the flag, but the file was made before that',
				'chattr +x',
			]);
			writeFileSync(join(directory, 'later'), '');
			expectExplained(join(directory, 'later'), undefined);
			expect(inspect(directory).mount).toMatchObject({ mode: 'inode', effectiveMode: 'inode' });
		});
	});

	test('with dax=never is off, and the remedy mounts it with DAX', () => {
		sh(`mkdir -p /mnt/never && mount -o dax=never ${scratch} /mnt/never`);
		expectExplained('/mnt/never', ['mount', '/mnt/never is mounted with dax=never', `mount -o dax=always ${scratch}`]);
		sh(explain('/mnt/never').remedy!.split(' (')[0]!);
		expectExplained('/mnt/never', undefined);
		sh('umount /mnt/never');
	});

	test('a flag that was set or cleared while the file is open is pending until it is closed', () => {
		withOptions('dax=inode', (mountPoint) => {
			const { file } = populated(mountPoint);
			let fd = openSync(file, 'r');
			setDaxFlag(file, true);
			expectExplained(file, ['state', 'the DAX flag is set, but pending', 'close it everywhere']);
			closeSync(fd);
			expectExplained(file, undefined);
			fd = openSync(file, 'r');
			setDaxFlag(file, false);
			const { dax, checks } = explain(file);
			expect(dax).toBe(true);
			expect(checks).toContainEqual(
				expect.objectContaining({ link: 'flag', verdict: 'warning', finding: expect.stringContaining('was cleared') }),
			);
			closeSync(fd);
			expectExplained(file, noFlag);
		});
	});

	test('on a device without DAX is off whatever the flag says', () => {
		sh('modprobe brd rd_nr=1 rd_size=409600');
		made('/dev/ram0', mkfs[type], 'dax=inode', (mountPoint) => {
			expectBoth(mountPoint, ['device', 'the block device /dev/ram0 cannot do DAX', 'persistent-memory device']);
			setDaxFlag(join(mountPoint, 'directory'), true);
			expectExplained(join(mountPoint, 'directory'), ['device', '/dev/ram0 cannot do DAX', 'persistent-memory']);
			expect(inspect(mountPoint).mount).toMatchObject({ mode: 'inode', effectiveMode: 'unsupported' });
		});
	});
});

test('XFS that turned DAX off by itself: the reason is why it did, not the option that it shows', () => {
	made('/dev/ram0', mkfs.xfs, 'dax=always', (mountPoint) => {
		expectBoth(mountPoint, ['device', '/dev/ram0 cannot do DAX', 'persistent-memory device']);
		const { checks } = explain(mountPoint);
		expect(checks).toContainEqual(
			expect.objectContaining({ link: 'mount', finding: expect.stringContaining('turned DAX off by itself') }),
		);
	});
	made(scratch, `${mkfs.xfs} -b size=1024`, 'dax=always', (mountPoint) => {
		expectBoth(mountPoint, ['block size', 'blocks are 1024 bytes', `mkfs.xfs -f -b size=4096 ${scratch}`]);
	});
});

test('XFS files that share blocks, and those of its realtime device: off, whatever the flag says', () => {
	made(scratch, mkfs.xfs, 'dax=always', (mountPoint) => {
		const file = join(mountPoint, 'file');
		writeFileSync(file, Buffer.alloc(2 ** 20, 1));
		sh(`cp --reflink=always ${file} ${file}.clone`);
	});
	for (const options of ['dax=always', 'dax=inode']) {
		mounted(scratch, options, (mountPoint) => {
			expectExplained(join(mountPoint, 'file'), ['file contents', 'shared with another file', 'cp --reflink=never']);
		});
	}
	sh(`mkfs.xfs -q -f -m reflink=0,rmapbt=0 -r rtdev=/dev/ram0 ${scratch}`);
	mounted(scratch, 'dax=inode,rtdev=/dev/ram0', (mountPoint) => {
		sh(`xfs_io -c 'chattr +t' ${mountPoint}`);
		const file = join(mountPoint, 'file');
		writeFileSync(file, 'x');
		setDaxFlag(file, true);
		expectExplained(file, ['state', 'its data are on the realtime device', 'copy it']);
	});
});

test('persistent memory that the kernel has made no page structures for', () => {
	// This kernel makes page structures. So a mount covers the file that says so.
	const queue = `/sys/block/${scratch.slice('/dev/'.length)}/queue/dax`;
	sh(`echo 0 >/tmp/no-dax && mount --bind /tmp/no-dax ${queue}`);
	try {
		made(scratch, mkfs.ext4, 'dax=inode', (mountPoint) => {
			expectBoth(mountPoint, ['device', 'in fsdax mode, but cannot do DAX', 'CONFIG_ZONE_DEVICE']);
		});
	} finally {
		sh(`umount ${queue}`);
	}
});

test('on a disk without DAX no link behind it has a remedy', () => {
	made('/dev/ram0', mkfs.ext4, 'dax=inode', (mountPoint) => {
		const { checks } = explain(mountPoint);
		const decided = checks.findIndex(({ verdict }) => verdict === 'broken');
		expect(checks.slice(decided + 1).filter(({ remedy, verdict }) => remedy ?? verdict === 'broken')).toEqual([]);
		expect(checks).toContainEqual(expect.objectContaining({ link: 'flag', verdict: 'not reached' }));
	});
});

test('ext4 with blocks of 1 KiB: the remedy makes one that can', () => {
	const command = made(scratch, 'mkfs.ext4 -q -F -b 1024', 'dax=inode', (mountPoint) => {
		expectBoth(mountPoint, ['block size', 'blocks are 1024 bytes', `mkfs.ext4 -b 4096 ${scratch}`]);
		return explain(mountPoint)
			.remedy!.replace(/^.*: mkfs.ext4/, 'mkfs.ext4 -q -F')
			.replace(` ${scratch}`, '');
	});
	made(scratch, command, 'dax=always', (mountPoint) => expectExplained(mountPoint, undefined));
});

test("ext2 and ext3 through ext4's driver: always with dax, by the flag without", () => {
	made(scratch, mkfs.ext2, 'dax', (mountPoint) => {
		expectBoth(mountPoint, undefined);
		expect(inspect(mountPoint).mount).toMatchObject({ fsType: 'ext2', driver: 'ext4', daxOption: 'dax' });
	});
	mounted(scratch, 'defaults', (mountPoint) => {
		const file = join(mountPoint, 'directory/file');
		expectExplained(file, noFlag);
		setDaxFlag(file, true);
		expectExplained(file, undefined);
		expect(inspect(file).mount).toMatchObject({ daxOption: undefined, mode: 'inode' });
	});
	made(scratch, mkfs.ext3, 'dax', (mountPoint) => expectBoth(mountPoint, undefined));
});

describe('erofs', () => {
	const source = mkdtempSync('/tmp/erofs-');
	beforeAll(() => {
		mkdirSync(join(source, 'directory'));
		writeFileSync(join(source, 'whole'), 'a'.repeat(8192));
		writeFileSync(join(source, 'tail'), 'b'.repeat(9000));
	});
	afterAll(() => rmSync(source, { recursive: true }));
	const image = (flags: string) => sh(`mkfs.erofs --quiet ${flags} ${scratch} ${source}`);

	test('of whole blocks is on DAX, without MAP_SYNC', () => {
		image('-Enoinline_data');
		mounted(scratch, 'dax=always', (mountPoint) => {
			for (const name of ['whole', 'tail', 'directory']) expectExplained(join(mountPoint, name), undefined);
			expect(explain(join(mountPoint, 'tail')).checks).toContainEqual(
				expect.objectContaining({ link: 'MAP_SYNC', verdict: 'warning' }),
			);
		});
		mounted(scratch, 'defaults', (mountPoint) => {
			expectExplained(mountPoint, ['mount', 'without the dax option', 'mount -o dax=always']);
		});
	});

	test('with packed tails: files with one are off, others on', () => {
		image('');
		mounted(scratch, 'dax=always', (mountPoint) => {
			expectExplained(join(mountPoint, 'whole'), undefined);
			expectExplained(join(mountPoint, 'tail'), ['file contents', 'it has a packed tail', '-Enoinline_data']);
			expect(inspect(join(mountPoint, 'tail')).file.exclusions).toEqual(['packed tail']);
		});
	});

	test('compressed: off', () => {
		image('-zlz4');
		mounted(scratch, 'dax=always', (mountPoint) => {
			expectExplained(join(mountPoint, 'whole'), ['file contents', 'compressed data', 'without compression']);
		});
	});
});

describe('an nvdimm', () => {
	test('whose namespace is raw is off', () => {
		made(nvdimm, mkfs.ext4, 'dax=inode', (mountPoint) => {
			expectBoth(mountPoint, ['namespace', 'is in raw mode', 'ndctl create-namespace -f -e namespace']);
			expect(inspect(mountPoint)).toMatchObject({
				device: { dax: false },
				namespace: { mode: 'raw' },
				region: { provider: 'ACPI.NFIT', persistenceDomain: 'memory_controller', asynchronous: undefined },
			});
		});
	});

	test.skipIf(!has('ndctl'))('that ndctl makes fsdax, as the remedy says, is on; in sector mode it is off', () => {
		const { remedy } = made(nvdimm, mkfs.ext4, 'dax=inode', (mountPoint) => explain(mountPoint));
		const command = remedy!.slice(remedy!.indexOf('ndctl'));
		sh(command);
		made(nvdimm, mkfs.ext4, 'dax=always', (mountPoint) => {
			expectBoth(mountPoint, undefined);
			const { namespace, region } = inspect(mountPoint);
			expect(namespace).toMatchObject({ mode: 'fsdax', align: 2 ** 21 });
			expect(region).toMatchObject({ asynchronous: false });
		});
		sh(command.replace('fsdax', 'sector'));
		made(`${nvdimm}s`, mkfs.ext4, 'dax=inode', (mountPoint) => {
			expectBoth(mountPoint, ['namespace', 'is in sector mode', command]);
		});
		sh(command.replace('fsdax', 'raw'));
	});
});

test('virtio-pmem: DAX without MAP_SYNC', () => {
	made(virtioPmem, mkfs.ext4, 'dax=always', (mountPoint) => {
		expectBoth(mountPoint, undefined);
		expect(explain(mountPoint).checks).toContainEqual(
			expect.objectContaining({
				link: 'MAP_SYNC',
				verdict: 'warning',
				finding: expect.stringContaining('virtio-pmem'),
				remedy: expect.stringContaining('msync'),
			}),
		);
		expect(inspect(mountPoint)).toMatchObject({
			mapSync: { supported: false, tried: 'a temporary file', error: 'ENOTSUP' },
			region: { provider: 'virtio-pmem', asynchronous: true },
		});
	});
});

test.skipIf(virtiofs === undefined)('a virtiofs share without a DAX window', () => {
	const directory = mkdtempSync(join(virtiofs!, 'explain-'));
	writeFileSync(join(directory, 'file'), 'x');
	for (const path of [directory, join(directory, 'file')]) {
		expectExplained(path, ['device', 'the virtiofs share has no DAX window', 'cache-size']);
	}
	expect(inspect(directory)).toMatchObject({
		mount: { fsType: 'virtiofs', effectiveMode: 'unsupported' },
		fileSystem: { daxWindow: false },
	});
	rmSync(directory, { recursive: true });
});

test('a loop device, and the file that it is of', () => {
	sh('modprobe loop');
	sh('truncate -s 32M /tmp/explain.img');
	const loop = sh('losetup -f --show /tmp/explain.img');
	made(loop, mkfs.ext4, 'dax=inode', (mountPoint) => {
		expectBoth(mountPoint, [
			'device',
			`${loop} (of /tmp/explain.img) cannot do DAX`,
			'a loop device has no DAX even if /tmp/explain.img is on DAX',
		]);
		expect(inspect(mountPoint).device?.layers).toEqual([
			{ type: 'loop', name: loop.slice('/dev/'.length), dax: false, backingFile: '/tmp/explain.img' },
		]);
	});
	sh(`losetup -d ${loop} && rm /tmp/explain.img`);
});

describe.skipIf(!has('dmsetup'))('device-mapper', () => {
	const create = (name: string, table: string) => {
		sh(`modprobe dm-mod && dmsetup create ${name} --table "${table}"`);
		return `/dev/${sh(`dmsetup info -c --noheadings -o blkdevname ${name}`)}`;
	};

	test('a linear volume passes DAX on', () => {
		const device = create('plain', `0 524288 linear ${scratch} 4096`);
		made(device, mkfs.ext4, 'dax=always', (mountPoint) => {
			expectBoth(mountPoint, undefined);
			writeFileSync(join(mountPoint, 'big'), Buffer.alloc(8 * 2 ** 20, 1));
			// Nothing in sysfs says where the volume lies on the device below it.
			expect(inspect(join(mountPoint, 'big')).hugePages.possible).toBeUndefined();
			expect(inspect(mountPoint).device?.layers).toMatchObject([
				{ type: 'device-mapper', mapping: 'plain', dax: true },
				{ type: 'disk', name: scratch.slice('/dev/'.length), dax: true },
			]);
		});
		sh('dmsetup remove plain');
	});

	test('a volume that ends within a page has none', () => {
		const device = create('ragged', `0 524289 linear ${scratch} 4096`);
		made(device, mkfs.ext4, 'dax=inode', (mountPoint) => {
			setDaxFlag(mountPoint, true);
			expectBoth(mountPoint, ['device', `${device} is ${524289 * 512} bytes long`, 'multiple of 8 sectors']);
		});
		sh('dmsetup remove ragged');
	});

	test('dm-crypt takes it away from the device that has it', () => {
		sh('modprobe dm-crypt');
		const device = create('secret', `0 524288 crypt aes-cbc-essiv:sha256 ${'0'.repeat(64)} 0 ${scratch} 0`);
		made(device, mkfs.ext4, 'dax=inode', (mountPoint) => {
			expectBoth(mountPoint, ['device', '/dev/mapper/secret cannot do DAX', `${scratch} below it can do DAX`]);
		});
		sh('dmsetup remove secret');
	});
});

test('looking for mounts does not mount what is to be mounted on demand', async () => {
	sh('modprobe autofs4 && mkdir -p /mnt/on-demand && mkfifo /tmp/automount');
	// The mount is as automount(8) makes it, but nobody answers. A process that walks in waits for ever.
	const script = `exec 3<>/tmp/automount
		mount -t autofs -o fd=3,pgrp=$$,minproto=5,maxproto=5,direct nobody /mnt/on-demand && echo mounted && exec cat`;
	const daemon = spawn('sh', ['-c', script], { stdio: ['pipe', 'pipe', 'inherit'] });
	try {
		await once(daemon.stdout, 'data');
		const look = `import { findDaxMounts } from 'daxkind/dax'; findDaxMounts({ all: true });`;
		const { status } = spawnSync(process.execPath, ['--input-type=module', '-e', look], { timeout: 30_000 });
		expect(status).toBe(0);
	} finally {
		daemon.stdin.end();
		await once(daemon, 'close');
		sh('umount /mnt/on-demand; rm /tmp/automount; rmdir /mnt/on-demand');
	}
});

describe('a partition', () => {
	/** Adds a partition that starts at a sector of 512 bytes. It has 64 MiB by default. */
	function partition(start: number, body: (device: string) => void, sectors = 131072): void {
		sh(`addpart ${scratch} 1 ${start} ${sectors}`);
		try {
			body(`${scratch}p1`);
		} finally {
			sh(`delpart ${scratch} 1`);
		}
	}

	test('that begins within a page has no DAX', () => {
		partition(2047, (device) => {
			made(device, mkfs.ext4, 'dax=inode', (mountPoint) => {
				expectBoth(mountPoint, ['partition', `${device} begins at byte ${2047 * 512}`, 'multiple of 2 MiB']);
				expect(inspect(mountPoint).mount?.effectiveMode).toBe('unsupported');
			});
		});
	});

	test('with an XFS that shares blocks refuses dax=always, and the remedy says so', () => {
		const body = (device: string) => {
			made(device, `${mkfs.xfs} -m reflink=1`, 'dax=never', (mountPoint) => {
				expectExplained(mountPoint, ['mount', 'dax=never', 'reflink=0']);
			});
			expect(() => mounted(device, 'dax=always', () => {})).toThrow(/mount/);
			mounted(device, 'dax=inode', (mountPoint) => {
				expect(explain(mountPoint).remedy).toBe(`daxkind chattr +x ${mountPoint}`);
			});
			made(device, `${mkfs.xfs} -m reflink=0`, 'dax=always', (mountPoint) => expectBoth(mountPoint, undefined));
		};
		partition(8192, body, 819_200);
	});

	test('that ends within a page has no DAX, whatever the flag says', () => {
		const body = (device: string) => {
			made(device, mkfs.ext4, 'dax=inode', (mountPoint) => {
				setDaxFlag(mountPoint, true);
				expectBoth(mountPoint, ['partition', `${device} is ${131073 * 512} bytes long`, 'multiple of 8 sectors']);
				expect(setDaxFlag(join(mountPoint, 'directory/file'), true)).toMatchObject({ pending: false });
			});
		};
		partition(8192, body, 131073);
	});

	test('whose disk has another XFS that was mounted before has none for its own XFS', () => {
		// XFS needs 300 MiB at least. The disk has 512 MiB, so only --unsupported makes two.
		const make = 'mkfs.xfs -q -f --unsupported -d agcount=1';
		sh(`addpart ${scratch} 1 8192 409600 && addpart ${scratch} 2 417792 409600`);
		try {
			sh(`${make} ${scratch}p1 && ${make} ${scratch}p2`);
			mounted(`${scratch}p1`, 'dax=inode', (first) => {
				mounted(`${scratch}p2`, 'dax=inode', (second) => {
					for (const mountPoint of [first, second]) setDaxFlag(mountPoint, true);
					expectBoth(first, undefined);
					const reason = `only the first mounted XFS file system of a disk has DAX, and another one is mounted at ${first}`;
					expectBoth(second, ['state', reason, `unmount ${first} and ${second}`]);
				});
			});
		} finally {
			sh(`delpart ${scratch} 1; delpart ${scratch} 2`);
		}
	});

	test('that begins on a page has DAX, but huge pages only from a multiple of 2 MiB on', () => {
		const big = Buffer.alloc(8 * 2 ** 20, 1);
		partition(2056, (device) => {
			made(device, mkfs.ext4, 'dax=always', (mountPoint) => {
				expectBoth(mountPoint, undefined);
				writeFileSync(join(mountPoint, 'big'), big);
				const { hugePages } = inspect(join(mountPoint, 'big'));
				expect(hugePages).toMatchObject({ possible: false, pieces: 4, mappable: 0 });
				expect(hugePages.obstacles[0]).toMatch(/the device begins at byte \d+, which is not a multiple of 2 MiB/);
			});
		});
		partition(8192, (device) => {
			made(device, `${mkfs.ext4} -E stride=512,stripe_width=512`, 'dax=always', (mountPoint) => {
				writeFileSync(join(mountPoint, 'big'), big);
				expect(inspect(join(mountPoint, 'big')).hugePages).toMatchObject({ possible: true, pieces: 4, obstacles: [] });
				expect(inspect(mountPoint).hugePages.possible).toBe(true);
			});
		});
	});
});

test('a directory without DAX and without nameless files is not changed to see', () => {
	sh('mkdir /mnt/queues && mount -t mqueue queues /mnt/queues');
	const before = statSync('/mnt/queues', { bigint: true });
	expectExplained('/mnt/queues', ['file system', 'mqueue', 'ext4 or XFS']);
	expect(inspect('/mnt/queues').newFile).toEqual({ dax: undefined, error: 'ENOTSUP' });
	expect(statSync('/mnt/queues', { bigint: true }).mtimeNs).toBe(before.mtimeNs);
	sh('umount /mnt/queues && rmdir /mnt/queues');
});

test('tmpfs, and an overlay without DAX below it', () => {
	expectExplained('/dev/shm', ['file system', 'the file system is tmpfs', 'ext4 or XFS']);
	expectExplained('/tmp', ['file system', 'it is an overlay', 'bind-mount']);
});

test('an overlay over DAX has it, without MAP_SYNC, for what is written to it', () => {
	made(scratch, mkfs.ext4, 'dax=always', (mountPoint) => {
		const lower = mkdtempSync('/tmp/lower-');
		const merged = mkdtempSync('/mnt/merged-');
		writeFileSync(join(lower, 'old'), 'x');
		const [upper, work] = [join(mountPoint, 'upper'), join(mountPoint, 'work')];
		mkdirSync(upper);
		mkdirSync(work);
		sh(`mount -t overlay -o lowerdir=${lower},upperdir=${upper},workdir=${work} over ${merged}`);
		try {
			expectExplained(merged, undefined);
			expectExplained(join(merged, 'old'), ['file system', `changes go to ${upper}`, 'bind-mount']);
			expect(inspect(merged).mapSync.supported).toBe(false);
			expect(findDaxMounts().map((mount) => mount.mountPoint)).toContain(merged);
		} finally {
			sh(`umount ${merged}`);
		}
	});
});

test('what in an ext4 file excludes DAX: inline data, a journal for its data', () => {
	made(scratch, `${mkfs.ext4} -O inline_data`, 'dax=inode', (mountPoint) => {
		const small = join(mountPoint, 'small');
		writeFileSync(small, 'tiny');
		expectExplained(small, ['file contents', 'inline data', '^inline_data']);
		// The directory's names are in its inode, too. But a file that is made in it with the flag is on DAX.
		const inline = join(mountPoint, 'inline');
		mkdirSync(inline);
		expectExplained(inline, noFlag);
		setDaxFlag(inline, true);
		expectExplained(inline, undefined);
		const { file } = populated(mountPoint);
		sh(`chattr +j ${file}`);
		expectExplained(file, ['file contents', 'data go through the journal', 'chattr -j']);
	});
	made(scratch, mkfs.ext4, 'data=journal', (mountPoint) => {
		expectBoth(mountPoint, ['file contents', 'data go through the journal', '-o data=ordered; data=journal']);
	});
	// This is the file system's own default, which no option shows.
	sh(`${mkfs.ext4} ${scratch} && tune2fs -o journal_data ${scratch}`);
	mounted(scratch, 'dax=inode', (mountPoint) => {
		setDaxFlag(mountPoint, true);
		expectBoth(mountPoint, ['file contents', 'data go through the journal', '-o data=ordered']);
	});
});

test('a directory in which nothing can be made is judged by the rest', () => {
	made(scratch, mkfs.ext4, 'dax=always', (mountPoint) => {
		const { directory, file } = populated(mountPoint);
		sh(`mount -o remount,ro ${mountPoint}`);
		expect(() => isDax(directory)).toThrow(expect.objectContaining({ code: 'EROFS', syscall: 'open' }));
		expectExplained(directory, undefined);
		expect(explain(directory).checks).toContainEqual(
			expect.objectContaining({
				link: 'state',
				verdict: 'unknown',
				finding: expect.stringContaining('no file can be made'),
			}),
		);
		expectExplained(file, undefined);
	});
});

test('bind mounts and covered mounts: it is the mount that the path is really in', () => {
	made(scratch, mkfs.ext4, 'dax=never', (mountPoint) => {
		const { directory, file } = populated(mountPoint);
		const fd = openSync(file, 'r');
		const bound = mkdtempSync('/mnt/bound-');
		sh(`mount --bind ${directory} ${bound}`);
		try {
			const { mount } = inspect(join(bound, 'file'));
			expect(mount).toMatchObject({ mountPoint: bound, root: '/directory', fsType: 'ext4' });
			const remedy = `umount ${bound} ${mountPoint} && mount -o dax=always ${scratch} ${mountPoint}, then mount ${bound} again`;
			expectExplained(bound, ['mount', `${bound} is mounted with dax=never`, remedy]);
			sh(`mount -t tmpfs cover ${mountPoint}`);
			expectExplained(mountPoint, ['file system', 'tmpfs', 'ext4 or XFS']);
			// The open file is below the cover.
			expect(inspect(`/proc/self/fd/${fd}`).mount).toMatchObject({ fsType: 'ext4', mountPoint });
			expect(findDaxMounts({ all: true }).map((found) => found.mountPoint)).not.toContain(mountPoint);
		} finally {
			closeSync(fd);
			sh(`umount ${mountPoint} ${bound}`);
		}
	});
});

test('a path into another mount namespace is that file, though another has its name here', async () => {
	sh(`${mkfs.ext4} ${scratch}`);
	const mountPoint = mkdtempSync('/mnt/there-');
	writeFileSync(join(mountPoint, 'file'), 'here');
	const script = `mount -o dax=inode ${scratch} ${mountPoint} && echo x >${mountPoint}/file && echo mounted && exec cat`;
	const there = spawn('sh', ['-c', `exec unshare -m sh -c '${script}'`], { stdio: ['pipe', 'pipe', 'inherit'] });
	try {
		await once(there.stdout, 'data');
		const path = join(`/proc/${there.pid}/root`, mountPoint, 'file');
		expect(setDaxFlag(path, true)).toMatchObject({ flag: true, effective: true });
		expect(inspect(path)).toMatchObject({
			dax: true,
			file: { realPath: path, flag: true },
			mapSync: { supported: true },
		});
		expectExplained(path, undefined);
	} finally {
		there.stdin.end();
		await once(there, 'close');
		rmSync(mountPoint, { recursive: true });
	}
});

test('a user who may not read the file is told what can be told', () => {
	made(scratch, mkfs.ext4, 'dax=inode', (mountPoint) => {
		const { file, directory } = populated(mountPoint);
		setDaxFlag(directory, true);
		sh(`chmod 600 ${file} && chmod 755 ${directory}`);
		const user = process.geteuid!();
		process.seteuid!(65534);
		try {
			expect(inspect(file).file).toMatchObject({ flag: undefined, xflags: undefined, xflagsError: 'EACCES' });
			expectExplained(file, ['state', 'its DAX flag decides, but this user cannot read it', 'run this as its owner']);
			expect(inspect(directory)).toMatchObject({ dax: true, newFile: { dax: undefined, error: 'EACCES' } });
		} finally {
			process.seteuid!(user);
		}
		sh(`chmod 711 ${directory}`);
		process.seteuid!(65534);
		try {
			expect(explain(directory)).toMatchObject({
				dax: undefined,
				reason: 'the DAX flag of the directory decides, but it cannot be read',
				remedy: expect.stringContaining('as root'),
			});
		} finally {
			process.seteuid!(user);
		}
	});
});

test('what is no file: a block device, a character device', () => {
	expectExplained(scratch, ['path', 'it is a block device', 'a file or a directory']);
	expect(inspect(scratch)).toMatchObject({
		device: { name: scratch.slice('/dev/'.length), dax: true },
		namespace: { mode: 'fsdax' },
	});
	expectExplained('/dev/null', ['path', 'neither a file nor a directory']);
});
