// Calls that may fail where a report goes on without what they give.
import type { SystemError } from './errors.ts';

/** What this process, or the machine, has no more of says nothing about what was asked: no report goes on without the answer. */
const wants: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOMEM']);

/** What a call gives, or the code of the system error that it throws; out of descriptors or memory, it is thrown on. */
export function attempt<T>(call: () => T): { value: T; error?: undefined } | { value?: undefined; error: string } {
	try {
		return { value: call() };
	} catch (error) {
		const { code, syscall } = error as Partial<SystemError>;
		if (code === undefined || syscall === undefined || wants.has(code)) throw error;
		return { error: code };
	}
}
