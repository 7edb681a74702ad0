// Calls that another thread works on.

/**
 * A call that another thread works on. It rejects with a {@link SystemError}: ECANCELED if it was aborted, EAGAIN of
 * pthread_create if no thread can be started.
 */
export interface NativeJob<Result> {
	promise: Promise<Result>;
	/**
	 * The bytes of a Float64Array. Set the first number to 1 to abort the job. The others say how far it is. For kinds:
	 * the bytes that are done, and all bytes. For trees of files: the files, the directories, those changed, those that
	 * failed.
	 */
	control: ArrayBuffer;
}
