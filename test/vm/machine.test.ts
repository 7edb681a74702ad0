import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { GIB, MIB } from '#lib/size.js';
import { readVerdict } from '#lib/vm/accelerator.js';
import { cacheDirectory, makeDirectories } from '#lib/vm/cache.js';
import { cpioArchive } from '#lib/vm/cpio.js';
import { findFirmware } from '#lib/vm/firmware.js';
import { missingVmPackages, vmRequirements } from '#lib/vm/index.js';
import { planLayout } from '#lib/vm/layout.js';
import { isStaticElf, virtiofsdPackage } from '#lib/vm/programs.js';
import { qemuArguments } from '#lib/vm/qemu.js';

describe('qemuArguments', () => {
	const machine = {
		cpus: 2,
		layout: planLayout(4 * GIB, [512 * MIB]),
		kernel: '/k',
		initramfs: '/i',
		verbose: false,
	};
	const value = (args: string[], name: string) => args[args.indexOf(name) + 1];

	test('gives the guest the planned memory and tells the kernel which of it is pmem', () => {
		const args = qemuArguments({ ...machine, accelerator: 'tcg' });
		expect(value(args, '-m')).toBe('4616M');
		expect(value(args, '-machine')).toBe(`pc,max-ram-below-4g=${3 * GIB}`);
		expect(value(args, '-append')).toContain('memmap=512M!4G');
	});

	test('plugs in nvdimms with labels, and virtio-pmem whose memory has a descriptor to flush', () => {
		const layout = planLayout(4 * GIB, [], { nvdimm: [64 * MIB], virtioPmem: [32 * MIB] });
		const args = qemuArguments({ ...machine, layout, accelerator: 'tcg' });
		expect(value(args, '-machine')).toContain(',nvdimm=on,nvdimm-persistence=mem-ctrl');
		const saving = qemuArguments({ ...machine, layout, eadr: true, accelerator: 'tcg' });
		expect(value(saving, '-machine')).toContain(',nvdimm=on,nvdimm-persistence=cpu');
		expect(value(args, '-m')).toBe(`${layout.total / MIB}M,slots=1,maxmem=${layout.maximum / 1024}K`);
		const options = args.filter((_, n) => ['-object', '-device'].includes(args[n - 1]!));
		expect(options).toContain(`memory-backend-memfd,share=on,id=nvdimm0-memory,size=${64 * MIB + 128 * 1024}`);
		expect(options).toContain(`nvdimm,id=nvdimm0,memdev=nvdimm0-memory,label-size=${128 * 1024}`);
		expect(options).toContain(`memory-backend-memfd,share=on,id=virtio-pmem0-memory,size=${32 * MIB}`);
		expect(options).toContain('virtio-pmem-pci,id=virtio-pmem0,memdev=virtio-pmem0-memory');
	});

	const optionsOf = (args: string[]) =>
		args.flatMap((_, n) => (['-object', '-device', '-numa'].includes(args[n - 1]!) ? [args[n]] : []));

	test('puts device-DAX nvdimms and Soft Reserved memory on NUMA nodes of their own', () => {
		const layout = planLayout(4 * GIB, [], { devdax: [64 * MIB], hmem: [128 * MIB] });
		const options = optionsOf(qemuArguments({ ...machine, layout, accelerator: 'tcg' }));
		expect(options).toEqual([
			`memory-backend-ram,id=ram0,size=${layout.total - 128 * MIB}`,
			'node,nodeid=0,memdev=ram0,cpus=0-1',
			'node,nodeid=1',
			`memory-backend-ram,id=hmem0-memory,size=${128 * MIB}`,
			'node,nodeid=2,memdev=hmem0-memory',
			`memory-backend-memfd,share=on,id=devdax0-memory,size=${64 * MIB + 128 * 1024}`,
			`nvdimm,id=devdax0,memdev=devdax0-memory,label-size=${128 * 1024},node=1`,
			'virtio-serial-pci',
			...options.slice(8),
		]);
	});

	test('lets virtiofsd reach the memory of all nodes', () => {
		const layout = planLayout(4 * GIB, [], { hmem: [128 * MIB] });
		const args = qemuArguments({ ...machine, layout, accelerator: 'tcg', sharing: ['/tmp/0'] });
		expect(value(args, '-machine')).not.toContain('memory-backend');
		expect(optionsOf(args).filter((option) => option!.includes('share=on'))).toHaveLength(2);
	});

	test('has a CXL device on a machine for it, behind a bridge that no other device is put on', () => {
		const layout = planLayout(4 * GIB, [], { cxl: [256 * MIB] }, { machine: 'q35' });
		const args = qemuArguments({ ...machine, layout, accelerator: 'tcg' });
		expect(value(args, '-machine')).toMatch(
			/^q35,.*,cxl=on,cxl-fmw\.0\.targets\.0=cxl-bridge,cxl-fmw\.0\.size=268435456$/,
		);
		expect(args.slice(-4)).toEqual([
			'-device',
			expect.stringContaining('cxl-rp,'),
			'-device',
			expect.stringMatching(/^cxl-type3,/),
		]);
	});

	test('spreads processors over nodes, each in a socket of its own, while there are any', () => {
		const numa = (cpus: number, nodes: number) => {
			const layout = planLayout(6 * GIB, [], {}, { nodes });
			const args = qemuArguments({ ...machine, cpus, layout, accelerator: 'tcg' });
			expect(optionsOf(args).filter((option) => option!.startsWith('memory-backend-ram'))).toHaveLength(nodes);
			return [value(args, '-smp'), ...args.filter((_, n) => args[n - 1] === '-numa')];
		};
		expect(numa(4, 2)).toEqual([
			'4,sockets=2',
			'node,nodeid=0,memdev=ram0,cpus=0-1',
			'node,nodeid=1,memdev=ram1,cpus=2-3',
		]);
		expect(numa(3, 2)).toEqual([
			'3,sockets=3',
			'node,nodeid=0,memdev=ram0,cpus=0-1',
			'node,nodeid=1,memdev=ram1,cpus=2-2',
		]);
		expect(numa(1, 2)).toEqual(['1,sockets=1', 'node,nodeid=0,memdev=ram0,cpus=0-0', 'node,nodeid=1,memdev=ram1']);
	});

	test('starts UEFI from flash memory that it cannot change', () => {
		const firmware = { code: '/ovmf/code', variables: '/ovmf/vars' };
		const args = qemuArguments({ ...machine, firmware, accelerator: 'tcg' });
		expect(args.filter((_, n) => args[n - 1] === '-drive')).toEqual([
			'if=pflash,unit=0,format=raw,readonly=on,file=/ovmf/code',
			'if=pflash,unit=1,format=raw,snapshot=on,file=/ovmf/vars',
		]);
		expect(qemuArguments({ ...machine, accelerator: 'tcg' })).not.toContain('-drive');
	});

	test('ends the command line of the kernel with what a person adds, as it is', () => {
		const append = 'memmap=1G!4G,1G!6G  foo="a b"';
		const layout = planLayout(4 * GIB, []);
		expect(value(qemuArguments({ ...machine, layout, append, accelerator: 'tcg' }), '-append')).toMatch(
			/ rdinit=\/init memmap=1G!4G,1G!6G {2}foo="a b"$/,
		);
	});

	test('cannot write to the host', () => {
		expect(value(qemuArguments({ ...machine, accelerator: 'tcg' }), '-virtfs')).toContain('readonly=on');
	});

	test('shares its memory with virtiofsd only when there is one', () => {
		const args = qemuArguments({ ...machine, accelerator: 'tcg', sharing: ['/tmp/a,b/0'] });
		expect(value(args, '-machine')).toContain(',memory-backend=ram');
		expect(value(args, '-object')).toBe(`memory-backend-memfd,share=on,id=ram,size=${machine.layout.total}`);
		expect(args).toContain('socket,id=virtiofs0,path=/tmp/a,,b/0');
		expect(args).toContain('vhost-user-fs-pci,chardev=virtiofs0,tag=virtiofs0');
		expect(qemuArguments({ ...machine, accelerator: 'tcg' })).not.toContain('-object');
	});

	test('uses the accelerator that it is told to', () => {
		expect(value(qemuArguments({ ...machine, accelerator: 'kvm' }), '-accel')).toBe('kvm');
		expect(value(qemuArguments({ ...machine, accelerator: 'tcg' }), '-accel')).toBe('tcg,thread=multi');
	});
});

