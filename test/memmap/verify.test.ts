// What is said of emulated persistent memory after a boot, on trees that look like those of such machines.
// test/vm/memmap-loops.test.ts asks the kernel itself.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { DaxExplanation } from 'daxkind/dax';
import { planMemmap, readMemoryTable, verifyMemmap } from 'daxkind/memmap';
import { describe, expect, test } from 'vitest';
import type { Asking } from '#lib/memmap/verify/use.js';
import { verifyIn } from '#lib/memmap/verify/verify.js';
import { GIB, MIB } from '#lib/size.js';
import { treeAt } from '#lib/tree.js';
import { emulated, iomemWith, mountOf, region } from '../helpers/emulated.ts';
import { debian } from '../helpers/machines.ts';
import { firmware } from '../helpers/memory-table.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { type Entries, makeTree } from '../helpers/tree.ts';

const onDax: DaxExplanation = { path: '/mnt/pmem0', dax: true, checks: [] };

interface Look extends Partial<Asking> {
	plan?: Parameters<typeof verifyMemmap>[0];
	/** Files and directories that are removed. */
	without?: string[];
}

function look(others: Entries = {}, { plan: wanted, without = [], ...asking }: Look = {}) {
	const root = makeTree(temporaryDirectory(), emulated(others));
	for (const path of without) rmSync(join(root, path), { recursive: true });
	const answers: Asking = {
		contentOf: () => ({ type: undefined, isKnown: true }),
		explain: (path) => ({ ...onDax, path }),
		...asking,
	};
	return verifyIn(treeAt(root), wanted, answers);
}

const notMounted = { '/proc/self/mountinfo': '24 1 8:1 / / rw - ext4 /dev/sda1 rw' };
const verdicts = ({ checks }: ReturnType<typeof look>) => checks.map(({ link, verdict }) => `${link}: ${verdict}`);
const last = ({ checks }: ReturnType<typeof look>) => checks.at(-1);

test('a machine with everything in order has no broken link', () => {
	const found = look();
	expect(found).toMatchObject({
		ok: true,
		argument: 'memmap=2G!4G',
		devices: [
			{
				entry: '2G!4G',
				start: 4 * GIB,
				size: 2 * GIB,
				region: 'region0',
				namespace: 'namespace0.0',
				device: '/dev/pmem0',
				fileSystem: 'ext4',
				mountPoint: '/mnt/pmem0',
				dax: true,
				format: [],
			},
		],
	});
	expect(found).not.toHaveProperty('reason');
	expect(found).not.toHaveProperty('remedy');
	expect(verdicts(found)).toEqual(
		[
			...['command line', 'memory', 'range', 'KASLR', 'driver', 'region', 'namespace', 'device', 'alignment'],
			...['file system', 'mount', 'DAX'],
		].map((link) => `${link}: ok`),
	);
	for (const { evidence } of found.checks) expect(evidence).not.toEqual([]);
});

test('a plan, or its argument, is what is looked for', () => {
	const table = readMemoryTable({ root: makeTree(temporaryDirectory(), firmware) });
	expect(look({}, { plan: planMemmap(table, { size: 2 * GIB }) })).toMatchObject({
		ok: true,
		argument: 'memmap=2G!4G',
	});
	expect(look({}, { plan: 'memmap=2048M!0x100000000 nokaslr' })).toMatchObject({ ok: true, argument: 'memmap=2G!4G' });
	expect(look({}, { plan: 'memmap=1G!4G' })).toMatchObject({
		ok: false,
		reason: "memmap=1G!4G is not on the kernel's command line",
		remedy: "daxkind memmap apply 'memmap=1G!4G'",
	});
});

