// Boots real guests. What needs DAX itself is tested inside one, in test/vm.
import { execFile, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { missingVmPackages } from '#lib/vm/index.js';

const cli = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const missing = process.arch === 'x64' ? missingVmPackages() : ['an x86-64 machine'];
const BOOT_MS = 60_000;

interface Outcome {
	status: unknown;
	stdout: string;
	stderr: string;
}

function vm(args: string[], input = ''): Promise<Outcome> {
	return new Promise((resolve) => {
		const options = { encoding: 'latin1', maxBuffer: 64 * 2 ** 20 } as const;
		const child = execFile(process.execPath, [cli, 'vm', ...args], options, (error, stdout, stderr) =>
			resolve({ status: error ? error.code : 0, stdout, stderr }),
		);
		child.stdin!.end(input, 'latin1');
	});
}

/** Processes whose parent is `pid`; a zombie is none. */
function childrenOf(pid: number): number[] {
	return readdirSync('/proc').flatMap((name) => {
		try {
			const [state, parent] = readFileSync(`/proc/${Number(name)}/stat`, 'utf8')
				.replace(/^.*\) /, '')
				.split(' ');
			return Number(parent) === pid && state !== 'Z' ? [Number(name)] : [];
		} catch {
			return [];
		}
	});
}

function isAlive(pid: number): boolean {
	try {
		return !/^State:\s*[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
	} catch {
		return false;
	}
}

async function until(condition: () => boolean): Promise<void> {
	while (!condition()) await sleep(50);
}

describe.skipIf(missing.length > 0)(
	`a guest (needs ${missing.join(', ') || 'nothing more'})`,
	{ timeout: BOOT_MS },
	() => {
		test('takes stdin, gives stdout and stderr apart, byte for byte, and the exit status', async () => {
			const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)).toString('latin1');
			const input = every.repeat(4096);
			const script =
				'cat; echo "$DAXKIND_MOUNT $DAXKIND_PMEM" >&2; grep -c "$DAXKIND_MOUNT ext4 .*dax=always" /proc/mounts >&2; exit 7';
			const { status, stdout, stderr } = await vm(['--pmem', '64M', '--', 'sh', '-c', script], input);
			expect(stderr).toBe('/mnt/pmem0 /dev/pmem0\n1\n');
			expect(stdout === input).toBe(true);
			expect(status).toBe(7);
		});

		test('that hangs is killed after the timeout, with status 124', async () => {
			const { status, stderr } = await vm(['--timeout', '1', '--', 'sleep', '1000']);
			expect(status).toBe(124);
			expect(stderr).toMatch(/did not end within 1 s/);
		});

		test.each(['SIGKILL', 'SIGTERM'] as const)(
			'leaves no QEMU behind when its host process gets %s',
			async (signal) => {
				const host = spawn(process.execPath, [cli, 'vm', '--', 'sleep', '1000'], {
					stdio: ['ignore', 'ignore', 'inherit'],
				});
				const ended = new Promise((resolve) => host.once('exit', (code, killer) => resolve(killer ?? code)));
				const isGuest = (pid: number) => readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('memmap=512M');
				let guests: number[] = [];
				await until(() => {
					guests = childrenOf(host.pid!).filter(isGuest);
					return guests.length > 0 || host.exitCode !== null;
				});
				host.kill(signal);
				expect(await ended).toBe(signal === 'SIGTERM' ? 143 : 'SIGKILL');
				await until(() => !guests.some(isAlive));
			},
		);
	},
);
