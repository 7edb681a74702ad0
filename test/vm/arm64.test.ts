// Guests with an arm64 processor: their memory, their device tree, and a real boot in which an arm64 Node uses DAX.
import {
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readlinkSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { GIB, MIB } from '#lib/size.js';
import { backportsSource, foreignConfiguration } from '#lib/vm/apt.js';
import { pmemProvider, withPmem } from '#lib/vm/device-tree.js';
import { isKernel, plainImage } from '#lib/vm/image.js';
import { missingVmPackages, runVm, vmRequirements } from '#lib/vm/index.js';
import { missingDaxOptions } from '#lib/vm/kernel.js';
import { kernelArguments } from '#lib/vm/kernel-arguments.js';
import { planArm64Layout } from '#lib/vm/layout.js';
import { neededSets } from '#lib/vm/modules.js';
import { planRun } from '#lib/vm/options.js';
import { findProgram } from '#lib/vm/programs.js';
import { qemuArguments } from '#lib/vm/qemu.js';
import { keepPrograms } from '#lib/vm/userland.js';
import { nodeOf } from '../../scripts/nodes.mjs';
import { binaryOf, pack, projectsDirectory, projectWith, registryProblem, root } from '../helpers/packed.ts';
import { BOOT_MS, vm } from '../helpers/vm.ts';

describe('the memory of an arm64 guest', () => {
	const layout = planArm64Layout(4 * GIB, [256 * MIB, 64 * MIB, GIB]);

	test('has the pmem behind what the kernel is told to use, each region in a block of its own', () => {
		const [first] = layout.regions;
		const [mem] = kernelArguments({ layout, verbose: false }).match(/mem=\d+M/)!;
		expect(mem).toBe(`mem=${(first!.start - GIB) / MIB}M`);
		expect(first!.start - GIB).toBeGreaterThanOrEqual(4 * GIB + (1344 * MIB) / 64);
		for (const [n, { start, size }] of layout.regions.entries()) {
			expect(start % (128 * MIB)).toBe(0);
			expect(start + size).toBeLessThanOrEqual(layout.regions[n + 1]?.start ?? GIB + layout.total);
		}
	});

	test('is told apart from that of an x86-64 one', () => {
		const text = kernelArguments({ layout, verbose: false });
		expect(text).toMatch(/^console=ttyAMA0 /);
		expect(text).not.toMatch(/memmap|ttyS0|tsc/);
		expect(kernelArguments({ layout: planArm64Layout(GIB, []), verbose: false })).not.toContain('mem=');
	});

	test('is refused where it is too small, too large or not aligned', () => {
		expect(() => planArm64Layout(GIB, [3 * MIB])).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
		expect(() => planArm64Layout(MIB, [])).toThrow(/"memory"/);
		expect(() => planArm64Layout(GIB, [1024 * GIB])).toThrow(/1T/);
	});
});

describe('withPmem', () => {
	const word = (...values: number[]) => {
		const bytes = Buffer.alloc(4 * values.length);
		for (const [n, value] of values.entries()) bytes.writeUInt32BE(value, 4 * n);
		return bytes;
	};
	/**
	 * A tree whose root has one property and one node. Its blocks have an order and gaps that a writer is free to
	 * choose.
	 */
	const structure = Buffer.concat([
		word(1, 0, 3, 4, 0, 2), // the root with #address-cells = <2>
		word(1),
		Buffer.from('cpus\0\0\0\0'),
		word(2, 2, 9),
	]);
	const strings = Buffer.from('#address-cells\0');
	const reserved = Buffer.alloc(16);
	const header = word(0xd00dfeed, 0, 96, 64, 40, 17, 16, 0, strings.length, structure.length);
	const gap = Buffer.alloc(8);
	const tree = Buffer.concat([header, reserved, gap, strings, Buffer.alloc(17), structure, Buffer.alloc(100)]);

	test('adds one node at the end of the root, with each region in its register list, and keeps the rest', () => {
		const regions = [
			{ start: 5 * GIB, size: 512 * MIB },
			{ start: 6 * GIB, size: 8 * GIB },
		];
		const result = withPmem(tree, regions);
		const at = (offset: number) => result.readUInt32BE(offset);
		expect([at(4), at(20), at(24)]).toEqual([result.length, 17, 16]);
		expect(result.subarray(40, 56)).toEqual(reserved);
		const newStructure = result.subarray(at(8), at(8) + at(36));
		const newStrings = result.subarray(at(12), at(12) + at(32)).toString();
		expect(newStrings).toBe('#address-cells\0compatible\0reg\0');
		const before = structure.length - 8;
		expect(newStructure.subarray(0, before)).toEqual(structure.subarray(0, before));
		expect(newStructure.subarray(before)).toEqual(
			Buffer.concat([
				word(1),
				Buffer.from('pmem@140000000\0\0'),
				word(3, 12, newStrings.indexOf('compatible')),
				Buffer.from('pmem-region\0'),
				word(3, 32, newStrings.indexOf('reg\0')),
				word(1, 0x40000000, 0, 0x20000000, 1, 0x80000000, 2, 0),
				word(2, 2, 9),
			]),
		);
		expect(pmemProvider(regions)).toBe('140000000.pmem');
	});

	test.each([
		['nothing', Buffer.alloc(0)],
		['something else', Buffer.alloc(64)],
		[
			'a tree whose structure is cut off',
			Buffer.concat([header.subarray(0, 36), word(structure.length - 4), tree.subarray(40)]),
		],
	])('refuses %s', (_, bytes) => {
		expect(() => withPmem(bytes, [{ start: GIB, size: MIB }])).toThrow(TypeError);
	});
});

describe('the plan of an arm64 guest', () => {
	const plan = (options: object) => planRun({ command: ['true'], cwd: '/', arch: 'arm64', ...options });

	test.each([
		['nvdimm', ['64M']],
		['virtioPmem', ['64M']],
		['devdax', ['64M']],
		['hmem', ['128M']],
		['cxl', '256M'],
		['eadr', true],
		['nodes', 2],
		['machine', 'q35'],
		['firmware', 'uefi'],
	])('has no %s, and says so', (name, value) => {
		expect(() => plan({ [name]: value })).toThrow(
			expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE', message: expect.stringContaining(`'${name}'`) }),
		);
		expect(() => plan({ [name]: value })).toThrow(/left out for an arm64 guest/);
	});

	test('is emulated, and its memory is not limited a second time', () => {
		expect(() => plan({ accelerator: 'kvm' })).toThrow(/tcg or auto/);
		expect(() => plan({ append: 'mem=1G' })).toThrow(/without mem=/);
		expect(plan({ append: 'mem=1G', pmem: [] }).append).toBe('mem=1G');
		expect(() => planRun({ command: ['true'], arch: 'riscv64' as 'arm64' })).toThrow(/one of 'x64', 'arm64'/);
	});

	test('wants no program of this machine that could only run in a guest of its architecture', () => {
		const { features } = plan({ fs: ['xfs'] });
		const programs = vmRequirements(features).map(({ program }) => program);
		expect(programs).toContain('qemu-system-aarch64');
		for (const name of ['qemu-system-x86_64', 'busybox', 'mkfs.xfs', 'setsid']) expect(programs).not.toContain(name);
		expect(vmRequirements(['xfs']).map(({ program }) => program)).not.toContain('qemu-system-aarch64');
		expect(neededSets(features)).toEqual(['ports', 'root', 'arm64', 'xfs', 'extra']);
	});

	test('gives QEMU a machine of its own, the device tree, and programs that lie over the files of this machine', () => {
		const args = qemuArguments({
			...plan({}),
			accelerator: 'tcg',
			kernel: '/k',
			initramfs: '/i',
			deviceTree: '/t',
			userland: '/u,1',
			verbose: false,
		});
		const value = (name: string) => args[args.indexOf(name) + 1];
		expect(value('-machine')).toBe('virt,gic-version=3');
		expect(value('-dtb')).toBe('/t');
		expect(value('-cpu')).toMatch(/^max/);
		const shared = args.filter((_, n) => args[n - 1] === '-virtfs');
		expect(shared).toHaveLength(2);
		expect(shared.every((text) => text.includes('readonly=on'))).toBe(true);
		expect(shared[1]).toContain('path=/u,,1,mount_tag=userland');
	});
});

describe('the packages of an arm64 guest', () => {
	const targets = `http://mirror/security/|bookworm-security|main|Debian
http://mirror/debian/|bookworm|contrib|Debian
http://mirror/debian/|bookworm|main|Debian
http://other/|bookworm|main|Somebody
`;

	test('may be newer ones, from where those of the same release are', () => {
		expect(backportsSource(targets, 'bookworm', '/keys')).toBe(
			'Types: deb\nURIs: http://mirror/debian/\nSuites: bookworm-backports\nComponents: main\nSigned-By: /keys\n',
		);
		expect(backportsSource(targets, 'noble')).toBeUndefined();
		expect(backportsSource('', '')).toBeUndefined();
	});

	test('are asked for without a change to the lists and the table of this machine', () => {
		const text = foreignConfiguration('arm64', '/d');
		for (const name of ['State', 'State::lists', 'State::status', 'Cache', 'Cache::archives'])
			expect(text).toMatch(new RegExp(`^Dir::${name} "/d/`, 'm'));
		expect(text).not.toContain('Dir::Etc');
		expect(foreignConfiguration('arm64', '/d', '/s')).toContain('Dir::Etc::sourceparts "/s";');
	});

	test.each([
		['CONFIG_FS_DAX=y\nCONFIG_OF_PMEM=m\n', []],
		['# CONFIG_FS_DAX is not set\nCONFIG_OF_PMEM=m\nCONFIG_FS_DAX_PMD=y\n', ['CONFIG_FS_DAX']],
		['', ['CONFIG_FS_DAX', 'CONFIG_OF_PMEM']],
	])('have a kernel with DAX or another is looked for: %j', (config, missing) => {
		expect(missingDaxOptions(config)).toEqual(missing);
	});

	test.each(['with directories beside usr', 'with links to those in usr'])(
		'become a tree of programs alone: %s',
		(form) => {
			const tree = mkdtempSync(join(tmpdir(), 'daxkind-userland-'));
			const put = (path: string) => {
				mkdirSync(dirname(join(tree, path)), { recursive: true });
				writeFileSync(join(tree, path), path);
			};
			try {
				for (const path of ['etc/passwd', 'var/lib/x', 'usr/bin/env', 'usr/lib/a/libone', 'usr/share/doc/x/copyright'])
					put(path);
				if (form.includes('links'))
					for (const name of ['bin', 'lib', 'sbin']) symlinkSync(`usr/${name}`, join(tree, name));
				else for (const path of ['bin/sh', 'lib/a/libtwo', 'lib/loader']) put(path);
				keepPrograms(tree);
				expect(readdirSync(tree).sort()).toEqual(['bin', 'lib', 'sbin', 'usr']);
				for (const name of ['bin', 'lib', 'sbin']) expect(readlinkSync(join(tree, name))).toBe(`usr/${name}`);
				const libraries = readdirSync(join(tree, 'usr/lib/a'));
				expect(libraries).toEqual(form.includes('links') ? ['libone'] : ['libone', 'libtwo']);
				expect(readdirSync(join(tree, 'usr/bin'))).toContain('awk');
				expect(readdirSync(join(tree, 'usr/share'))).toEqual([]);
			} finally {
				rmSync(tree, { recursive: true });
			}
		},
	);
});

test('a kernel for arm64 is known by its magic, and uncompressed before it is started', async () => {
	const image = Buffer.alloc(128);
	image.write('ARM\x64', 56, 'latin1');
	expect([isKernel(image), isKernel(Buffer.alloc(128))]).toEqual([true, false]);
	const directory = mkdtempSync(join(tmpdir(), 'daxkind-image-'));
	const file = (name: string, content: Buffer) => {
		writeFileSync(join(directory, name), content);
		return join(directory, name);
	};
	const { gzipSync } = await import('node:zlib');
	const packed = gzipSync(image);
	// struct linux_efi_zboot_header
	const zboot = Buffer.concat([Buffer.from('MZ\0\0zimg'), Buffer.alloc(56), packed]);
	zboot.writeUInt32LE(64, 8);
	zboot.writeUInt32LE(packed.length, 12);
	try {
		expect(await plainImage(file('Image', image))).toBe(join(directory, 'Image'));
		const { readFileSync } = await import('node:fs');
		for (const [name, content] of [
			['Image.gz', packed],
			['vmlinuz.efi', zboot],
		] as const) {
			expect(readFileSync(await plainImage(file(name, content)))).toEqual(image);
		}
		await expect(plainImage(file('nothing', Buffer.alloc(100)))).rejects.toMatchObject({
			code: 'ERR_DAXKIND_VM_NO_KERNEL',
		});
		await expect(plainImage(join(directory, 'gone'))).rejects.toMatchObject({ code: 'ENOENT' });
	} finally {
		rmSync(directory, { recursive: true });
	}
});

/**
 * The program that runs in the guest. On each mount it does everything that a kind and a mapping do by the processor.
 */
const program = `
	import { readFileSync, writeFileSync } from 'node:fs';
	import { explain, mapFile, PmemKind, statx } from 'daxkind';
	for (const directory of process.argv.slice(2)) {
		const kind = PmemKind.create(directory, { maxSize: 64 * 2 ** 20, requireDax: true, mapSync: true });
		const blocks = Array.from({ length: 1000 }, (_, n) => kind.malloc(n + 1).fill(n));
		const isWhole = blocks.every((block, n) => block.every((byte) => byte === n % 256));
		for (const block of blocks) kind.free(block);
		const { allocated } = kind.stats();
		kind.close();
		const path = directory + '/file';
		writeFileSync(path, Buffer.alloc(4 * 2 ** 20));
		const mapping = mapFile(path, { sync: true });
		mapping.buffer.write('persisted', 4096);
		mapping.persist(4096, 9);
		const { granularity, sync } = mapping;
		mapping.unmap();
		const read = readFileSync(path).toString('latin1', 4096, 4105);
		const { dax, checks } = explain(path);
		const oks = checks.filter(({ verdict }) => verdict === 'ok').map(({ link }) => link);
		console.log(JSON.stringify({ isWhole, allocated, granularity, sync, read, dax, statx: statx(path).dax, oks }));
	}`;

const compiler = existsSync(binaryOf('arm64')) || findProgram('aarch64-linux-gnu-g++') ? [] : ['g++-aarch64-linux-gnu'];
const missing =
	process.arch === 'x64' ? [...missingVmPackages(['arm64', 'ext4', 'xfs']), ...compiler] : ['an x86-64 machine'];

describe.skipIf(missing.length > 0)(`an arm64 guest (needs ${missing.join(', ') || 'nothing more'})`, () => {
	// The guest sees this machine's files, except those in /tmp.
	const directory = projectsDirectory(join(root, 'build'));

	test('runs kinds and mappings on DAX in an arm64 Node', { timeout: 900_000 }, async ({ skip }) => {
		const problem = await registryProblem();
		skip(problem !== undefined, problem);
		const node = await nodeOf(process.versions.node.split('.')[0]!, 'arm64');
		const project = await projectWith(await pack(directory), directory, program);
		const script = 'uname -m; cd "$0" && exec "$1" app.mjs /mnt/pmem0 /mnt/pmem1';
		const options = ['--arch', 'arm64', '--pmem', '64M', '--pmem', '512M', '--fs', 'ext4', '--fs', 'xfs'];
		const { status, stdout, stderr } = await vm([...options, '--', 'sh', '-c', script, project, node]);
		expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
		const [machine, ...lines] = stdout.trim().split('\n');
		expect(machine).toBe('aarch64');
		expect(lines).toHaveLength(2);
		for (const line of lines) {
			const { oks, ...rest } = JSON.parse(line);
			const found = { isWhole: true, allocated: 0, granularity: 'cache-line', sync: true, read: 'persisted' };
			expect(rest).toEqual({ ...found, dax: true, statx: true });
			expect(oks).toEqual(expect.arrayContaining(['device', 'mount', 'state', 'MAP_SYNC', 'persistence']));
		}
	});

	test('has the programs of a shell script, this machine’s files, and what is said of a program of this machine', {
		timeout: 4 * BOOT_MS,
	}, async () => {
		const chunks: string[] = [];
		const collect = new (await import('node:stream')).Writable({
			write(chunk, _, done) {
				chunks.push(chunk.toString());
				done();
			},
		});
		const script = `
			awk 'BEGIN { print 6 * 7 }'; bash -c 'echo "$BASH" | tr a-z A-Z'; test -e '${import.meta.filename}' && echo here
			cd /tmp; echo x >y; cat y; ls /dev/pmem* 2>&1 | wc -l; '${process.execPath}' -v 2>/dev/null || echo $?`;
		const command = ['/bin/sh', '-c', script];
		const status = await runVm({ arch: 'arm64', pmem: [], command, stdout: collect, memory: '1G' });
		expect(status).toBe(0);
		expect(chunks.join('').split('\n')).toEqual(['42', '/USR/BIN/BASH', 'here', 'x', '1', '126', '']);
	});
});
