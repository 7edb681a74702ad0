// From the memory table of a guest to DAX in it. A guest reads its own table, and a plan is made. A second guest is
// booted with exactly what was printed, and its disks are formatted and mounted by exactly the commands that verify
// prints there. And what the kernel makes of wrong arguments, and what verify says of that. A Node process takes some
// seconds to start in a guest, so the tests start few.
import { fileURLToPath } from 'node:url';
import type { MemmapPlan, MemmapVerification } from 'daxkind/memmap';
import { describe, expect, test } from 'vitest';
import { missingVmPackages } from '#lib/vm/index.js';
import { cli } from '../helpers/cli.ts';
import { BOOT_MS, missing, vm } from '../helpers/vm.ts';

const noFirmware = process.arch === 'x64' ? missingVmPackages(['uefi']) : ['an x86-64 machine'];

const built = (entry: string) => fileURLToPath(new URL(`../../dist/${entry}/index.js`, import.meta.url));

/**
 * Runs shell commands in a guest without pmem of its own, and returns what they print. `daxkind` and `node` are among
 * the commands.
 */
async function guest(options: readonly string[], script: string): Promise<string> {
	const known = `node() { '${process.execPath}' "$@"; }; daxkind() { node '${cli}' "$@"; }`;
	const { status, stdout, stderr } = await vm(['--no-pmem', ...options, '--', 'sh', '-c', `${known}\n${script}`]);
	expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
	return stdout;
}

/** The plan that a guest makes for itself. */
const planned = async (machine: readonly string[], wish: string): Promise<MemmapPlan> =>
	JSON.parse(await guest(machine, `daxkind memmap plan ${wish} --json`)) as MemmapPlan;

interface Loop {
	before: MemmapVerification;
	after: MemmapVerification;
	/** What explain says of each mount. */
	dax: (boolean | undefined)[];
}

/**
 * A shell command that verifies, formats and mounts the disks as verify says, verifies again, and asks explain. It
 * prints a `Loop`.
 */
const follow = (...kinds: ('ext4' | 'xfs')[]) => `node --input-type=module --eval "
	import { execFileSync } from 'node:child_process';
	import { explain } from '${built('dax')}';
	import { verifyMemmap } from '${built('memmap')}';
	const before = verifyMemmap();
	for (const [n, kind] of ${JSON.stringify(kinds).replaceAll('"', "'")}.entries()) {
		const { mkfs, mount } = before.devices[n].format.find(({ fileSystem }) => fileSystem === kind);
		for (const command of [mkfs, mount]) execFileSync('sh', ['-c', command], { stdio: 'ignore' });
	}
	const after = verifyMemmap();
	const dax = after.devices.map(({ mountPoint }) => explain(mountPoint).dax);
	console.log(JSON.stringify({ before, after, dax }));
"`;

const linksOf = ({ checks }: MemmapVerification, verdict: string) =>
	checks.filter((check) => check.verdict === verdict).map(({ link }) => link);