describe('cpioArchive', () => {
	/** Reads a newc archive, as the kernel does. */
	function read(archive: Buffer): [path: string, mode: string, data: string][] {
		const entries: [string, string, string][] = [];
		for (let at = 0; ; ) {
			expect(archive.toString('latin1', at, at + 6)).toBe('070701');
			const field = (n: number) => Number.parseInt(archive.toString('latin1', at + 6 + n * 8, at + 14 + n * 8), 16);
			const [mode, size, nameSize] = [field(1), field(6), field(11)];
			const path = archive.toString('utf8', at + 110, at + 110 + nameSize - 1);
			const data = Math.ceil((at + 110 + nameSize) / 4) * 4;
			if (path === 'TRAILER!!!') return entries;
			entries.push([path, mode.toString(8), archive.toString('utf8', data, data + size)]);
			at = Math.ceil((data + size) / 4) * 4;
		}
	}

	test('holds files, directories and links of any length', () => {
		const archive = cpioArchive([
			{ path: 'bin', type: 'directory' },
			{ path: 'bin/sh', type: 'symlink', target: 'busybox' },
			{ path: 'init', type: 'file', data: Buffer.from('12345'), mode: 0o755 },
			{ path: 'a-longer-name', type: 'file', data: Buffer.alloc(0) },
		]);
		expect(read(archive)).toEqual([
			['bin', '40755', ''],
			['bin/sh', '120777', 'busybox'],
			['init', '100755', '12345'],
			['a-longer-name', '100644', ''],
		]);
	});
});

