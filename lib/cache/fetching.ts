// `fetch`: one call of the fetcher for all who wait for the same key in this thread.

/** Makes the value of a key. */
export type PmemCacheFetcher<V> = (
	key: string | Uint8Array,
	context: {
		/** Aborts when nobody waits any more. */
		signal: AbortSignal;
		/** The value that is there, if there is one: stale, or with `forceRefresh` fresh. The caller may have it, too. */
		stale: V | undefined;
	},
) => V | undefined | Promise<V | undefined>;

interface Call<V> {
	readonly promise: Promise<V | undefined>;
	readonly controller: AbortController;
	waiters: number;
	/** Somebody has stored or removed the key meanwhile: what comes of the call is not stored. */
	isOutdated: boolean;
}

export class Fetches<V> {
	readonly #calls = new Map<string, Call<V>>();

	/**
	 * Waits for the value of a key.
	 *
	 * @param name The key's name: see nameOfKey.
	 * @param make Makes the value.
	 * @param store Stores it.
	 */
	async join(
		name: string,
		make: (signal: AbortSignal) => V | undefined | Promise<V | undefined>,
		store: (value: V) => void,
		signal: AbortSignal | undefined,
	): Promise<V | undefined> {
		signal?.throwIfAborted();
		const call = this.#calls.get(name) ?? this.#start(name, make, store);
		call.waiters++;
		if (signal === undefined) return call.promise;
		return await this.#until(call, name, signal);
	}

	/** Makes the value for nobody who waits. An error is the next caller's to see. */
	refresh(
		name: string,
		make: (signal: AbortSignal) => V | undefined | Promise<V | undefined>,
		store: (value: V) => void,
	): void {
		if (this.#calls.has(name)) return;
		const call = this.#start(name, make, store);
		// Nobody's signal ends it.
		call.waiters++;
		call.promise.catch(() => undefined);
	}

	/** The key has been stored or removed. */
	outdate(name: string): void {
		if (this.#calls.size === 0) return;
		const call = this.#calls.get(name);
		if (call === undefined) return;
		call.isOutdated = true;
		this.#calls.delete(name);
	}

	outdateAll(): void {
		for (const name of this.#calls.keys()) this.outdate(name);
	}

	/** Whether no call is under way. */
	get isIdle(): boolean {
		return this.#calls.size === 0;
	}

	#start(
		name: string,
		make: (signal: AbortSignal) => V | undefined | Promise<V | undefined>,
		store: (value: V) => void,
	): Call<V> {
		const controller = new AbortController();
		const run = async (): Promise<V | undefined> => {
			try {
				const value = await make(controller.signal);
				if (value !== undefined && !call.isOutdated && !controller.signal.aborted) {
					// The call ends before it is stored, because that outdates calls.
					this.#end(name, call);
					store(value);
				}
				return value;
			} finally {
				this.#end(name, call);
			}
		};
		const call: Call<V> = {
			// The fetcher runs in a microtask, when the call is in the table.
			promise: Promise.resolve().then(run),
			controller,
			waiters: 0,
			isOutdated: false,
		};
		this.#calls.set(name, call);
		return call;
	}

	#end(name: string, call: Call<V>): void {
		if (this.#calls.get(name) === call) this.#calls.delete(name);
	}

	#until(call: Call<V>, name: string, signal: AbortSignal): Promise<V | undefined> {
		return new Promise((resolve, reject) => {
			const onAbort = () => {
				call.waiters--;
				if (call.waiters === 0) {
					this.#end(name, call);
					call.controller.abort(signal.reason);
					// Nobody waits for it any more.
					call.promise.catch(() => undefined);
				}
				reject(signal.reason);
			};
			const settle = () => signal.removeEventListener('abort', onAbort);
			signal.addEventListener('abort', onAbort, { once: true });
			call.promise.then(resolve, reject).finally(settle);
		});
	}
}
