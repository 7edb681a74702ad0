// Links that this machine's kernel and devices do not have. Each test changes one thing in the report of a real
// directory. test/guest/explain.test.ts makes the other situations for real.
import {
	type DaxDevice,
	type DaxKnownBy,
	type DaxMode,
	type DaxMountReport,
	type DaxReport,
	inspect,
} from 'daxkind/dax';
import { describe, expect, test } from 'vitest';
import { explainReport } from '#lib/dax/explain.js';
import { stateOf } from '#lib/dax/state.js';
import { testDirectory } from '../helpers/directory.ts';

/** A report as of a directory on an ext4 on a pmem device, with everything right. */
function onDax(): DaxReport {
	const report = inspect(testDirectory());
	const mount = {
		...report.mount!,
		fsType: 'ext4',
		driver: 'ext4',
		source: '/dev/pmem0',
		mountPoint: '/mnt/pmem0',
		superOptions: ['rw', 'dax=always'],
		daxOption: 'dax=always',
		mode: 'always' as const,
		effectiveMode: 'always' as const,
		byFlag: true,
		mounts: [{ mountPoint: '/mnt/pmem0', root: '/' }],
		rivals: [],
	};
	const layers = [{ type: 'disk' as const, name: 'pmem0', dax: true }];
	return {
		...report,
		dax: true,
		knownBy: 'statx',
		newFile: { dax: true, error: undefined },
		mount,
		fileSystem: { blockSize: report.kernel.pageSize, allocationUnit: 2 ** 21 },
		device: {
			name: 'pmem0',
			major: 259,
			minor: 0,
			disk: 'pmem0',
			dax: true,
			size: 2 ** 30,
			partition: undefined,
			logicalSector: 512,
			physicalSector: 4096,
			layers,
			sysfs: '/sys/devices/platform/e820_pmem/ndbus0/region0/namespace0.0/block/pmem0',
		},
		mapSync: { supported: true, tried: 'a temporary file', error: undefined },
		hugePages: { possible: true, pieces: undefined, mappable: undefined, extents: undefined, obstacles: [] },
	};
}

const broken = (report: DaxReport) => explainReport(report).checks.filter(({ verdict }) => verdict === 'broken');

test('with everything right nothing is broken, and there is nothing to fix', () => {
	const { dax, reason, remedy, mapSyncRefusal, checks } = explainReport(onDax());
	expect({ dax, reason, remedy, mapSyncRefusal }).toEqual({ dax: true });
	expect(new Set(checks.map(({ verdict }) => verdict))).toEqual(new Set(['ok']));
});

test('the links come in the order of the chain; the first broken one is the reason, and those behind it are not reached', () => {
	const report = onDax();
	report.dax = false;
	report.newFile = { dax: false, error: undefined };
	report.mount = { ...report.mount!, daxOption: 'dax=never', mode: 'never', effectiveMode: 'never' };
	report.fileSystem.blockSize = 1024;
	report.device!.partition = { number: 1, start: 512 };
	const { reason, mapSyncRefusal, checks } = explainReport(report);
	expect(broken(report).map(({ link }) => link)).toEqual(['partition']);
	const behind = checks.filter(({ verdict }) => verdict === 'not reached');
	expect(behind.map(({ link }) => link)).toEqual(['block size', 'mount', 'state']);
	// They still say what they found, but they give no remedy, which would be in vain.
	expect(behind.map(({ finding }) => finding)).toEqual([
		expect.stringContaining('blocks are 1024 bytes'),
		expect.stringContaining('dax=never'),
		expect.stringContaining('not on DAX'),
	]);
	expect(behind.filter((check) => 'remedy' in check)).toEqual([]);
	expect(reason).toContain('begins at byte 512 of its disk');
	expect(mapSyncRefusal).toBe(reason);
});

test('what the kernel has put on DAX is on DAX, whatever a rule says', () => {
	const report = onDax();
	report.mount = { ...report.mount!, daxOption: 'dax=never', mode: 'never', effectiveMode: 'never' };
	const { dax, reason, checks } = explainReport(report);
	expect({ dax, reason }).toEqual({ dax: true, reason: undefined });
	expect(checks).toContainEqual(expect.objectContaining({ link: 'mount', verdict: 'warning' }));
});

test('on a disk without DAX the flag is not to be set', () => {
	const report = byFlag(false);
	report.device = { ...report.device!, dax: false, layers: [{ type: 'disk', name: 'sda', dax: false }] };
	report.mount!.effectiveMode = 'unsupported';
	expect(broken(report).map(({ link }) => link)).toEqual(['device']);
	expect(JSON.stringify(explainReport(report))).not.toContain('chattr +x');
});

