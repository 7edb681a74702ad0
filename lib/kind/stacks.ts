// Where something was called for, in words that are kept for a warning.

// Taken once: others may be put in their place later.
const { captureStackTrace } = Error;

/** Where a function was called. Scripts have a say in it (Error.prepareStackTrace), and can run in the middle of this. */
export function stackOf(callers: (...args: never[]) => unknown): string {
	const at: { stack?: unknown } = {};
	try {
		captureStackTrace(at, callers);
		// Read now: before, it is made of frames, which keep what they work on from being garbage.
		const { stack } = at;
		if (typeof stack === 'string') return stack.slice(stack.indexOf('\n') + 1);
	} catch {
		// What the script throws is not the caller's fault.
	}
	return '    (unknown: Error.prepareStackTrace or Error.stackTraceLimit has been changed)';
}
