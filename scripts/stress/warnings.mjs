// What kinds warn of in debug mode. Leaks are meant here: workers are terminated with what they hold. Memory that was
// written to after it was freed is not.

/** Has the process, or this worker, call `fail` for warnings that must not be; others are printed as ever. */
export function watchWarnings(fail) {
	const listeners = process.listeners('warning');
	process.removeAllListeners('warning');
	process.on('warning', (warning) => {
		if (warning.code === 'DAXKIND_USE_AFTER_FREE') fail(warning);
		else if (warning.code !== 'DAXKIND_LEAK') for (const listener of listeners) listener.call(process, warning);
	});
}
