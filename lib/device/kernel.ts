// What an operation on devices has of the kernel: writes to sysfs, and its modules.

export interface WriteOptions {
	/** Ends the write; its reason is the rejection. */
	signal?: AbortSignal | undefined;
	/** Ends the write after so many milliseconds: ETIMEDOUT. */
	limitMs?: number | undefined;
}

export interface Kernel {
	/**
	 * Writes a text to a file, in one call.
	 *
	 * @throws A system error of open or write; ETIMEDOUT; EPIPE if what writes ends by itself; the signal's reason. A write that was ended
	 * may have been done, or not.
	 */
	write(path: string, text: string, options?: WriteOptions): Promise<void>;
	/** Loads a module, if there is one. What was said where that failed; '' where it did not. */
	loadModule(name: string): Promise<string>;
}
