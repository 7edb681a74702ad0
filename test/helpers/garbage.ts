// Garbage collections, by the flag --expose-gc. Finalizers run in later turns of the event loop.
import { until } from './process.ts';

/** Collects garbage until the condition is true. */
export function collectedUntil(condition: () => boolean): Promise<void> {
	return until(() => {
		globalThis.gc!();
		return condition();
	}, 1);
}

/** Collects garbage often enough to show that something is not collected. */
export async function collect(): Promise<void> {
	for (let times = 0; times < 20; times++) {
		globalThis.gc!();
		await new Promise((resolve) => setImmediate(resolve));
	}
}