/** A report as from a kernel before 5.8, or where statx is refused. */
function unreported(perFileDax: false | undefined, dax: boolean | undefined, knownBy?: DaxKnownBy): DaxReport {
	const report = onDax();
	const refusal = perFileDax === undefined ? 'EPERM' : undefined;
	report.file = { ...report.file, refusal };
	report.kernel = { ...report.kernel, perFileDax };
	return { ...report, dax, knownBy, newFile: { dax: undefined, error: undefined } };
}

test('a state that the kernel does not report is said to be known by MAP_SYNC, or by the mount', () => {
	const stateBy = (knownBy: DaxKnownBy) =>
		explainReport(unreported(false, true, knownBy)).checks.find(({ link }) => link === 'state');
	expect(stateBy('MAP_SYNC')).toMatchObject({
		verdict: 'ok',
		finding: expect.stringMatching(/MAP_SYNC proves that .* is on DAX; this kernel does not report it/),
		evidence: [
			{ value: 'not reported', source: 'statx of a nameless file made in it' },
			{ value: 'accepted', source: 'mmap(MAP_SYNC) of a temporary file' },
		],
	});
	expect(stateBy('rules')).toMatchObject({
		verdict: 'ok',
		finding: expect.stringMatching(/^the mount shows that .* is on DAX/),
	});
});

test.each([
	['a kernel that does not report it', false, 'this kernel does not report it', 'Linux 5.8'],
	['a sandbox that refuses statx', undefined, 'statx would report it, but is refused', 'seccomp profile'],
] as const)('by %s, and nothing else that tells, the state is not known', (_, perFileDax, reason, remedy) => {
	const report = unreported(perFileDax, undefined);
	report.mapSync = { supported: false, tried: 'a temporary file', error: 'ENOTSUP' };
	expect(broken(report)).toEqual([]);
	expect(explainReport(report)).toMatchObject({
		dax: undefined,
		reason: expect.stringContaining(reason),
		remedy: expect.stringContaining(remedy),
	});
});

test.each([false, undefined] as const)(
	'remedies are of the kernel that there is, where perFileDax is %s',
	(perFileDax) => {
		for (const fsType of ['ext4', 'xfs']) {
			const report = unreported(perFileDax, false, 'rules');
			report.file = { ...report.file, flag: false, xflags: 0, xflagsError: undefined };
			const mode = perFileDax === false ? 'never' : 'inode';
			report.mount = { ...report.mount!, fsType, driver: fsType, daxOption: undefined, mode, effectiveMode: mode };
			const { remedy } = explainReport(report);
			expect(remedy).toContain('umount /mnt/pmem0 && mount -o dax /dev/pmem0 /mnt/pmem0');
			expect(JSON.stringify(explainReport(report))).not.toMatch(/dax=always|chattr/);
			if (fsType === 'xfs') expect(remedy).toContain('only if it was made with -m reflink=0');
		}
	},
);

test('on a partition an XFS is put on DAX by the flag; dax=always is refused if it shares blocks', () => {
	const report = byFlag(false);
	report.mount = { ...report.mount!, fsType: 'xfs', driver: 'xfs' };
	report.device!.partition = { number: 1, start: 2 ** 22 };
	expect(explainReport(report).remedy).toBe('daxkind chattr +x /mnt/pmem0/f');
	report.mount = { ...report.mount!, daxOption: 'dax=never', mode: 'never', effectiveMode: 'never' };
	expect(explainReport(report).remedy).toMatch(
		/^umount \S+ && mount -o dax=inode .*, then daxkind chattr \+x \/mnt\/pmem0\/f; or use dax=always: on a partition, .* reflink=0$/,
	);
});

test.each([
	['fsdax, whose queue has no DAX', 'fsdax', 'ACPI.NFIT', 'in fsdax mode, but cannot do DAX'],
	['e820, which the kernel calls raw', 'raw', 'e820', 'this kernel does not make them'],
] as const)(
	'a namespace without page structures (%s) needs another kernel, not another device',
	(_, mode, provider, reason) => {
		const report = byFlag(true);
		report.device = { ...report.device!, dax: false, layers: [{ type: 'disk', name: 'pmem0', dax: false }] };
		report.namespace = { name: 'namespace0.0', mode, size: undefined, align: undefined, start: undefined };
		const region = {
			name: 'region0',
			provider,
			persistenceDomain: undefined,
			asynchronous: undefined,
			readOnly: false,
		};
		report.region = { ...region, numaNode: undefined, align: undefined, size: undefined };
		expect(explainReport(report)).toMatchObject({
			reason: expect.stringContaining(reason),
			remedy: expect.stringMatching(/CONFIG_ZONE_DEVICE and CONFIG_FS_DAX/),
		});
		expect(explainReport(report).remedy).not.toMatch(/ndctl|persistent-memory device/);
	},
);

