// The guest's devices other than the mounted ones are what they should be. Each stands for a situation that a person
// with real hardware, or in a VM, is in.
import { mkdtempSync, readFileSync, realpathSync, rmdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isDax } from '#lib/dax/index.js';
import { mapFile } from '#lib/mapping/index.js';
import { execFileSync } from '../helpers/children.ts';
import { nvdimm, scratch, virtiofs, virtioPmem } from '../helpers/guest.ts';

const run = (command: string, ...parameters: string[]) =>
	execFileSync(command, parameters, { stdio: 'pipe' }).toString();
const sysfs = (device: string) => `/sys/block/${basename(device)}`;
/** The directory of the region that a device belongs to. The directory of its bus is the one above. */
const regionOf = (device: string) => join(realpathSync(`${sysfs(device)}/device`), '..');
const read = (path: string) => readFileSync(path, 'utf8').trim();

let point: string;
beforeEach(() => {
	point = mkdtempSync(join(tmpdir(), 'machine-'));
});
afterEach(() => rmdirSync(point));

function makeFileSystem(device: string): void {
	run('mkfs.ext4', '-q', '-F', '-b', '4096', device);
}

/** Mounts the device while `body` runs. */
function mounted<T>(device: string, options: string, body: () => T): T {
	run('mount', '-o', options, device, point);
	try {
		return body();
	} finally {
		run('umount', point);
	}
}

test.each([
	['the scratch device', scratch, { provider: 'e820', dax: '1', mode: 'memory', mebibytes: 512 }],
	['the nvdimm', nvdimm, { provider: 'ACPI.NFIT', dax: '0', mode: 'raw', mebibytes: 128 }],
	['the virtio-pmem', virtioPmem, { provider: 'virtio-pmem', dax: '1', mode: 'memory', mebibytes: 128 }],
])('%s is what the kernel says it is', (_, device, facts) => {
	expect({
		provider: read(join(regionOf(device), '../provider')),
		dax: read(`${sysfs(device)}/queue/dax`),
		mode: read(`${sysfs(device)}/device/mode`),
		mebibytes: Number(read(`${sysfs(device)}/size`)) / 2048,
	}).toEqual(facts);
});

test('all devices have numbers of their own, those of e820 the first', () => {
	const names = ['DAXKIND_PMEMS', 'DAXKIND_NVDIMMS', 'DAXKIND_VIRTIO_PMEMS'].flatMap((name) =>
		process.env[name]!.split(':'),
	);
	expect(names).toEqual(names.map((_, n) => `/dev/pmem${n}`));
});

describe('a raw nvdimm', () => {
	test('is one whose power fails safely, and is no mount with DAX', () => {
		expect(read(join(regionOf(nvdimm), 'persistence_domain'))).toBe('memory_controller');
		makeFileSystem(nvdimm);
		expect(() => run('mount', '-o', 'dax=always', nvdimm, point)).toThrow(/wrong fs type, bad option/);
		mounted(nvdimm, 'dax=inode', () => expect(isDax(point)).toBe(false));
	});

	test('has an empty label area, for ndctl to initialise', () => {
		expect(Number(read(join(regionOf(nvdimm), '../nmem0/available_slots')))).toBeGreaterThan(0);
	});
});

test('a file on virtio-pmem is on DAX, but refuses MAP_SYNC: its flush is a request to the host', () => {
	makeFileSystem(virtioPmem);
	mounted(virtioPmem, 'dax=always', () => {
		const file = join(point, 'file');
		writeFileSync(file, Buffer.alloc(65536));
		expect(isDax(file)).toBe(true);
		expect(() => mapFile(file, { sync: true })).toThrow(
			expect.objectContaining({ code: 'ENOTSUP', syscall: 'mmap', path: file }),
		);
		const mapping = mapFile(file);
		expect(mapping.granularity).toBe('page');
		mapping.buffer.write('persisted by msync');
		mapping.persist(0, 18);
		mapping.unmap();
	});
	mounted(virtioPmem, 'ro', () => {
		expect(readFileSync(join(point, 'file')).toString('latin1', 0, 18)).toBe('persisted by msync');
	});
});

test("a virtiofs mount shows the host's files, without DAX", ({ skip }) => {
	if (virtiofs === undefined)
		return skip('the host cannot share a directory: that needs root, virtiofsd and namespaces');
	expect(read(join(virtiofs, 'from-the-host'))).toBe('made on the host');
	const file = join(virtiofs, 'from-the-guest');
	writeFileSync(file, Buffer.alloc(65536));
	expect(isDax(file)).toBe(false);
	expect(() => mapFile(file, { sync: true })).toThrow(expect.objectContaining({ code: 'ENOTSUP', syscall: 'mmap' }));
	const mapping = mapFile(file);
	mapping.buffer.write('through a mapping');
	mapping.persist(0, 17);
	mapping.unmap();
	expect(readFileSync(file).toString('latin1', 0, 17)).toBe('through a mapping');
});

test.each(['brd', 'loop', 'null_blk', 'dm-mod', 'dm-crypt', 'raid1', 'overlay'])('modprobe %s works', (module) => {
	run('modprobe', module);
	expect(read('/proc/modules')).toMatch(new RegExp(`^${module.replace('-', '_')} `, 'm'));
});
