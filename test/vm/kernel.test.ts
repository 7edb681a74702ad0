import { describe, expect, test } from 'vitest';
import { deathInConsole } from '#lib/vm/console.js';
import { hasEfiStub, hasPvhEntry, isKernel, kernelPayload, kernelRelease } from '#lib/vm/image.js';
import { dependencyFiles, withoutSignature } from '#lib/vm/initramfs.js';
import { kernelDependencies } from '#lib/vm/kernel.js';
import { neededSets } from '#lib/vm/modules.js';

describe('kernelDependencies', () => {
	test("finds Debian's kernel behind its metapackage", () => {
		expect(kernelDependencies('linux-image-amd64\n  Depends: linux-image-6.1.0-56-amd64\n')).toEqual([
			'linux-image-6.1.0-56-amd64',
		]);
	});

	test("finds Ubuntu's kernel and modules, and nothing else", () => {
		const text = `linux-image-generic
  Depends: linux-image-6.8.0-31-generic
  Depends: linux-modules-extra-6.8.0-31-generic
  Depends: linux-firmware
 |Depends: intel-microcode
  Depends: amd64-microcode
  Recommends: thermald
`;
		expect(kernelDependencies(text)).toEqual(['linux-image-6.8.0-31-generic', 'linux-modules-extra-6.8.0-31-generic']);
	});

	test('finds nothing when apt knows nothing', () => {
		expect(kernelDependencies('')).toEqual([]);
	});
});

test('dependencyFiles keeps the order of loading and drops what is built in or repeated', () => {
	const text = `insmod /m/libnvdimm.ko
insmod /m/nd_e820.ko
builtin virtio
insmod /m/libnvdimm.ko
insmod /m/nd_pmem.ko.xz
`;
	expect(dependencyFiles(text)).toEqual(['/m/libnvdimm.ko', '/m/nd_e820.ko', '/m/nd_pmem.ko.xz']);
});

test('ext2 is served by the ext4 driver, and only wanted file systems and devices are loaded, those of e820 first', () => {
	expect(neededSets(['ext2', 'none'])).toEqual(['ports', 'root', 'pmem', 'ext4', 'extra']);
	expect(neededSets(['virtio-pmem', 'nvdimm'])).toEqual([
		...['ports', 'root', 'pmem'],
		...['nvdimm', 'virtio-pmem', 'extra'],
	]);
});

describe('withoutSignature', () => {
	test('cuts the signature, its description and the magic', () => {
		const info = Buffer.alloc(12);
		info.writeUInt32BE(5, 8);
		const signed = Buffer.concat([
			Buffer.from('module'),
			Buffer.alloc(5, 1),
			info,
			Buffer.from('~Module signature appended~\n'),
		]);
		expect(withoutSignature(signed).toString()).toBe('module');
	});

	test('leaves an unsigned module as it is', () => {
		const module = Buffer.from('no signature here');
		expect(withoutSignature(module)).toBe(module);
	});
});

/** The parts of a bzImage that matter here. */
function bzImage(release: string, payload: Buffer): Buffer {
	const image = Buffer.alloc(8192);
	image[0x1f1] = 3;
	image.write('HdrS', 0x202);
	image.writeUInt16LE(0x1000, 0x20e);
	image.write(`${release} (builder) #1 SMP\0`, 0x1200);
	image.writeUInt32LE(16, 0x248);
	image.writeUInt32LE(payload.length + 4, 0x24c);
	payload.copy(image, 4 * 512 + 16);
	return image;
}

/** An ELF file with one segment of one note. */
function elfWithNote(name: string, type: number): Buffer {
	const elf = Buffer.alloc(64 + 56 + 12 + 4 + 4);
	elf.writeUInt32BE(0x7f454c46, 0);
	elf[4] = 2;
	elf.writeBigUInt64LE(64n, 32);
	elf.writeUInt16LE(56, 54);
	elf.writeUInt16LE(1, 56);
	elf.writeUInt32LE(4, 64);
	elf.writeBigUInt64LE(120n, 64 + 8);
	elf.writeBigUInt64LE(20n, 64 + 32);
	elf.writeUInt32LE(4, 120);
	elf.writeUInt32LE(4, 124);
	elf.writeUInt32LE(type, 128);
	elf.write(name, 132);
	return elf;
}

describe('kernel images', () => {
	test('a bzImage gives its release and its payload without the appended length', () => {
		const image = bzImage('6.1.0-56-amd64', Buffer.from('compressed'));
		expect(kernelRelease(image)).toBe('6.1.0-56-amd64');
		expect(kernelPayload(image)?.toString()).toBe('compressed');
		expect(isKernel(image)).toBe(true);
	});

	test('a file that is no kernel is not taken for one', () => {
		const text = Buffer.from('root:x:0:0:root:/root:/bin/bash\n'.repeat(100));
		expect(isKernel(text)).toBe(false);
		expect(kernelRelease(text)).toBeUndefined();
		expect(kernelPayload(text)).toBeUndefined();
		expect(hasPvhEntry(text)).toBe(false);
	});

	test('UEFI starts a bzImage that is a PE program as well', () => {
		const image = bzImage('6.1.0-56-amd64', Buffer.alloc(0));
		expect(hasEfiStub(image)).toBe(false);
		image.write('MZ');
		expect(hasEfiStub(image)).toBe(true);
		expect(hasEfiStub(elfWithNote('Xen', 18))).toBe(false);
	});

	test("only Xen's note 18 is a PVH entry", () => {
		expect(hasPvhEntry(elfWithNote('Xen', 18))).toBe(true);
		expect(hasPvhEntry(elfWithNote('Xen', 6))).toBe(false);
		expect(hasPvhEntry(elfWithNote('GNU', 18))).toBe(false);
	});
});

test("a dead guest's console is shown without what firmware does to a screen", () => {
	expect(deathInConsole('\u001b[2J\u001b[01;01H\u001b[=3h[    3.4] Kernel panic - not syncing: VFS')).toBe(
		'[    3.4] Kernel panic - not syncing: VFS',
	);
});

test("a dead guest's console is shown up to the panic's message, without registers and traces", () => {
	const log = [
		'[    5.580000] sysrq: Trigger a crash\r',
		'[    5.590000] Kernel panic - not syncing: sysrq triggered crash\r',
		'[    5.595000] CPU: 1 PID: 1 Comm: init Not tainted 6.1.0-56-amd64\r',
		'[    5.595285]  ? exit_to_user_mode_prepare+0x44/0x240\r',
		'[    5.595618] RIP: 0033:0x7fbad02f7350\r',
		'[    5.601036] Kernel Offset: disabled\r',
	].join('\n');
	expect(deathInConsole(log)).toBe(
		'[    5.580000] sysrq: Trigger a crash\n  [    5.590000] Kernel panic - not syncing: sysrq triggered crash',
	);
});
