// One signal out of a time limit and somebody's signal. AbortSignal.any and AbortSignal.timeout would do, but hold their sources weakly.

/** A signal that aborts after `ms`, or when `signal` does with its reason, until it is disposed of. */
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