test('a flag that a sandbox does not let be read is the matter of the sandbox', () => {
	const report = byFlag(false);
	report.file = { ...report.file, flag: undefined, xflags: undefined, xflagsError: 'EPERM' };
	expect(explainReport(report).remedy).toContain('allow ioctl (FS_IOC_FSGETXATTR)');
});

/** A report as of a device-DAX node. */
function node(given: Partial<DaxDevice>): DaxReport {
	const report = onDax();
	delete report.newFile;
	delete report.mount;
	delete report.device;
	report.file = { ...report.file, type: 'character device', realPath: '/dev/dax0.0' };
	const known = { driver: 'device_dax', targetNode: 1, size: 2 ** 30, align: 2 ** 21 };
	const device = { name: 'dax0.0', mode: 'devdax', namespace: 'namespace0.0', ...known, ...given };
	report.daxDevice = device as DaxDevice;
	return { ...report, ...stateOf(report) };
}

test.each<[string, Partial<DaxDevice>, boolean | undefined, RegExp, RegExp | undefined]>([
	['an nvdimm', {}, true, /not a file of a file system: .*always access it directly/, /-e namespace0\.0 --mode=fsdax$/],
	[
		'CXL memory',
		{ namespace: undefined },
		true,
		/not a file of a file system/,
		/^it is not an nvdimm namespace.*system-ram dax0\.0$/,
	],
	['system RAM', { mode: 'system-ram', driver: 'kmem' }, false, /system RAM of NUMA node 1/, /--mode=devdax dax0\.0$/],
	['no driver', { mode: 'disabled', driver: undefined }, false, /without a driver/, /enable-device dax0\.0$/],
	['no sysfs', { mode: 'unknown', driver: undefined }, undefined, /sysfs does not say/, undefined],
])('a device-DAX node of %s is on DAX by its driver, whoever has opened it', (_, device, dax, finding, remedy) => {
	const opened = node(device);
	opened.file = { ...opened.file, dax: true };
	for (const report of [node(device), { ...opened, ...stateOf(opened) }]) {
		const explanation = explainReport(report);
		expect(explanation.dax).toBe(dax);
		expect(explanation.checks[0]).toMatchObject({ link: 'path', finding: expect.stringMatching(finding) });
		expect(explanation.checks[0]!.remedy ?? '').toMatch(remedy ?? /^$/);
		expect(explanation.checks.slice(1).filter(({ verdict }) => verdict !== 'ok')).toEqual([]);
	}
});

describe('what follows where the state is not reported', () => {
	/** A report as of a file where MAP_SYNC was refused. */
	function facts(given: Partial<DaxMountReport>, flag: boolean | undefined, perFileDax?: boolean): DaxReport {
		const report = byFlag(flag as boolean);
		report.file.dax = undefined;
		report.kernel = { ...report.kernel, perFileDax };
		report.mapSync = { supported: false, tried: 'the file', error: 'ENOTSUP' };
		report.mount = { ...report.mount!, ...given };
		return report;
	}
	const dax = (report: DaxReport) => stateOf(report).dax;
	const mode = (name: DaxMode) => ({ mode: name, effectiveMode: name });

	test('the mount decides, ext2-style', () => {
		expect(dax(facts(mode('always'), false, false))).toBe(true);
		expect(dax(facts(mode('never'), false, false))).toBe(false);
		expect(dax(facts({ mode: 'always', effectiveMode: undefined }, false, false))).toBeUndefined();
		expect(dax(facts({ mode: 'always', effectiveMode: 'unsupported' }, false, false))).toBe(false);
	});

	test('an accepted MAP_SYNC proves it, whatever the rest says', () => {
		const report = facts(mode('never'), false, false);
		report.mapSync = { supported: true, tried: 'the file', error: undefined };
		expect(stateOf(report)).toEqual({ dax: true, knownBy: 'MAP_SYNC' });
	});

	test('by the flag, a file without it is off, and one with it may be on', () => {
		expect(dax(facts(mode('inode'), false))).toBe(false);
		expect(dax(facts({ mode: 'inode', effectiveMode: undefined }, false))).toBe(false);
		expect(dax(facts(mode('inode'), true))).toBeUndefined();
		expect(dax(facts(mode('inode'), undefined))).toBeUndefined();
		// Linux 4.18 to 5.7.
		expect(dax(facts({ ...mode('never'), fsType: 'xfs' }, true, false))).toBeUndefined();
	});

	test("what excludes DAX does so, and an overlay's files are not known by it", () => {
		const report = facts(mode('always'), false, false);
		report.file.exclusions = ['encryption'];
		expect(dax(report)).toBe(false);
		expect(dax(facts({ ...mode('unsupported'), fsType: 'overlay' }, false))).toBeUndefined();
		expect(dax(facts({ ...mode('unsupported'), fsType: 'tmpfs' }, undefined))).toBe(false);
		const lost = facts({}, false);
		delete lost.mount;
		expect(dax(lost)).toBeUndefined();
	});
});

