// A lease: an entry that stays where it is until its user is done with it.
import type { Readable } from 'node:stream';
import { requireInteger, requireOptions } from '../arguments.ts';
import { illegalConstructor, invalidState } from '../errors.ts';
import { readLease } from './streams.ts';

/** This key is known here alone, so that nobody else makes leases. */
const makersKey = Symbol('lease');

/** Makes a lease. `end` is called once. */
export let makeLease: (value: NonSharedBuffer, isStale: boolean, end: () => void) => PmemCacheLease;

/**
 * The memory of an entry, pinned. Eviction, expiry, `delete`, `set` and `clear`, by any thread, take the entry out of
 * the cache, but its memory stays until the last lease has ended. `cache.lease(key)` makes it.
 */
export class PmemCacheLease implements Disposable {
	#value: NonSharedBuffer | undefined;
	#length: number;
	#end: () => void;
	/** Whether the entry's `ttl` was over when the lease was made. */
	readonly isStale: boolean;

	private constructor(key: typeof makersKey, value: NonSharedBuffer, isStale: boolean, end: () => void) {
		if (key !== makersKey) throw illegalConstructor('cache.lease(key)');
		this.#value = value;
		this.#length = value.length;
		this.#end = end;
		this.isStale = isStale;
	}

	static {
		makeLease = (value, isStale, end) => new PmemCacheLease(makersKey, value, isStale, end);
	}

	/**
	 * The bytes of the value, in the cache's memory. Nobody writes there as long as the lease lives, so do not write
	 * there either. undefined once it has ended, by `dispose` or, unless it is empty, because the cache was closed:
	 * what a Buffer that you have kept shows then is somebody else's.
	 */
	get value(): NonSharedBuffer | undefined {
		// The end of the cache has taken its length.
		return this.#value?.length === this.#length ? this.#value : undefined;
	}

	/**
	 * A stream of copies of the bytes, 64 KiB at a time. The lease ends when the stream has ended, is destroyed, or is
	 * garbage.
	 *
	 * If the cache is closed before, the stream's error is ERR_INVALID_STATE. If the medium loses a page, it is
	 * ERR_DAXKIND_MEDIA_ERROR.
	 *
	 * @param options.start The first byte that is read. Default 0.
	 * @throws TypeError ERR_INVALID_ARG_TYPE, RangeError ERR_OUT_OF_RANGE for `start`.
	 * @throws Error ERR_INVALID_STATE if the lease has ended.
	 */
	createReadStream(options?: { start?: number }): Readable {
		const { start = 0 } = requireOptions<{ start?: number }>('options', options, ['start']);
		if (this.value === undefined) throw invalidState('the lease has ended');
		requireInteger('options.start', start, 0, this.#length);
		return readLease(this, start);
	}

	/** Ends the lease. Twice is no error. Await operations that were given `value` first. */
	dispose(): void {
		if (this.#value === undefined) return;
		this.#value = undefined;
		this.#end();
	}

	[Symbol.dispose](): void {
		this.dispose();
	}
}
