// Boots real guests. What needs DAX itself is tested inside one, in test/guest.
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { missingVmPackages } from '#lib/vm/index.js';
import { spawn, spawnSync } from '../helpers/children.ts';
import { cli, hasScript } from '../helpers/cli.ts';
import { childrenOf, commandLine, isAlive, until } from '../helpers/process.ts';
import { BOOT_MS, missing, startVm, vm } from '../helpers/vm.ts';

const hasTools = ['ndctl', 'daxctl'].every((tool) => spawnSync(tool, ['--version']).status === 0);
const hasMapper = spawnSync('dmsetup', ['--version']).status === 0;

/** A program that prints the granularity of a file in each directory, and what it was read from. */
const granularity = `
	import { writeFileSync } from 'node:fs';
	import { mapFile } from 'daxkind';
	for (const directory of process.argv.slice(1)) {
		writeFileSync(directory + '/file', Buffer.alloc(4096));
		const { granularity, why } = mapFile(directory + '/file');
		console.log(granularity + ': ' + why.evidence.map(({ value }) => value).sort().reverse().join(', '));
	}`;

/** Shell: the same for a volume that is half on an nvdimm and half on other pmem. */
const volume = `
	modprobe dm-mod
	printf '0 32768 linear %s 0\\n32768 32768 linear %s 0\\n' $DAXKIND_NVDIMM $DAXKIND_PMEM | dmsetup --noudevsync create both
	dmsetup mknodes both
	made /dev/mapper/both /mnt/1
	show /mnt/1
	umount /mnt/1
	dmsetup --noudevsync remove both`;

