// `daxkind vm` as a process of its own.
import { execFile, spawn } from 'node:child_process';
import { fileSystems, missingVmPackages } from '#lib/vm/index.js';
import { leftMs } from './children.ts';
import { cli } from './cli.ts';

/** What this machine lacks to boot a guest without virtiofs. */
export const missing = process.arch === 'x64' ? missingVmPackages(fileSystems) : ['an x86-64 machine'];

/** A time in milliseconds that is longer than a boot. */
export const BOOT_MS = 60_000;

/**
 * The time limit of a guest: that of its test. The signal is SIGTERM, so that the process takes the guest with it.
 */
const limit = () => ({ timeout: leftMs() });

/** Runs it to its end. Its streams are bytes, as latin1 strings. */
export function vm(
	args: string[],
	{ input = '', env = {} }: { input?: string; env?: Record<string, string> } = {},
): Promise<{ status: unknown; stdout: string; stderr: string }> {
	return new Promise((resolve) => {
		const options = {
			...limit(),
			encoding: 'latin1',
			maxBuffer: 64 * 2 ** 20,
			env: { ...process.env, ...env },
		} as const;
		const child = execFile(process.execPath, [cli, 'vm', ...args], options, (error, stdout, stderr) =>
			resolve({ status: error ? error.code : 0, stdout, stderr }),
		);
		child.stdin!.end(input, 'latin1');
	});
}

/** Starts it. `ended` resolves with what it printed on stderr, and its exit status or the signal that killed it. */
export function startVm(args: string[], env: Record<string, string> = {}) {
	const host = spawn(process.execPath, [cli, 'vm', ...args], {
		...limit(),
		stdio: ['ignore', 'ignore', 'pipe'],
		env: { ...process.env, ...env },
	});
	let stderr = '';
	host.stderr.setEncoding('utf8').on('data', (text) => {
		stderr += text;
	});
	const ended = new Promise<{ status: unknown; stderr: string }>((resolve) =>
		host.once('close', (code, killer) => resolve({ status: killer ?? code, stderr })),
	);
	return { host, ended };
}
