// From the memory table of a guest to DAX in it: its own table is read in it, a plan is made, a second guest is booted with exactly what was
// printed, and its disks are formatted and mounted by exactly the commands that `memmap verify` prints there. And what the kernel makes of
// arguments that are wrong, and what is said of that.
import type { Explanation } from 'daxkind/dax';
import type { MemmapPlan, Verification } from 'daxkind/memmap';
import { describe, expect, test } from 'vitest';
import { missingVmPackages } from '#lib/vm/index.js';
import { BOOT_MS, cli, missing, vm } from '../helpers/vm.ts';

const noFirmware = process.arch === 'x64' ? missingVmPackages(['uefi']) : ['an x86-64 machine'];

/** Runs shell commands, to which `daxkind` is known, in a guest without pmem of its own. What they print. */
async function guest(options: readonly string[], script: string): Promise<string> {
	const daxkind = `daxkind() { '${process.execPath}' '${cli}' "$@"; }`;
	const { status, stdout, stderr } = await vm(['--no-pmem', ...options, '--', 'sh', '-c', `${daxkind}\n${script}`]);
	expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
	return stdout;
}

/** What a guest plans for itself: what a person reads first, and the same for programs. */
async function planned(machine: readonly string[], wish: string): Promise<{ argument: string; plan: MemmapPlan }> {
	const text = await guest(machine, `daxkind memmap plan ${wish} | head -n 1; daxkind memmap plan ${wish} --json`);
	const end = text.indexOf('\n');
	return { argument: text.slice(0, end), plan: JSON.parse(text.slice(end)) as MemmapPlan };
}

interface Loop {
	statuses: [before: number, after: number];
	before: Verification;
	after: Verification;
	explained: Explanation[];
}

/** Lines of what verify prints: the commands for ext4, and those for XFS. */
const printed = { ext4: '3,4', xfs: '6,7' };

/** A second guest, with the argument as it was printed. */
async function booted(
	machine: readonly string[],
	argument: string,
	kinds: readonly (keyof typeof printed)[] = ['ext4'],
): Promise<Loop> {
	const make = kinds.map((kind) => `daxkind memmap verify | sed -n ${printed[kind]}p | sh -e >/dev/null 2>&1`);
	const points = kinds.map((_, n) => `$(daxkind explain --json /mnt/pmem${n})`);
	const text = await guest(
		[...machine, '--append', argument],
		`before=$(daxkind memmap verify --json); first=$?
		${make.join('\n')}
		after=$(daxkind memmap verify --json); second=$?
		echo "{\\"before\\": $before, \\"after\\": $after, \\"statuses\\": [$first, $second], \\"explained\\": [${points.join()}]}"`,
	);
	return JSON.parse(text) as Loop;
}

const linksOf = ({ checks }: Verification, verdict: string) =>
	checks.filter((check) => check.verdict === verdict).map(({ link }) => link);