describe('the verdict on KVM', () => {
	const day = 24 * 3600 * 1000;

	test('is asked for again after a week when it was no, and never when it was yes', () => {
		expect(readVerdict('{"works":false,"at":0}', 6 * day)).toEqual({ works: false, at: 0 });
		expect(readVerdict('{"works":false,"at":0}', 8 * day)).toBeUndefined();
		expect(readVerdict('{"works":true,"at":0}', 800 * day)).toEqual({ works: true, at: 0 });
	});

	test.each(['', '{', 'null', '{}', '{"works":1,"at":0}', '{"works":true,"at":5}'])('is none in %j', (text) => {
		expect(readVerdict(text, 1)).toBeUndefined();
	});
});

test('the cache is where XDG says, and never relative', () => {
	expect(cacheDirectory({ XDG_CACHE_HOME: '/x' }, '/home/u')).toBe('/x/daxkind');
	expect(cacheDirectory({ XDG_CACHE_HOME: 'x' }, '/home/u')).toBe('/home/u/.cache/daxkind');
	expect(cacheDirectory({}, '/home/u')).toBe('/home/u/.cache/daxkind');
});

test('only the programs of wanted file systems are required', () => {
	const programs = vmRequirements(['xfs']).map(({ program }) => program);
	expect(programs).toContain('mkfs.xfs');
	expect(programs).toContain('qemu-system-x86_64');
	expect(programs).not.toContain('mkfs.erofs');
	expect(new Set(missingVmPackages()).size).toBe(missingVmPackages().length);
});

test('the firmware is a requirement of UEFI alone, found where its code and variables are of one size', () => {
	expect(vmRequirements(['uefi'])).toContainEqual({ program: 'OVMF', package: 'ovmf', feature: 'uefi' });
	expect(vmRequirements(['xfs']).map(({ program }) => program)).not.toContain('OVMF');
	const [empty, full] = [mkdtempSync(join(tmpdir(), 'daxkind-ovmf-')), mkdtempSync(join(tmpdir(), 'daxkind-ovmf-'))];
	try {
		for (const name of ['OVMF_CODE_4M.fd', 'OVMF_CODE.fd', 'OVMF_VARS.fd']) writeFileSync(join(full, name), '');
		expect(findFirmware([empty])).toBeUndefined();
		expect(findFirmware([empty, full])).toEqual({
			code: join(full, 'OVMF_CODE.fd'),
			variables: join(full, 'OVMF_VARS.fd'),
		});
	} finally {
		for (const directory of [empty, full]) rmSync(directory, { recursive: true });
	}
});

test.each([
	['Debian 12', 'ID=debian\nVERSION_ID="12"\n', 'qemu-system-common'],
	['Debian 13', 'VERSION_ID="13"\nID=debian\n', 'virtiofsd'],
	['Debian unstable', 'ID=debian\nVERSION_CODENAME=sid\n', 'virtiofsd'],
	['Ubuntu 22.04', 'NAME="Ubuntu"\nVERSION_ID="22.04"\nID=ubuntu\nID_LIKE=debian\n', 'qemu-system-common'],
	['Ubuntu 24.04', 'ID=ubuntu\nVERSION_ID="24.04"\n', 'virtiofsd'],
	['a system that does not say what it is', '', 'virtiofsd'],
])('virtiofsd is in the package that %s has it in', (_, osRelease, name) => {
	expect(virtiofsdPackage(osRelease)).toBe(name);
	expect(vmRequirements(['nvdimm']).map(({ program }) => program)).not.toContain('virtiofsd');
	expect(vmRequirements(['virtiofs']).map(({ program }) => program)).toContain('virtiofsd');
});

test('a program that asks for a loader, or is none, is not static', () => {
	const elf = Buffer.alloc(64 + 56);
	elf.writeUInt32BE(0x7f454c46, 0);
	elf.writeBigUInt64LE(64n, 32);
	elf.writeUInt16LE(56, 54);
	elf.writeUInt16LE(1, 56);
	elf.writeUInt32LE(1, 64);
	expect(isStaticElf(elf)).toBe(true);
	elf.writeUInt32LE(3, 64);
	expect(isStaticElf(elf)).toBe(false);
	expect(isStaticElf(Buffer.from('#!/bin/sh\n'))).toBe(false);
});

test('a cache that cannot be made is an error, not an endless try', () => {
	expect(() => makeDirectories('/proc/nope/daxkind')).toThrow(
		expect.objectContaining({ code: 'ENOENT', syscall: 'mkdir', path: '/proc/nope' }),
	);
});
