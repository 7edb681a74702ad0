// The error that a call throws, to be looked at.
import { expect } from 'vitest';

/** Fails the test if nothing is thrown. */
export function thrown(call: () => unknown): NodeJS.ErrnoException {
	try {
		call();
	} catch (error) {
		return error as NodeJS.ErrnoException;
	}
	return expect.fail('nothing was thrown');
}
