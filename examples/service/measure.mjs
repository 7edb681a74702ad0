// What a malloc and a free cost on this machine now, and how long the garbage collector has run.
import { PerformanceObserver, performance } from 'node:perf_hooks';

const measuredSizes = [64, 1024, 16 * 1024, 256 * 1024];

/** Nanoseconds of one call. It is the median of batches, which V8's compiler and other processes hardly change. */
function nanoseconds(body, roundMs) {
	const batch = 1000;
	const times = [];
	const end = performance.now() + roundMs;
	do {
		const started = performance.now();
		for (let i = 0; i < batch; i++) body();
		times.push(performance.now() - started);
	} while (performance.now() < end);
	return (times.sort((a, b) => a - b)[times.length >> 1] * 1e6) / batch;
}

export function measurePairs(kind) {
	const roundMs = 60;
	// In a guest without KVM, it takes this long until the code is compiled.
	nanoseconds(() => kind.free(kind.malloc(64)), 5 * roundMs);
	return measuredSizes.map((size) => ({
		size,
		kindNs: nanoseconds(() => kind.free(kind.malloc(size)), roundMs),
		bufferNs: nanoseconds(() => void Buffer.allocUnsafeSlow(size), roundMs),
	}));
}

/** Adds up the time that this thread's garbage collector takes. */
export class GcClock {
	#ms = 0;
	#runs = 0;
	#observer = new PerformanceObserver((list) => this.#add(list.getEntries()));

	constructor() {
		this.#observer.observe({ entryTypes: ['gc'] });
	}

	#add(entries) {
		for (const { duration } of entries) {
			this.#ms += duration;
			this.#runs++;
		}
	}

	/** Ends the measurement. */
	async stop() {
		// The observer gets its entries some turns after the collection.
		await new Promise((resolve) => setTimeout(resolve, 10));
		this.#add(this.#observer.takeRecords());
		this.#observer.disconnect();
		return { ms: this.#ms, runs: this.#runs };
	}
}
