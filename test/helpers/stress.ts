// The stress run (npm run stress) as a child process.
import { fileURLToPath } from 'node:url';
import { execFile, type Outcome } from './children.ts';

const program = fileURLToPath(new URL('../../scripts/stress/run.mjs', import.meta.url));

/** Runs it to its end. */
export const stress = (...args: (string | number)[]) => stressWith([], ...args);

/** Runs it to its end, with options of Node. */
export async function stressWith(options: string[], ...args: (string | number)[]): Promise<Outcome> {
	const command = [...options, program, ...args.map(String)];
	try {
		const printed = await execFile(process.execPath, command, { maxBuffer: 2 ** 24 });
		return { status: 0, ...printed };
	} catch (error) {
		const { code, signal, stdout, stderr } = error as Outcome & { code: number | null; signal: NodeJS.Signals };
		return { status: code ?? signal, stdout, stderr };
	}
}

/** The numbers and the kinds of its summary. */
export function summaryOf(stdout: string) {
	const [, done, outOfMemory, checked, killed] =
		/^(\d+) operations, (\d+) of them out of memory, (\d+) contents checked, (\d+) workers terminated\.$/m
			.exec(stdout)!
			.map(Number) as [number, number, number, number, number];
	const [, never] = /^Never done: (.*)\.$/m.exec(stdout) ?? [];
	const kinds = /^Kinds: (.*)\.$/m.exec(stdout)![1]!.split(', ');
	return { done, outOfMemory, checked, killed, never: never?.split(', ') ?? [], kinds };
}
