// The stress run (npm run stress) as a child process.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../scripts/stress/main.mjs', import.meta.url));

export interface StressSummary {
	kinds: { sort: string; directory: string; dax?: boolean }[];
	done: number;
	outOfMemory: number;
	checked: number;
	killed: number;
	operations: Record<string, number>;
}

/** Runs it to its end. */
export function stress(...args: (string | number)[]): Promise<{ status: unknown; stdout: string; stderr: string }> {
	return new Promise((resolve) => {
		const command = [program, '--json', ...args.map(String)];
		execFile(process.execPath, command, { maxBuffer: 2 ** 24 }, (error, stdout, stderr) =>
			resolve({ status: error ? (error.code ?? error.signal) : 0, stdout, stderr }),
		);
	});
}