test.each([
	[7, 'ERR_INVALID_ARG_TYPE'],
	[{}, 'ERR_INVALID_ARG_TYPE'],
	[null, 'ERR_INVALID_ARG_TYPE'],
	['', 'ERR_INVALID_ARG_VALUE'],
	['quiet', 'ERR_INVALID_ARG_VALUE'],
	['memmap=1G$4G', 'ERR_INVALID_ARG_VALUE'],
	[{ regions: [] }, 'ERR_INVALID_ARG_VALUE'],
])('%j is no plan', (wanted, code) => {
	expect(() => verifyMemmap(wanted as never)).toThrow(expect.objectContaining({ code }));
});

describe('the command line', () => {
	test('has nothing of it', () => {
		const found = look({ '/proc/cmdline': 'root=/dev/sda1 quiet' });
		expect(found).toMatchObject({ ok: false, argument: undefined, devices: [] });
		expect(found.reason).toBe("there is no memmap=SIZE!START on the kernel's command line");
		expect(found.remedy).toMatch('daxkind memmap plan');
	});

	test('will have it after the next boot', () => {
		const path = '/etc/default/grub.d/zz-daxkind-memmap.cfg';
		const text = 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX memmap=2G!4G nokaslr"';
		const found = look({ ...debian, '/proc/cmdline': 'root=/dev/sda1 quiet', [path]: text });
		expect(found).toMatchObject({
			ok: false,
			argument: 'memmap=2G!4G',
			remedy: expect.stringMatching(/update-grub; then reboot$/),
		});
		expect(found.checks).toEqual([
			expect.objectContaining({
				link: 'command line',
				evidence: expect.arrayContaining([{ value: 'memmap=2G!4G nokaslr', source: path }]),
			}),
		]);
	});

	test('has lost the ! and what is behind it', () => {
		const found = look({ '/proc/cmdline': 'memmap=2G nokaslr' }, { plan: 'memmap=2G!4G' });
		expect(found.reason).toMatch(/^only memmap=2G of memmap=2G!4G reached the kernel, and it limits the memory/);
	});

	test('cannot be read', () => {
		const found = look({}, { plan: 'memmap=2G!4G', without: ['/proc/cmdline'] });
		expect(verdicts(found)[0]).toBe('command line: unknown');
		expect(found.ok).toBe(true);
	});
});

describe('a range that is no good', () => {
	const booted = (entry: string, start: number, size: number) =>
		look({
			'/proc/cmdline': `memmap=${entry}`,
			'/proc/iomem': iomemWith([[start, start + size]]),
			...region({ number: 0, start, size }),
		});

	test('over the hole below 4 GiB', () => {
		const found = booted('1G!2560M', 2560 * MIB, GIB);
		expect(found).toMatchObject({ ok: false });
		expect(found.reason).toBe(
			"1G!2560M must not be used: 513 MiB of it are not usable memory in the firmware's table: 0xbff80000-0xdfffffff is in no row, and 2 more",
		);
		expect(found.remedy).toMatch(/^take memmap=1G!2560M off the command line/);
		expect(last(found)).toMatchObject({ link: 'memory', verdict: 'broken' });
	});

	test('beyond the end of memory', () => {
		const found = booted('1G!9G', 9 * GIB, GIB);
		expect(found.reason).toBe(
			"1G!9G must not be used: 1 GiB of it is not usable memory in the firmware's table: 0x240000000-0x27fffffff is in no row",
		);
	});

	test('overlapping another', () => {
		const found = look({ '/proc/cmdline': 'memmap=2G!4G memmap=1G!5G' });
		expect(found.reason).toBe('2G!4G overlaps memmap=1G!5G, and the kernel makes regions of the parts');
		expect(found.checks.filter(({ verdict }) => verdict === 'broken')).toHaveLength(2);
	});

	test('which the kernel does not show', () => {
		const found = look({}, { without: ['/sys/firmware'] });
		expect(verdicts(found)[1]).toBe('memory: unknown');
		expect(found.ok).toBe(true);
	});

	test('misaligned', () => {
		const found = look(
			{
				'/proc/cmdline': 'memmap=1G!4097M',
				'/proc/iomem': iomemWith([[4 * GIB + MIB, 5 * GIB + MIB]]),
				...region({ number: 0, start: 4 * GIB + MIB, size: GIB }),
			},
			{ without: ['/sys/devices/platform/e820_pmem/ndbus0/region0/namespace0.0/driver'] },
		);
		expect(found.reason).toBe(
			'namespace0.0 is disabled, because the kernel cannot map it: it begins at 4097M, which is not a multiple of 2 MiB',
		);
	});
});

