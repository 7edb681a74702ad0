import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { planDevices } from '#lib/vm/filesystem.js';
import { stageTwoScript } from '#lib/vm/init.js';
import { type Job, jobEnd, jobScript, shellQuote, wantedFeatures } from '#lib/vm/job.js';
import { execFileSync } from '../helpers/children.ts';

const shell = (script: Buffer): Buffer => execFileSync('/bin/sh', { input: script });
const bytes = fc.uint8Array({ maxLength: 40 }).map((list) => Buffer.from(list.filter((byte) => byte !== 0)));

test('a shell reads quoted bytes back, whatever they are', () => {
	const every = Buffer.from(Array.from({ length: 255 }, (_, n) => n + 1));
	fc.assert(
		fc.property(bytes, (text) => {
			const said = shell(Buffer.concat([Buffer.from('printf %s '), shellQuote(text)]));
			expect(said.equals(text)).toBe(true);
		}),
		{ numRuns: 50, examples: [[every], [Buffer.from("it's '' \\ $x `y`\n")]] },
	);
});

describe('jobScript', () => {
	const devices = planDevices([64 * MIB], ['ext4', 'ext2', 'none'], ['always']);
	const job = {
		trailer: 'feed',
		devices,
		plugged: { nvdimm: [16 * MIB, 16 * MIB], virtioPmem: [] },
		shares: 0,
		command: ['printf', '<%s>', "a'b", '', 'new\nline', jobEnd, '-x'],
		directory: '/tmp',
		environment: { 'odd.name': 'it is "odd"', PATH: '/usr/bin:/bin', LAST: `\n${jobEnd}\n`, GONE: undefined },
		mergeOutput: false,
		programs: new Map([['mkfs.ext4', '/sbin/mkfs.ext4']]),
	};

	test('ends with the line that the guest waits for', () => {
		expect(jobScript(job).toString().endsWith(`\n${jobEnd}\n`)).toBe(true);
	});

	test('mounts each directory that is shared, and tells where', () => {
		const script = jobScript({
			...job,
			shares: 2,
			command: ['sh', '-c', 'echo "$DAXKIND_VIRTIOFS $DAXKIND_VIRTIOFS_MOUNTS"'],
		});
		expect(script.toString()).toContain("\nshares='/mnt/virtiofs0 /mnt/virtiofs1'\n");
		const output = shell(Buffer.concat([script, Buffer.from('start_command\n')])).toString();
		expect(output).toBe('/mnt/virtiofs0 /mnt/virtiofs0:/mnt/virtiofs1\n');
	});

	test('gives a command on a terminal no session of its own, in which it would have none', () => {
		const script = jobScript({ ...job, terminal: { rows: 7, columns: 8 } }).toString();
		expect(script).toMatch(/\nmerge=1\nterminal=1\nrows=7\ncolumns=8\n/);
		expect(script).not.toContain('setsid');
		expect(jobScript(job).toString()).toMatch(/\nmerge=\nterminal=\n/);
		expect(jobScript(job).toString()).toContain('setsid');
	});

	test('starts the command with exactly its arguments', () => {
		const script = Buffer.concat([jobScript(job), Buffer.from('start_command\n')]);
		expect(shell(script).toString()).toBe(`<a'b><><new\nline><${jobEnd}><-x>`);
	});

	/** The environment that a command gets after the guest has found these devices. */
	function environmentOf(changes: Partial<Job>, found: string): string[] {
		const script = jobScript({ ...job, ...changes, command: ['env', '-0'] });
		const output = shell(Buffer.concat([script, Buffer.from(`${found}\nstart_command\n`)]));
		return output.toString().split('\0').filter(Boolean).sort();
	}

	test('starts the command with exactly its environment and the variables of the VM', () => {
		const found = 'pmems=/dev/pmem0:/dev/pmem3:/dev/pmem4 nvdimms=/dev/pmem1:/dev/pmem2';
		expect(environmentOf({}, found)).toEqual(
			[
				'DAXKIND_MOUNT=/mnt/pmem0',
				'DAXKIND_MOUNTS=/mnt/pmem0:/mnt/pmem1',
				'DAXKIND_NVDIMM=/dev/pmem1',
				'DAXKIND_NVDIMMS=/dev/pmem1:/dev/pmem2',
				'DAXKIND_PMEM=/dev/pmem0',
				'DAXKIND_PMEMS=/dev/pmem0:/dev/pmem3:/dev/pmem4',
				'DAXKIND_VM=1',
				`LAST=\n${jobEnd}\n`,
				'PATH=/usr/bin:/bin',
				'odd.name=it is "odd"',
			].sort(),
		);
	});

	test('tells no mount point where there is none, nor devices of a VM around this one', () => {
		const raw = {
			devices: planDevices([64 * MIB], ['none'], ['always']),
			plugged: { nvdimm: [], virtioPmem: [] },
			environment: { DAXKIND_MOUNT: '/outer', DAXKIND_VIRTIO_PMEMS: '/dev/pmem9' },
		};
		expect(environmentOf(raw, 'pmems=/dev/pmem0')).toEqual([
			'DAXKIND_PMEM=/dev/pmem0',
			'DAXKIND_PMEMS=/dev/pmem0',
			'DAXKIND_VM=1',
		]);
	});

	test('starts the command with its environment where there is no device at all', () => {
		const none = { devices: [], plugged: {}, environment: { NAME: 'value' } };
		expect(environmentOf(none, '')).toEqual(['DAXKIND_VM=1', 'NAME=value']);
	});

	test('wants the modules and programs of each sort of device that there is', () => {
		expect(wantedFeatures({ ...job, plugged: { nvdimm: [16 * MIB], virtioPmem: [16 * MIB] }, shares: 1 })).toEqual([
			...['ext4', 'ext2', 'none'],
			...['nvdimm', 'virtio-pmem', 'virtiofs'],
		]);
		expect(jobScript(job).toString()).toContain("sets='ext4 nvdimm'");
		const plugged = { devdax: [16 * MIB], hmem: [128 * MIB], cxl: [256 * MIB] };
		expect(jobScript({ ...job, plugged }).toString()).toContain("sets='ext4 nvdimm hmem cxl'");
	});
});

test('an ext2 that another driver than ext4 has mounted cannot be dax=inode', () => {
	const check = /^check_dax\(\) \{[\s\S]*?^\}$/m.exec(stageTwoScript)![0];
	const output = shell(Buffer.from(`${check}\ncheck_dax ext2 inode /dev/pmem99 /mnt/pmem99; echo "$?"`)).toString();
	expect(output).toMatch(/does not know the DAX flag of files: dax=inode on ext2 needs the ext4 driver\n1\n$/);
});