describe.skipIf(missing.length > 0)(
	`a closed loop (needs ${missing.join(', ') || 'nothing more'})`,
	{ timeout: 4 * BOOT_MS },
	() => {
		test('one region, on the pc machine', async () => {
			const machine = ['--memory', '6G'];
			const { argument, plan } = await planned(machine, '--size 1G');
			expect(plan).toMatchObject({ argument: 'memmap=1G!4G', table: { source: 'sysfs' } });
			const { before, after, statuses, explained } = await booted(machine, argument);
			expect(before).toMatchObject({ ok: false, argument: 'memmap=1G!4G', reason: '/dev/pmem0 has no file system' });
			expect(linksOf(before, 'broken')).toEqual(['file system']);
			expect(after).toMatchObject({ ok: true, devices: [{ device: '/dev/pmem0', mountPoint: '/mnt/pmem0', dax: true }] });
			expect(after.checks.filter(({ verdict }) => verdict !== 'ok')).toEqual([]);
			expect(explained).toMatchObject([{ dax: true }]);
			expect(statuses).toEqual([1, 0]);
		});

		test('two namespaces of the second node, on the q35 machine, with memory above and below the hole', async () => {
			const machine = ['--memory', '6G', '--machine', 'q35', '--nodes', '2'];
			const { argument, plan } = await planned(machine, '--size 512M --count 2 --node 1');
			const [first, second] = plan.regions;
			expect(first!.start).toBeGreaterThan(4 * 2 ** 30);
			const { before, after, explained } = await booted(machine, argument, ['ext4', 'xfs']);
			expect(linksOf(before, 'broken')).toEqual(['file system', 'file system']);
			expect(after).toMatchObject({
				ok: true,
				devices: [
					{ ...first, device: '/dev/pmem0', fileSystem: 'ext4', dax: true },
					{ ...second, device: '/dev/pmem1', fileSystem: 'xfs', dax: true },
				],
			});
			expect(after.checks.filter(({ verdict }) => verdict !== 'ok')).toEqual([]);
			expect(explained).toMatchObject([{ dax: true }, { dax: true }]);
		});

		test.skipIf(noFirmware.length > 0)(`UEFI firmware (needs ${noFirmware.join(', ') || 'nothing more'})`, async () => {
			const machine = ['--memory', '6G', '--firmware', 'uefi'];
			const { argument, plan } = await planned(machine, '--size 1G');
			expect(plan.table.source).toBe('sysfs');
			const { after, explained, statuses } = await booted(machine, argument);
			expect(after).toMatchObject({ ok: true, argument: plan.argument });
			expect(explained).toMatchObject([{ dax: true }]);
			expect(statuses).toEqual([1, 0]);
		});
	},
);

describe.skipIf(missing.length > 0)('arguments that are wrong', { timeout: 2 * BOOT_MS }, () => {
	interface Wrong {
		disks: string;
		iomem: string;
		verification: Verification;
	}

	async function wrong(argument: string): Promise<Wrong> {
		const text = await guest(
			['--memory', '6G', '--append', argument],
			`daxkind memmap verify --json
			echo =
			ls /dev/pmem*
			echo =
			grep 'Persistent Memory' /proc/iomem || true`,
		);
		const [json, disks, iomem] = text.split('\n=\n') as [string, string, string];
		return { disks: disks.trim(), iomem, verification: JSON.parse(json) as Verification };
	}

	test('over the hole of the devices: the kernel makes a disk where there is no memory', async () => {
		const { disks, iomem, verification } = await wrong('memmap=512M!2816M');
		expect(disks).toBe('/dev/pmem0');
		expect(iomem).toContain('b0000000-cfffffff : Persistent Memory (legacy)');
		expect(verification).toMatchObject({ ok: false, reason: expect.stringMatching(/^512M!2816M must not be used: /) });
		expect(verification.reason).toMatch(/0xc0000000-0xcfffffff is nothing at all/);
	});

	test('misaligned, and overlapping: regions without a disk, and regions of the parts', async () => {
		const { disks, iomem, verification } = await wrong('memmap=256M!4353M memmap=512M!5G memmap=512M!5376M');
		// 5 GiB to 5.25 GiB, 5.25 to 5.5, 5.5 to 5.75.
		expect(iomem.match(/Persistent Memory/g)).toHaveLength(4);
		expect(disks.split('\n')).toEqual(['/dev/pmem1', '/dev/pmem2', '/dev/pmem3']);
		expect(verification.ok).toBe(false);
		const broken = verification.checks.filter(({ verdict }) => verdict === 'broken');
		expect(broken).toMatchObject([
			{ link: 'memory', entry: '512M!5G', finding: expect.stringMatching(/^512M!5G overlaps memmap=512M!5376M/) },
			{ link: 'memory', entry: '512M!5376M' },
			{ link: 'namespace', entry: '256M!4353M', finding: expect.stringMatching(/begins at 4353M, which is no multiple/) },
		]);
	});
});