describe.skipIf(missing.length > 0)(
	`a closed loop (needs ${missing.join(', ') || 'nothing more'})`,
	{ timeout: 4 * BOOT_MS },
	() => {
		test('one region, on the pc machine, by what a person reads', async () => {
			const machine = ['--memory', '6G'];
			const [argument = ''] = (await guest(machine, 'daxkind memmap plan --size 1G')).split('\n');
			expect(argument).toMatch(/^memmap=1G!4G( nokaslr)?$/);
			const text = await guest(
				[...machine, '--append', argument],
				`daxkind memmap verify >/tmp/said; echo $?
				head -n 7 /tmp/said
				sed -n 3,4p /tmp/said | sh -e >/dev/null 2>&1
				${follow()}`,
			);
			const [status, answer, ...rest] = text.split('\n');
			expect([status, answer]).toEqual(['1', 'Not ready: /dev/pmem0 has no file system']);
			expect(rest.slice(0, 6)).toEqual([
				'Fix, with ext4:',
				expect.stringMatching(/^ {4}mkfs\.ext4 .* \/dev\/pmem0$/),
				expect.stringMatching(/^ {4}mkdir .* && mount -o dax=always \/dev\/pmem0 \/mnt\/pmem0$/),
				'Or, with xfs:',
				expect.stringMatching(/^ {4}mkfs\.xfs .* \/dev\/pmem0$/),
				expect.stringMatching(/^ {4}mkdir /),
			]);
			const { after, dax } = JSON.parse(rest[6]!) as Loop;
			expect(after).toMatchObject({
				ok: true,
				devices: [{ device: '/dev/pmem0', mountPoint: '/mnt/pmem0', dax: true }],
			});
			expect(after.checks.filter(({ verdict }) => verdict !== 'ok')).toEqual([]);
			expect(dax).toEqual([true]);
		});

		test('two namespaces of the second node, on the q35 machine, with memory above and below the hole', async () => {
			const machine = ['--memory', '6G', '--machine', 'q35', '--nodes', '2'];
			const { argument, regions } = await planned(machine, '--size 512M --count 2 --node 1');
			const [first, second] = regions;
			expect(first!.start).toBeGreaterThan(4 * 2 ** 30);
			const text = await guest([...machine, '--append', argument!], follow('ext4', 'xfs'));
			const { before, after, dax } = JSON.parse(text) as Loop;
			expect(linksOf(before, 'broken')).toEqual(['file system', 'file system']);
			expect(after).toMatchObject({
				ok: true,
				argument,
				devices: [
					{ ...first, device: '/dev/pmem0', fileSystem: 'ext4', dax: true },
					{ ...second, device: '/dev/pmem1', fileSystem: 'xfs', dax: true },
				],
			});
			expect(after.checks.filter(({ verdict }) => verdict !== 'ok')).toEqual([]);
			expect(dax).toEqual([true, true]);
		});

		test.skipIf(noFirmware.length > 0)(`UEFI firmware (needs ${noFirmware.join(', ') || 'nothing more'})`, async () => {
			const machine = ['--memory', '6G', '--firmware', 'uefi'];
			const { argument, table } = await planned(machine, '--size 1G');
			expect(table.source).toBe('sysfs');
			const { after, dax } = JSON.parse(await guest([...machine, '--append', argument!], follow('ext4'))) as Loop;
			expect(after).toMatchObject({ ok: true, argument });
			expect(dax).toEqual([true]);
		});
	},
);

test.skipIf(missing.length > 0)(
	'wrong arguments: what the kernel makes of them, and what is said of that',
	{ timeout: 2 * BOOT_MS },
	async () => {
		const overHole = 'memmap=512M!2816M';
		const misaligned = 'memmap=256M!4353M';
		const overlapping = 'memmap=512M!5G,512M!5376M';
		const text = await guest(
			['--memory', '6G', '--append', `${overHole} ${misaligned} ${overlapping}`],
			`daxkind memmap verify --json
			echo =
			ls /dev/pmem*
			echo =
			grep 'Persistent Memory' /proc/iomem`,
		);
		const [json, disks, iomem] = text.split('\n=\n') as [string, string, string];
		// There is a disk where there is no memory. There is none where a region is misaligned, and one for each part
		// of the regions that overlap.
		expect(disks.split('\n')).toEqual(['/dev/pmem2', '/dev/pmem4', '/dev/pmem5', '/dev/pmem6']);
		expect(iomem.match(/[\da-f]+-[\da-f]+(?= : Persistent Memory \(legacy\))/g)).toEqual([
			...['b0000000-bffdffff', 'bffe0000-bfffffff', 'c0000000-cfffffff'],
			'110100000-1200fffff',
			...['140000000-14fffffff', '150000000-15fffffff', '160000000-16fffffff'],
		]);
		const { ok, checks } = JSON.parse(json) as MemmapVerification;
		expect(ok).toBe(false);
		expect(checks.filter(({ verdict }) => verdict === 'broken')).toMatchObject([
			{
				link: 'memory',
				entry: '512M!2816M',
				finding: expect.stringMatching(/0xc0000000-0xcfffffff is in no row/),
			},
			{ link: 'memory', entry: '512M!5G', finding: expect.stringMatching(/^512M!5G overlaps memmap=512M!5376M/) },
			{ link: 'memory', entry: '512M!5376M' },
			{
				link: 'namespace',
				entry: '256M!4353M',
				finding: expect.stringMatching(/begins at 4353M, which is not a multiple/),
			},
		]);
	},
);
