// The warnings of kinds in debug mode. Leaks are expected here, because workers are terminated with what they hold.
// Writes into freed memory are not.

/** Makes the process, or this worker, call `fail` for warnings that must not come. Others are printed as usual. */
export function watchWarnings(fail) {
	const listeners = process.listeners('warning');
	process.removeAllListeners('warning');
	process.on('warning', (warning) => {
		if (warning.code === 'DAXKIND_USE_AFTER_FREE') fail(warning);
		else if (warning.code !== 'DAXKIND_LEAK') for (const listener of listeners) listener.call(process, warning);
	});
}