describe('what the kernel made of it', () => {
	test('the kernel made no region: the link is broken', () => {
		const found = look({ '/proc/iomem': iomemWith([]) });
		expect(found.reason).toBe('the kernel did not make 2G!4G persistent memory');
	});

	test('a region that KASLR has split is reported as damaged', () => {
		const parts = iomemWith([
			[4 * GIB, 5 * GIB],
			[5 * GIB + 64 * MIB, 6 * GIB],
		]);
		const kernel = '\n140000000-143ffffff : System RAM\n  140000000-1417fffff : Kernel code';
		const found = look({ '/proc/cmdline': 'memmap=2G!4G', '/proc/iomem': `${parts}${kernel}` });
		expect(found.reason).toBe('KASLR put the running kernel into 2G!4G, so only parts of that range are left');
		expect(found.remedy).toBe("daxkind memmap apply 'memmap=2G!4G nokaslr'");
	});

	test('is for root to see', () => {
		const hidden = '00000000-00000000 : System RAM\n00000000-00000000 : Persistent Memory (legacy)';
		const found = look(
			{ '/proc/iomem': hidden, ...region({ number: 0, start: 4 * GIB, size: 2 * GIB }) },
			{ without: ['/sys/devices/platform/e820_pmem/ndbus0/region0/resource'] },
		);
		expect(found.ok).toBe(true);
		expect(verdicts(found)).toEqual(expect.arrayContaining(['range: unknown', 'region: ok', 'DAX: ok']));
	});
});

test('KASLR may put the kernel into it at the next boot', () => {
	const found = look({ '/proc/cmdline': 'memmap=2G!4G' });
	expect(found.ok).toBe(true);
	expect(found.checks.find(({ link }) => link === 'KASLR')).toMatchObject({
		verdict: 'warning',
		remedy: "daxkind memmap apply 'memmap=2G!4G nokaslr'",
	});
});

describe('drivers', () => {
	const without = ['/sys/bus/platform/drivers/e820_pmem'];
	const modules = (text: string): Entries => ({ '/lib/modules/6.1.0-1-amd64/modules.dep': text });

	test('a driver that is not loaded is the broken link', () => {
		const found = look(modules('kernel/drivers/nvdimm/nd_e820.ko.xz: kernel/drivers/nvdimm/libnvdimm.ko.xz'), {
			without,
		});
		expect(found).toMatchObject({ reason: "the kernel's driver nd_e820 is not loaded", remedy: 'modprobe nd_e820' });
	});

	test('not built', () => {
		const found = look(modules('kernel/drivers/nvdimm/libnvdimm.ko:'), { without });
		expect(found).toMatchObject({
			reason: 'the running kernel was built without nd_e820, which makes regions of such memory',
			remedy: 'boot a kernel with CONFIG_X86_PMEM_LEGACY',
		});
		expect(found.checks.some(({ link }) => link === 'region')).toBe(false);
	});

	test('hidden from a container', () => {
		expect(verdicts(look({}, { without }))).toContain('driver: unknown');
	});
});

