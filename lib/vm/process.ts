// Runs a helper program to its end and collects its output.
import { spawn } from 'node:child_process';

export interface Outcome {
	/** Exit status. A program that a signal ended has 128, and one that never started 255. */
	status: number;
	stdout: Buffer;
	stderr: string;
}

/**
 * Runs a program without a shell, in the C locale. Never rejects: if the program cannot be started, the status is 255
 * and stderr says why.
 */
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
		child.stdin.on('error', () => {}); // the program need not read all of it
		child.on('error', (error) => resolve({ status: 255, stdout: Buffer.alloc(0), stderr: error.message }));
		child.on('close', (code) =>
			resolve({ status: code ?? 128, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() }),
		);
		child.stdin.end(input);
	});
}
