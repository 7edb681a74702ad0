// Calls that may fail where a report goes on without what they give.
import type { SystemError } from '../errors.ts';

/** What a call gives, or the code of the system error that it throws. */
export function attempt<T>(call: () => T): { value: T; error?: undefined } | { value?: undefined; error: string } {
	try {
		return { value: call() };
	} catch (error) {
		const { code } = error as SystemError;
		if (code === undefined) throw error;
		return { error: code };
	}
}