test('what no rule explains is said to be so', () => {
	const report = onDax();
	report.dax = false;
	report.newFile = { dax: false, error: undefined };
	expect(explainReport(report).reason).toContain('the kernel does not say why');
});

test.each([
	[
		'md',
		// No array of md passes DAX on, whatever its level. Only device-mapper does.
		{ type: 'md', name: 'md0', dax: false, level: 'raid0' },
		'the raid0 array /dev/md0 cannot do DAX',
		'linear or striped volume of LVM',
	],
	[
		'dm',
		{ type: 'device-mapper', name: 'dm-0', dax: false, mapping: 'vg-lv', uuid: 'LVM-x' },
		'/dev/mapper/vg-lv cannot do DAX',
		'linear or striped volume',
	],
] as const)('a layer (%s) over a medium with DAX is what is to be replaced', (_, layer, reason, remedy) => {
	const report = onDax();
	report.dax = false;
	report.newFile = { dax: false, error: undefined };
	report.device = { ...report.device!, dax: false, layers: [layer, ...report.device!.layers] };
	expect(explainReport(report)).toMatchObject({
		reason: expect.stringContaining(reason),
		remedy: expect.stringContaining(remedy),
	});
	expect(explainReport(report).remedy).toContain('/dev/pmem0 below it can do DAX');
});

test('a device of which the kernel says nothing is unknown, not broken', () => {
	const report = onDax();
	report.device = { ...report.device!, dax: undefined };
	expect(explainReport(report).checks).toContainEqual(expect.objectContaining({ link: 'device', verdict: 'unknown' }));
});

test('mkfs fixes blocks in the wrong place only where the file system does not align already', () => {
	const report = onDax();
	report.file.type = 'file';
	report.hugePages = {
		possible: false,
		pieces: 2,
		mappable: 0,
		extents: 1,
		obstacles: ['no piece of 2 MiB of the file'],
	};
	const remedy = () => explainReport(report).checks.find(({ link }) => link === 'huge pages')!.remedy;
	report.fileSystem.allocationUnit = 2 ** 20;
	expect(remedy()).toContain('mkfs.ext4');
	report.fileSystem.allocationUnit = 2 ** 21;
	expect(remedy()).toBeUndefined();
});

test("a share's window that cannot be seen leaves both causes open", () => {
	const report = onDax();
	report.dax = false;
	report.newFile = { dax: false, error: undefined };
	delete report.device;
	report.mount = {
		...report.mount!,
		fsType: 'virtiofs',
		driver: 'virtiofs',
		daxOption: undefined,
		mode: 'inode',
		byFlag: false,
	};
	report.fileSystem = { blockSize: 4096, allocationUnit: 0, daxWindow: undefined };
	expect(explainReport(report).checks).toContainEqual(expect.objectContaining({ link: 'device', verdict: 'unknown' }));
	expect(explainReport(report).reason).toMatch(/no DAX window, or its server/);
	report.fileSystem.daxWindow = true;
	expect(explainReport(report).checks).toContainEqual(expect.objectContaining({ link: 'device', verdict: 'ok' }));
});