describe('the region and its namespace', () => {
	const plain = { number: 0, start: 4 * GIB, size: 2 * GIB };
	const directory = '/sys/devices/platform/e820_pmem/ndbus0/region0';

	test('a missing region is the broken link', () => {
		expect(look({}, { without: ['/sys/bus/nd/devices'] }).reason).toBe('the kernel made no region of 2G!4G');
	});

	test('of another size', () => {
		const found = look(region({ ...plain, size: GIB }));
		expect(found.reason).toBe("the kernel's region0 has another size than 2G!4G: 1 GiB");
	});

	test('disabled', () => {
		const found = look({}, { without: [`${directory}/driver`] });
		expect(found).toMatchObject({ reason: 'region0 is disabled', remedy: 'ndctl enable-region region0' });
	});

	test('no namespace', () => {
		expect(look({}, { without: [`${directory}/namespace0.0`] }).reason).toBe('region0 has no namespace');
	});

	test('a disabled namespace', () => {
		const found = look({}, { without: [`${directory}/namespace0.0/driver`] });
		expect(found).toMatchObject({
			reason: 'namespace0.0 is disabled',
			remedy: 'ndctl enable-namespace namespace0.0',
		});
	});

	test('that ndctl made fsdax, with less space', () => {
		const found = look(
			{ ...region({ ...plain, holder: 'pfn', diskSize: 2 * GIB - 64 * MIB }) },
			{ without: [`${directory}/namespace0.0/driver`, `${directory}/namespace0.0/block`] },
		);
		expect(found.ok).toBe(true);
		expect(found.checks.find(({ link }) => link === 'device')).toMatchObject({
			verdict: 'ok',
			finding: expect.stringMatching(/information block/),
		});
	});

	test('that ndctl made devdax, which needs no file system', () => {
		const found = look({ ...region({ ...plain, holder: 'dax' }), ...notMounted });
		expect(found).toMatchObject({ ok: true, devices: [{ device: '/dev/dax0.0', dax: true, mountPoint: undefined }] });
		expect(verdicts(found).at(-1)).toBe('alignment: ok');
	});

	test('that ndctl made sector, which has no DAX', () => {
		const found = look({ ...region({ ...plain, holder: 'btt' }) });
		expect(found).toMatchObject({ ok: false, reason: 'namespace0.0 is in sector mode, which has no DAX' });
	});

	test('no node in /dev', () => {
		expect(look({}, { without: ['/dev/pmem0'] }).reason).toMatch(/there is no node \/dev\/pmem0, as in a container/);
	});
});

