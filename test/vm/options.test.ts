import { describe, expect, test } from 'vitest';
import { planRun, type VmOptions } from '#lib/vm/options.js';

const plan = (options: Partial<VmOptions>) => planRun({ command: ['true'], cwd: '/', ...options });

test('there is one pmem device unless others are wanted, or none', () => {
	expect(plan({}).devices.map(({ mount }) => mount?.point)).toEqual(['/mnt/pmem0']);
	expect(plan({ pmem: [] })).toMatchObject({ devices: [], layout: { regions: [] } });
});

test('the machine is pc, and q35 for CXL', () => {
	expect(plan({}).layout.machine).toBe('pc');
	expect(plan({ machine: 'q35' }).layout.machine).toBe('q35');
	expect(plan({ cxl: '256M' }).layout.machine).toBe('q35');
});

test('only UEFI needs its firmware', () => {
	expect(plan({}).features).not.toContain('uefi');
	expect(plan({ firmware: 'uefi' }).features).toContain('uefi');
});

describe('memmap= in append', () => {
	test.each(['memmap=1G!4G', 'nokaslr memmap=1G!4G', 'nokaslr "memmap=1G!4G"'])(
		'%j is refused beside devices that the VM makes in the same way, and taken beside others',
		(append) => {
			expect(() => plan({ append })).toThrow(/'append' must be without memmap= unless/);
			expect(() => plan({ append, pmem: [], hmem: ['128M'] })).toThrow(/'append' must be without memmap= unless/);
			expect(plan({ append, pmem: [], nvdimm: ['64M'], devdax: ['64M'] }).append).toBe(append);
		},
	);

	test('is not what other arguments are', () => {
		expect(plan({ append: 'nomemmap=1 foo.memmap=2' }).append).toBe('nomemmap=1 foo.memmap=2');
	});
});

test.each<[string, Partial<Record<keyof VmOptions, unknown>>, string, RegExp]>([
	['a command line of several lines', { append: 'a\nb' }, 'ERR_INVALID_ARG_VALUE', /'append' must be one line/],
	['arguments that are no text', { append: 5 }, 'ERR_INVALID_ARG_TYPE', /"options.append" property must be a string/],
	['more than the kernel reads', { append: 'a'.repeat(2000) }, 'ERR_OUT_OF_RANGE', /"append".* at most 1\d\d\d bytes/],
	['a file system without a device', { pmem: [], fs: ['xfs'] }, 'ERR_INVALID_ARG_VALUE', /'fs' must be left out/],
	['a mount without a device', { pmem: [], mount: ['inode'] }, 'ERR_INVALID_ARG_VALUE', /'mount' must be left out/],
	['another machine', { machine: 'virt' }, 'ERR_INVALID_ARG_VALUE', /'machine' must be one of 'pc', 'q35'/],
	['CXL on pc', { machine: 'pc', cxl: '256M' }, 'ERR_INVALID_ARG_VALUE', /'machine' must be q35 together with cxl/],
	['other firmware', { firmware: 'coreboot' }, 'ERR_INVALID_ARG_VALUE', /'firmware' must be one of 'bios', 'uefi'/],
	[
		'a terminal without a size',
		{ terminal: { columns: 0, rows: 9 } },
		'ERR_OUT_OF_RANGE',
		/"terminal.columns".* 1 to 65535/,
	],
	[
		'a machine that is no text',
		{ machine: ['pc'] },
		'ERR_INVALID_ARG_TYPE',
		/"machine" argument must be of type string/,
	],
	['another accelerator', { accelerator: 'xen' }, 'ERR_INVALID_ARG_VALUE', /must be one of 'auto', 'kvm', 'tcg'/],
	['another file system', { fs: ['ext9'] }, 'ERR_INVALID_ARG_VALUE', /'fs' must be one of 'ext4', 'xfs', 'ext2', /],
	['no node', { nodes: 0 }, 'ERR_OUT_OF_RANGE', /"nodes".* an integer from 1 to 8/],
	['half a node', { nodes: 1.5 }, 'ERR_OUT_OF_RANGE', /"nodes".* an integer from 1 to 8/],
])('refuses %s', (_, options, code, message) => {
	const run = () => plan(options as Partial<VmOptions>);
	expect(run).toThrow(expect.objectContaining({ code }));
	expect(run).toThrow(message);
});
