// Makes calls that may fail, for reports that can do without the result.
import type { SystemError } from './errors.ts';

/**
 * The process or the machine has run out of these. That says nothing about what was asked, so a report must not go on.
 */
const wants: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOMEM']);

/**
 * The result of a call, or the code of the system error that it throws. If descriptors or memory have run out, it
 * throws.
 */
export function attempt<T>(call: () => T): { value: T; error?: undefined } | { value?: undefined; error: string } {
	try {
		return { value: call() };
	} catch (error) {
		const { code, syscall } = error as Partial<SystemError>;
		if (code === undefined || syscall === undefined || wants.has(code)) throw error;
		return { error: code };
	}
}