describe('the disk', () => {
	test('has no file system: the commands that make and mount one are given', () => {
		const found = look(notMounted);
		expect(found).toMatchObject({ ok: false, reason: '/dev/pmem0 has no file system' });
		const [{ format }] = found.devices as [(typeof found.devices)[0]];
		expect(format.map(({ fileSystem }) => fileSystem)).toEqual(['ext4', 'xfs']);
		expect(format[0]).toEqual({
			fileSystem: 'ext4',
			mkfs: found.remedy,
			mount: expect.stringMatching(/^mkdir -p \/mnt\/pmem0 && mount -o dax(=always)? \/dev\/pmem0 \/mnt\/pmem0$/),
		});
		expect(format[1]!.mkfs).toBe('mkfs.xfs -b size=4096 -d su=2m,sw=1 /dev/pmem0');
	});

	test('holds what has no DAX', () => {
		const found = look(notMounted, { contentOf: () => ({ type: 'btrfs', isKnown: true }) });
		expect(found.reason).toBe('/dev/pmem0 holds btrfs, which is not a file system for DAX');
		expect(found.remedy).toMatch(/^mkfs\.ext4 .*, which destroys its contents$/);
		expect(found.devices[0]!.format[1]!.mkfs).toBe('mkfs.xfs -b size=4096 -d su=2m,sw=1 -f /dev/pmem0');
	});

	test('is not mounted', () => {
		const found = look(notMounted, { contentOf: () => ({ type: 'xfs', isKnown: true }) });
		expect(found).toMatchObject({
			reason: '/dev/pmem0 is not mounted',
			devices: [{ fileSystem: 'xfs', dax: undefined }],
		});
		expect(found.remedy).toMatch(/^mkdir -p \/mnt\/pmem0 && mount/);
	});

	test('is for root to see', () => {
		const found = look(notMounted, { contentOf: () => ({ type: undefined, isKnown: false }) });
		expect(found).toMatchObject({
			ok: undefined,
			reason: 'only root can see what is on /dev/pmem0',
			remedy: 'run as root',
		});
	});

	test('is mounted without DAX', () => {
		const explain = (path: string): DaxExplanation => ({
			path,
			dax: false,
			reason: 'it is mounted with dax=never',
			remedy: 'umount it',
			checks: [],
		});
		expect(look({}, { explain })).toMatchObject({
			ok: false,
			reason: '/mnt/pmem0 is not on DAX: it is mounted with dax=never',
			remedy: 'umount it',
		});
	});

	test.each<[string, string, Look]>([
		['is not there', 'ENOENT', { without: ['/proc/self/mountinfo'] }],
		['is empty', 'ENODATA', {}],
	])('may be mounted, if the table of mounts %s, so no command is given that would format it', (_, value, how) => {
		const found = look({ '/proc/self/mountinfo': '' }, how);
		const reason = 'it is not known whether /dev/pmem0 is mounted, because the table of mounts cannot be read';
		expect(found).toMatchObject({ ok: undefined, reason, devices: [{ device: '/dev/pmem0', format: [] }] });
		expect(last(found)).toMatchObject({ link: 'mount', evidence: [{ value, source: '/proc/self/mountinfo' }] });
	});

	test('is mounted where nobody can look', () => {
		expect(look({}, { explain: () => undefined })).toMatchObject({ ok: undefined, devices: [{ dax: undefined }] });
	});

	test('has a partition, and a volume on that, with a file system each', () => {
		const found = look({
			'/sys/class/block/pmem0/pmem0p1/partition': '1',
			'/sys/class/block/pmem0p1/dev': '259:9',
			'/sys/class/block/pmem0p1/holders/dm-0/x': '',
			'/sys/class/block/dm-0/dev': '254:0',
			'/proc/self/mountinfo': '40 24 254:0 / /srv rw - xfs /dev/mapper/v rw',
		});
		expect(found).toMatchObject({ ok: true, devices: [{ fileSystem: 'xfs', mountPoint: '/srv' }] });
	});

	test('is mounted in several places: one with DAX counts', () => {
		const explain = (path: string): DaxExplanation => ({ path, dax: path === '/b', reason: 'no', checks: [] });
		const found = look({ '/proc/self/mountinfo': `${mountOf(0, '/a')}\n${mountOf(0, '/b')}` }, { explain });
		expect(found).toMatchObject({ ok: true, devices: [{ mountPoint: '/b' }] });
	});
});

test('two namespaces: each has its links, and the first broken one is the answer', () => {
	const two: Entries = {
		'/proc/cmdline': 'memmap=1G!6G,2G!4G nokaslr',
		'/proc/iomem': iomemWith([
			[4 * GIB, 6 * GIB],
			[6 * GIB, 7 * GIB],
		]),
		...region({ number: 1, start: 6 * GIB, size: GIB }),
	};
	const both = { '/proc/self/mountinfo': `${mountOf(0)}\n${mountOf(1)}` };
	expect(look({ ...two, ...both })).toMatchObject({
		ok: true,
		argument: 'memmap=2G!4G memmap=1G!6G',
		devices: [{ device: '/dev/pmem0' }, { device: '/dev/pmem1', region: 'region1' }],
	});
	const found = look(two);
	expect(found).toMatchObject({ ok: false, reason: '/dev/pmem1 has no file system' });
	expect(verdicts(found).slice(-4)).toEqual(['file system: ok', 'file system: broken', 'mount: ok', 'DAX: ok']);
});

test('without a root it verifies this machine and never throws', () => {
	const { ok, checks, argument } = verifyMemmap('memmap=16M!65535G');
	expect(argument).toBe('memmap=16M!65535G');
	expect(ok).toBe(false);
	expect(checks[0]).toMatchObject({ link: 'command line', verdict: 'broken' });
});
