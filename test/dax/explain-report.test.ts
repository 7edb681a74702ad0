// Links that this machine's kernel and devices do not have: reports of a real directory with one thing changed. The rest is made for real
// in test/vm/explain.test.ts.
import { type DaxReport, inspect } from 'daxkind/dax';
import { expect, test } from 'vitest';
import { explainReport } from '#lib/dax/explain.js';
import { testDirectory } from '../helpers/directory.ts';

/** As a directory of an ext4 on a pmem device with everything right. */
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

test('with everything right nothing is broken, and there is nothing to mend', () => {
	const { dax, reason, remedy, mapSyncRefusal, checks } = explainReport(onDax());
	expect({ dax, reason, remedy, mapSyncRefusal }).toEqual({ dax: true });
	expect(new Set(checks.map(({ verdict }) => verdict))).toEqual(new Set(['ok']));
});

test('the links come in the order of the chain, and the first broken one is the reason', () => {
	const report = onDax();
	report.dax = false;
	report.newFile = { dax: false, error: undefined };
	report.mount = { ...report.mount!, daxOption: 'dax=never', mode: 'never', effectiveMode: 'never' };
	report.fileSystem.blockSize = 1024;
	report.device!.partition = { number: 1, start: 512 };
	const { reason, mapSyncRefusal } = explainReport(report);
	expect(broken(report).map(({ link }) => link)).toEqual(['partition', 'block size', 'mount', 'state']);
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

test('a kernel that does not report DAX of files is the reason', () => {
	const report = onDax();
	report.dax = false;
	report.newFile = { dax: undefined, error: undefined };
	expect(broken(report)).toMatchObject([
		{ link: 'state', finding: expect.stringContaining('Linux 5.8'), remedy: 'use a newer kernel' },
	]);
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
		// No array of md does, whatever its level: only device-mapper passes DAX on.
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

test('blocks in the wrong place are mended by mkfs only where the file system does not align already', () => {
	const report = onDax();
	report.file.type = 'file';
	report.hugePages = { possible: false, pieces: 2, mappable: 0, extents: 1, obstacles: ['none of its blocks'] };
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
	report.dax = false;
	report.newFile = { dax: undefined, error: 'EACCES' };
	report.file = { ...report.file, flag: undefined, xflags: undefined, xflagsError: 'EACCES' };
	report.mount = { ...report.mount!, daxOption: 'dax=inode', mode: 'inode', effectiveMode: 'inode' };
	expect(explainReport(report)).toMatchObject({
		dax: false,
		reason: 'the DAX flag of the directory, which decides, cannot be read',
		remedy: 'ask as its owner, or as root',
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

/** A file in the flag's hands. */
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