test('names that a shell would take apart are quoted in remedies', () => {
	const report = onDax();
	report.dax = false;
	report.newFile = { dax: false, error: undefined };
	const mountPoint = "/mnt/it's mine";
	report.mount = {
		...report.mount!,
		mountPoint,
		daxOption: 'dax=never',
		mode: 'never',
		mounts: [{ mountPoint, root: '/' }],
	};
	expect(explainReport(report).remedy).toContain(
		`umount '/mnt/it'\\''s mine' && mount -o dax=always /dev/pmem0 '/mnt/it'\\''s mine'`,
	);
});

test.each<[string, { fsType?: string; source?: string; superOptions?: string[]; root?: string; at?: string }, string]>([
	['root file system by a boot option', { at: '/' }, 'give the kernel rootflags=dax=always'],
	[
		'part of a file system where the whole of it is mounted',
		{ root: '/volumes/a' },
		'only parts of it are mounted here',
	],
	[
		'virtiofs share by its type',
		{ fsType: 'virtiofs', source: 'share' },
		'umount /mnt/a && mount -t virtiofs -o dax=always share /mnt/a',
	],
	[
		'file system of several devices with all of them',
		{ fsType: 'xfs', superOptions: ['rw', 'dax=never', 'rtdev=/dev/pmem1'] },
		'mount -o dax=always,rtdev=/dev/pmem1 /dev/pmem0 /mnt/a',
	],
])('a remedy mounts a %s', (_, { root = '/', at = '/mnt/a', ...given }, remedy) => {
	const report = onDax();
	report.dax = false;
	report.newFile = { dax: false, error: undefined };
	const mounts = [{ mountPoint: at, root }];
	report.mount = { ...report.mount!, daxOption: 'dax=never', mode: 'never', root, mountPoint: at, mounts, ...given };
	report.fileSystem.daxWindow = true;
	if (report.mount.fsType === 'virtiofs') delete report.device;
	expect(explainReport(report).remedy).toContain(remedy);
});

test('where nothing is known to be broken, what is not known is the reason', () => {
	const report = onDax();
	report.dax = undefined;
	report.newFile = { dax: undefined, error: 'EACCES' };
	report.file = { ...report.file, flag: undefined, xflags: undefined, xflagsError: 'EACCES' };
	report.mount = { ...report.mount!, daxOption: 'dax=inode', mode: 'inode', effectiveMode: 'inode' };
	expect(explainReport(report)).toMatchObject({
		dax: undefined,
		reason: 'the DAX flag of the directory decides, but it cannot be read',
		remedy: 'run this as its owner or as root',
	});
});

test('a file of an ext2 that decides by the flag may as well be mounted with the one option that ext2 takes', () => {
	const report = onDax();
	report.dax = false;
	report.newFile = { dax: false, error: undefined };
	report.file = { ...report.file, flag: false, xflags: 0, xflagsError: undefined };
	report.mount = { ...report.mount!, fsType: 'ext2', daxOption: undefined, mode: 'inode', effectiveMode: 'inode' };
	expect(explainReport(report).remedy).toMatch(/^daxkind chattr \+x .* \(or mount with -o dax\)$/);
});

test('a device that was mounted under a name of the kernel only is named as it is', () => {
	const report = onDax();
	report.dax = false;
	report.newFile = { dax: false, error: undefined };
	report.fileSystem.blockSize = 1024;
	report.mount = { ...report.mount!, source: '/dev/root' };
	expect(explainReport(report).remedy).toMatch(/mkfs\.ext4 -b 4096 \/dev\/pmem0$/);
});

/** A report as of a file whose flag decides. */
function byFlag(flag: boolean): DaxReport {
	const report = onDax();
	delete report.newFile;
	const file = { ...report.file, type: 'file' as const, realPath: '/mnt/pmem0/f', dax: false, flag, exclusions: [] };
	const mount = { ...report.mount!, daxOption: undefined, mode: 'inode' as const, effectiveMode: 'inode' as const };
	return { ...report, dax: false, file, mount };
}

test('on a read-only mount the flag cannot be set before that is changed', () => {
	const report = byFlag(false);
	expect(explainReport(report).remedy).toMatch(/^daxkind chattr \+x \/mnt\/pmem0\/f /);
	report.mount!.options = ['ro'];
	expect(explainReport(report).remedy).toMatch(/^mount -o remount,rw \/mnt\/pmem0 && daxkind chattr \+x /);
});

test('a pending file with several names may wait for the cache of another name', () => {
	const report = byFlag(true);
	report.file.links = 1;
	expect(explainReport(report).reason).not.toContain('names');
	report.file.links = 2;
	expect(explainReport(report).reason).toContain('another of its 2 names cached');
});