describe.skipIf(missing.length > 0)(
	`a guest (needs ${missing.join(', ') || 'nothing more'})`,
	{ timeout: BOOT_MS },
	() => {
		test('takes stdin, gives stdout and stderr apart, byte for byte, and the exit status', async () => {
			const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)).toString('latin1');
			const input = every.repeat(4096);
			const script =
				'cat; echo "$DAXKIND_MOUNT $DAXKIND_PMEM" >&2; grep -c "$DAXKIND_MOUNT ext4 .*dax=always" /proc/mounts >&2; exit 7';
			const { status, stdout, stderr } = await vm(['--pmem', '64M', '--', 'sh', '-c', script], { input });
			expect(stderr).toBe('/mnt/pmem0 /dev/pmem0\n1\n');
			expect(stdout === input).toBe(true);
			expect(status).toBe(7);
		});

		test('mounts ext2 by the ext4 driver, without an option where the flag of a file is to decide', async () => {
			const options = ['--pmem', '64M', '--fs', 'ext2', '--mount', 'dax=always', '--mount', 'dax=inode'];
			const script =
				'grep -c "^/dev/pmem1 /mnt/pmem1 ext2 [^ ]*" /proc/mounts; grep -c dax /proc/mounts; ls /sys/fs/ext4';
			const { status, stdout, stderr } = await vm([...options, '--', 'sh', '-c', script]);
			expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
			expect(stdout.split('\n')).toEqual(['1', '1', 'features', 'pmem0', 'pmem1', '']);
		});

		test('has a CXL device that is device DAX, beside devices of other sorts, by the names that the command gets', async () => {
			const options = ['--pmem', '64M', '--fs', 'none', '--devdax', '64M', '--hmem', '128M', '--cxl', '256M'];
			const script =
				// biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's.
				'for node in $DAXKIND_CXL $DAXKIND_DEVDAXS $DAXKIND_HMEM; do d=/sys/bus/dax/devices/${node##*/}; echo $(basename $(readlink $d/driver)) $(cat $d/size); done; cat /sys/bus/nd/devices/region*/../provider';
			const { status, stdout, stderr } = await vm([...options, '--', 'sh', '-c', script]);
			expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
			// The sizes of nvdimms are smaller than they were asked for, because their namespaces keep a part for page
			// structures.
			const lines = stdout.trim().split('\n');
			expect(lines.slice(0, 3).map((line) => line.split(' ')[0])).toEqual(Array(3).fill('device_dax'));
			const [cxl, devdax, hmem] = lines.map((line) => Number(line.split(' ')[1]) / 2 ** 20) as [number, number, number];
			expect([cxl > 240, devdax > 56, hmem]).toEqual([true, true, 128]);
			expect(lines.slice(3).sort()).toEqual(['ACPI.NFIT', 'CXL', 'e820']);
		});

		test.skipIf(!hasTools)(
			'with --eadr has nvdimms of such a platform; what a file needs is what its devices need; devices of each sort are as daxctl and ndctl list them',
			{ timeout: 2 * BOOT_MS },
			async () => {
				const options = ['--pmem', '64M', '--fs', 'none', '--nvdimm', '64M', '--virtio-pmem', '64M', '--eadr'];
				const script = `
					set -e
					ndctl create-namespace --mode=fsdax -f -e namespace\${DAXKIND_NVDIMM#/dev/pmem}.0 >/dev/null
					mkdir -p /mnt/1 /mnt/2 /mnt/3
					show() { '${process.execPath}' --input-type=module -e "$GRANULARITY" "$@"; }
					made() { mkfs.ext4 -q -F -b 4096 $1; mount -o dax=always $1 $2; }
					${hasMapper ? volume : ''}
					made $DAXKIND_NVDIMM /mnt/1; made $DAXKIND_PMEM /mnt/2; made $DAXKIND_VIRTIO_PMEM /mnt/3
					show /mnt/1 /mnt/2 /mnt/3
					umount /mnt/1 /mnt/2 /mnt/3
					set +e
					for region in 0 1 2; do ndctl create-namespace --mode=devdax -f -e namespace$region.0 >/dev/null; done
					daxkind() { '${process.execPath}' '${cli}' "$@" --json; }
					echo "[$(daxctl list -D -M -i), $(daxkind devices), $(daxctl list -R -i), $(daxkind regions), $(ndctl list -R)]"`;
				const env = { GRANULARITY: granularity };
				const { stdout: all } = await vm([...options, '--', 'sh', '-c', script], { env });
				const at = all.indexOf('[');
				const found = all.slice(0, at).trim().split('\n');
				expect(found).toEqual([
					// A volume is as good as the worst device below it.
					...(hasMapper ? ['cache-line: not stated, cpu_cache'] : []),
					'byte: cpu_cache',
					'cache-line: not stated',
					'page: ENOTSUP',
				]);
				const stdout = all.slice(at);
				const [daxDevices, devices, daxRegions, regions, ndRegions] = JSON.parse(stdout) as Record<string, unknown>[][];
				const alike = (said: Record<string, unknown>[], ours: Record<string, unknown>[], key: string) => {
					expect(said).toHaveLength(3);
					for (const one of said) expect(ours.find((other) => other[key] === one[key])).toMatchObject(one);
				};
				alike(daxDevices!, devices!, 'chardev');
				alike(daxRegions!, regions!, 'path');
				// ndctl does not name the domain where the platform does not say it. Our word for that is 'unknown'.
				const domains = (list: Record<string, unknown>[], key: string) =>
					list.map((region) => [region[key], region.persistence_domain ?? 'unknown']).sort();
				expect(domains(regions!, 'name')).toEqual(domains(ndRegions!, 'dev'));
				expect(domains(regions!, 'provider')).toEqual([
					['ACPI.NFIT', 'cpu_cache'],
					['e820', 'unknown'],
					['virtio-pmem', 'unknown'],
				]);
			},
		);

		test('without pmem has what memmap= in --append makes, where a q35 with two nodes has its memory', async () => {
			const options = ['--no-pmem', '--memory', '6G', '--machine', 'q35', '--nodes', '2'];
			const script = `
				cat /proc/cmdline
				cat /sys/block/pmem0/size /sys/block/pmem1/size
				cat /sys/bus/nd/devices/region0/numa_node /sys/bus/nd/devices/region1/numa_node
				cat /sys/devices/system/node/node0/cpulist /sys/devices/system/node/node1/cpulist
				echo "$DAXKIND_VM$DAXKIND_PMEM$DAXKIND_MOUNT"
				grep -c pmem /proc/mounts
				grep -h . /sys/firmware/memmap/*/end`;
			const append = ['--append', 'memmap=512M!4G,1G!6G'];
			const { status, stdout, stderr } = await vm([...options, ...append, '--', 'sh', '-c', script]);
			expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
			const [commandLine, ...lines] = stdout.trim().split('\n');
			expect(commandLine).toMatch(/ rdinit=\/init memmap=512M!4G,1G!6G$/);
			const sectors = [2 ** 20, 2 ** 21].map(String);
			// The second node begins at 5 GiB. The last two lines: only DAXKIND_VM is set, and nothing is mounted.
			expect(lines.slice(0, 8)).toEqual([...sectors, '0', '1', '0', '1', '1', '0']);
			expect(lines).toContain('0x1ffffffff');
			expect(lines.some((end) => Number(end) > 2 ** 31 - 2 ** 18 && Number(end) < 2 ** 31)).toBe(true);
		});

		test.skipIf(missingVmPackages(['uefi']).length > 0)(
			'started by UEFI has its tables, and pmem all the same',
			{ timeout: 2 * BOOT_MS },
			async () => {
				const script =
					'cat /sys/firmware/efi/fw_platform_size; grep -h "^ACPI" /sys/firmware/memmap/*/type | sort -u; grep -c "$DAXKIND_MOUNT ext4 .*dax=always" /proc/mounts';
				const args = ['--firmware', 'uefi', '--pmem', '64M', '--', 'sh', '-c', script];
				const { status, stdout, stderr } = await vm(args);
				expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
				expect(stdout.split('\n')).toEqual(['64', 'ACPI Non-volatile Storage', 'ACPI Tables', '1', '']);
			},
		);

		test('that hangs is killed after the timeout, with status 124', async () => {
			const { status, stderr } = await vm(['--timeout', '1', '--', 'sleep', '1000']);
			expect(status).toBe(124);
			expect(stderr).toMatch(/did not end within 1 s/);
		});

		test.each(['SIGKILL', 'SIGTERM'] as const)(
			'leaves no QEMU behind when its host process gets %s',
			async (signal) => {
				const { host, ended } = startVm(['--', 'sleep', '1000']);
				const isGuest = (pid: number) => commandLine(pid).includes('memmap=512M');
				let guests: number[] = [];
				await until(() => {
					guests = childrenOf(host.pid!).filter(isGuest);
					return guests.length > 0 || host.exitCode !== null;
				});
				host.kill(signal);
				expect(await ended).toEqual({ status: signal === 'SIGTERM' ? 143 : 'SIGKILL', stderr: '' });
				await until(() => !guests.some(isAlive));
			},
		);

		test.skipIf(!hasScript)(
			'with -t gives the command a terminal as large as this one, whose Ctrl-C is the command’s, and leaves this one as it was',
			async () => {
				const inGuest =
					'tty; stty size; read -r line; echo "got $line"; until [ -n "$stop" ]; do sleep 1; done; exit 5';
				const before = 'stty rows 33 cols 101; stty -a >/tmp/daxkind-stty-$$';
				const command = `${before}; '${process.execPath}' '${cli}' vm -t --fs none -- bash -c 'trap "echo interrupted; stop=1" INT; ${inGuest}'; echo status $?; stty -a | cmp - /tmp/daxkind-stty-$$ && echo same; rm /tmp/daxkind-stty-$$`;
				const terminal = spawn('script', ['-qec', command, '/dev/null']);
				let text = '';
				terminal.stdout.setEncoding('utf8').on('data', (more) => {
					text += more;
				});
				await until(() => text.includes('33 101\r\n'));
				expect(text).toMatch(/\r\n\/dev\/pts\/\d+\r\n33 101\r\n/);
				terminal.stdin.write('typed\r');
				await until(() => text.includes('got typed\r\n'));
				terminal.stdin.write('\x03');
				await once(terminal, 'close');
				expect(text).toMatch(/typed\r\ngot typed\r\n\^Cinterrupted\r\nstatus 5\r\nsame\r\n$/);
			},
		);

		test('with -t says that it needs a terminal where there is only a pipe', async () => {
			const { status, stderr } = await vm(['-t', '--', 'true']);
			expect({ status, stderr }).toEqual({ status: 2, stderr: 'daxkind vm: -t needs a terminal as standard input\n' });
		});

		test.skipIf(!hasScript)(
			'on a terminal whose foreground it is not in, as under timeout(1), goes on and ends by a signal',
			async () => {
				const command = `timeout 1000 '${process.execPath}' '${cli}' vm --fs none -- sh -c 'echo started; sleep 1000'; echo status $?`;
				const terminal = spawn('script', ['-qec', command, '/dev/null']);
				let text = '';
				terminal.stdout.setEncoding('utf8').on('data', (more) => {
					text += more;
				});
				const below = (pid: number): number[] => childrenOf(pid).flatMap((child) => [child, ...below(child)]);
				const named = (name: RegExp) => below(terminal.pid!).find((pid) => name.test(commandLine(pid)));
				await until(() => text.includes('started\r\n'));
				const timeout = named(/^timeout\0/)!;
				const guest = named(/^[^\0]*qemu-system-x86_64\0/)!;
				terminal.stdin.write('typed\n');
				await until(() => text.includes('typed\r\n')); // the terminal's echo: it could be read now
				await new Promise((resolve) => setTimeout(resolve, 1000));
				process.kill(timeout, 'SIGTERM');
				await once(terminal, 'close');
				expect(text).toMatch(/status 143\r\n$/);
				await until(() => !isAlive(guest));
			},
		);
	},
);
