// Runs a helper program to its end and collects what it says.
import { spawn } from 'node:child_process';

export interface Outcome {
	/** Exit status; 128+n or 255 for a program ended by a signal or never started. */
	status: number;
	stdout: Buffer;
	stderr: string;
}

/** Runs a program without a shell, in the C locale. Never rejects: a program that cannot be started has status 255 and says why in stderr. */
export function execute(
	program: string,
	args: readonly string[],
	{ cwd, input, signal }: { cwd?: string; input?: Uint8Array; signal?: AbortSignal | undefined } = {},
): Promise<Outcome> {
	return new Promise((resolve) => {
		const child = spawn(program, args, { cwd, signal, env: { ...process.env, LC_ALL: 'C' } });
		const stdout: Buffer[] = [];
		const stderr: Buffer[] = [];
		child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
		child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
		child.stdin.on('error', () => {}); // it need not read all
		child.on('error', (error) => resolve({ status: 255, stdout: Buffer.alloc(0), stderr: error.message }));
		child.on('close', (code) =>
			resolve({ status: code ?? 128, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() }),
		);
		child.stdin.end(input);
	});
}
