// What an operation on devices needs of the kernel: writes to sysfs, and its modules.

export interface WriteOptions {
	/** Ends the write. The promise is rejected with the signal's reason. */
	signal?: AbortSignal | undefined;
	/** Ends the write after so many milliseconds: ETIMEDOUT. */
	limitMs?: number | undefined;
}

export interface Kernel {
	/**
	 * Writes a text to a file, in one call.
	 *
	 * @throws A system error of open or write; ETIMEDOUT; EPIPE if the process that writes ends by itself; the signal's
	 * reason. A write that was ended may or may not have been done.
	 */
	write(path: string, text: string, options?: WriteOptions): Promise<void>;
	/** Loads a module, if there is one. Returns what modprobe said if that failed, and '' if it succeeded. */
	loadModule(name: string): Promise<string>;
}
