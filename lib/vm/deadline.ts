// Makes one signal of a time limit and a caller's signal. AbortSignal.any and AbortSignal.timeout would do the same,
// but they hold their sources weakly.

/**
 * Makes a signal that aborts after `ms` milliseconds, or when `signal` does (with its reason). `clear` ends both
 * watches.
 */
export function deadline(ms: number, signal: AbortSignal | undefined): { signal: AbortSignal; clear: () => void } {
	const controller = new AbortController();
	const timer = setTimeout(() => controller.abort(), ms);
	const forward = () => controller.abort(signal?.reason);
	if (signal?.aborted) forward();
	else signal?.addEventListener('abort', forward, { once: true });
	return {
		signal: controller.signal,
		clear: () => {
			clearTimeout(timer);
			signal?.removeEventListener('abort', forward);
		},
	};
}
