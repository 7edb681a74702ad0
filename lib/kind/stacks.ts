// The stack of a call as text, which is kept for a warning.

// Taken once, because a script may replace it later.
const { captureStackTrace } = Error;

/**
 * The stack where a function was called. A script can change the text (Error.prepareStackTrace), and so can run in the
 * middle of this function.
 */
export function stackOf(callers: (...args: never[]) => unknown): string {
	const at: { stack?: unknown } = {};
	try {
		captureStackTrace(at, callers);
		// It is read at once. Until then it consists of frames, which keep the objects that they work on alive.
		const { stack } = at;
		if (typeof stack === 'string') return stack.slice(stack.indexOf('\n') + 1);
	} catch {
		// An error of the script is not the caller's fault.
	}
	return '    (unknown: Error.prepareStackTrace or Error.stackTraceLimit has been changed)';
}
