// Directories that the guest shares with this machine: what either side writes comes through, and nothing is left
// behind.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { virtiofsObstacle } from '../../scripts/share.mjs';
import { childrenOf, isAlive, until } from '../helpers/process.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { BOOT_MS, missing, startVm, vm } from '../helpers/vm.ts';

const obstacle = missing.length > 0 ? `needs ${missing.join(', ')}` : await virtiofsObstacle();

/** Makes a directory to share, and an empty one for the VM's temporary files. */
function directories(name = 'shared') {
	const parent = temporaryDirectory();
	const shared = join(parent, name);
	const temporary = join(parent, 'temporary');
	for (const directory of [shared, temporary]) mkdirSync(directory);
	return { shared, temporary };
}

describe.skipIf(obstacle)(`sharing by virtiofs (${obstacle ?? 'works here'})`, { timeout: BOOT_MS }, () => {
	test('shows the guest what is there and keeps what it writes, by calls and through mappings', async () => {
		const { shared, temporary } = directories('a name, with all: \\ sorts');
		const { shared: second } = directories();
		writeFileSync(join(shared, 'host'), 'from the host');
		const script = `cat "$DAXKIND_VIRTIOFS/host" && echo 'by a call' >/mnt/virtiofs1/call &&
			truncate -s 4096 "$DAXKIND_VIRTIOFS/mapping" && ${process.execPath} --input-type=module -e "
				import { mapFile } from 'daxkind';
				mapFile('/mnt/virtiofs0/mapping').buffer.write('through a mapping');" && echo " $DAXKIND_VIRTIOFS_MOUNTS"`;
		const options = ['--fs', 'none', '--virtiofs', shared, '--virtiofs', second];
		const { status, stdout, stderr } = await vm([...options, '--', 'sh', '-c', script], { env: { TMPDIR: temporary } });
		expect({ status, stdout, stderr }).toEqual({
			status: 0,
			stdout: 'from the host /mnt/virtiofs0:/mnt/virtiofs1\n',
			stderr: '',
		});
		expect(readFileSync(join(second, 'call'), 'utf8')).toBe('by a call\n');
		expect(readFileSync(join(shared, 'mapping'), 'utf8').replaceAll('\0', '')).toBe('through a mapping');
		expect(readdirSync(temporary)).toEqual([]);
	});

	test('ends, and says how, when virtiofsd does', async () => {
		const { shared } = directories();
		const { host, ended } = startVm(['--fs', 'none', '--virtiofs', shared, '--', 'sleep', '1000']);
		let daemon: number | undefined;
		await until(() => {
			daemon = childrenOf(host.pid!).find(isServing);
			return daemon !== undefined || host.exitCode !== null;
		});
		process.kill(daemon!, 'SIGKILL');
		expect(await ended).toEqual({
			status: 125,
			stderr: `daxkind vm: virtiofsd failed to share ${shared}: it ended with SIGKILL\n`,
		});
	});

	test.each(['SIGKILL', 'SIGTERM'] as const)(
		'leaves no virtiofsd, and no file of its own, behind when its host process gets %s',
		async (signal) => {
			const { shared, temporary } = directories();
			const options = ['--fs', 'none', '--virtiofs', shared];
			const { host, ended } = startVm([...options, '--', 'sleep', '1000'], { TMPDIR: temporary });
			let family: number[] = [];
			await until(() => {
				const children = childrenOf(host.pid!);
				family = [...children, ...children.flatMap(childrenOf)];
				// virtiofsd has a child that serves once QEMU is there.
				const serves = children.some((pid) => nameOf(pid)?.startsWith('qemu')) && family.length > children.length;
				return serves || host.exitCode !== null;
			});
			await sleep(100);
			host.kill(signal);
			expect(await ended).toEqual({ status: signal === 'SIGTERM' ? 143 : 'SIGKILL', stderr: '' });
			await until(() => !family.some(isAlive) && readdirSync(temporary).length === 0);
		},
	);
});

/** Whether a process is a virtiofsd that serves, and not one that was only asked for its help. */
function isServing(pid: number): boolean {
	try {
		return nameOf(pid) === 'virtiofsd' && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('--socket-path');
	} catch {
		return false;
	}
}

function nameOf(pid: number): string | undefined {
	try {
		return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
	} catch {
		return undefined;
	}
}
