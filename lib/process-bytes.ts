// The caller's environment, arguments and directory as bytes. Node decodes them as UTF-8 and loses bytes that are not
// UTF-8. /proc/self still has them.
import { readFileSync, readlinkSync } from 'node:fs';

/** Environment variables. A value that is not UTF-8 is given as bytes. */
export type Environment = Record<string, string | Buffer | undefined>;

/** Splits NUL-terminated bytes, as in /proc/PID/environ and /proc/PID/cmdline. */
function splitNul(bytes: Buffer): Buffer[] {
	const parts: Buffer[] = [];
	for (let start = 0; start < bytes.length; ) {
		const end = bytes.indexOf(0, start);
		parts.push(bytes.subarray(start, end < 0 ? bytes.length : end));
		start = end < 0 ? bytes.length : end + 1;
	}
	return parts;
}

/**
 * Gives decoded variables their original bytes back.
 *
 * @param env The variables as Node has them now.
 * @param initial The environment that the process started with.
 * @returns `env`, with the original bytes of each variable that is not UTF-8 and has not changed since the start.
 */
export function withOriginalBytes(env: NodeJS.ProcessEnv, initial: Buffer): Environment {
	const result: Environment = { ...env };
	for (const entry of splitNul(initial)) {
		const equals = entry.indexOf(0x3d, 1);
		if (equals < 0) continue;
		const name = entry.subarray(0, equals).toString();
		const value = entry.subarray(equals + 1);
		const decoded = value.toString();
		if (decoded.includes('\ufffd') && env[name] === decoded) result[name] = value;
	}
	return result;
}

/**
 * Returns the last arguments of this process as bytes where they are not UTF-8 and its command line still has them.
 *
 * @param decoded These arguments as Node decoded them.
 */
export function originalArguments(decoded: readonly string[], commandLine: Buffer): (string | Buffer)[] {
	const exact = splitNul(commandLine).slice(-decoded.length);
	return decoded.map((text, n) => (text.includes('\ufffd') && exact[n]?.toString() === text ? exact[n]! : text));
}

const orEmpty = (path: string): Buffer => {
	try {
		return readFileSync(path);
	} catch {
		return Buffer.alloc(0); // no /proc: the decoded values have to do
	}
};

/** This process's environment. */
export const processEnvironment = (): Environment => withOriginalBytes(process.env, orEmpty('/proc/self/environ'));

/** The last arguments of this process's command line, as bytes where they are not UTF-8. */
export const processArguments = (decoded: readonly string[]): (string | Buffer)[] =>
	decoded.length === 0 ? [] : originalArguments(decoded, orEmpty('/proc/self/cmdline'));

/** This process's directory, as bytes where it is not UTF-8. */
export function processDirectory(): string | Buffer {
	const decoded = process.cwd();
	if (!decoded.includes('\ufffd')) return decoded;
	return readlinkSync('/proc/self/cwd', { encoding: 'buffer' });
}
