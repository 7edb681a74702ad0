// A vitest reporter that ends a run with one line for scripts/vitest.mjs: the counts as JSON after a marker. A file would
// be lost with the guest, but a line comes through every pipe and console.

export const marker = 'daxkind-test-counts ';

export default class CountsReporter {
	onTestRunEnd(modules, unhandledErrors) {
		const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
		for (const module of modules) {
			let tests = 0;
			for (const test of module.children.allTests()) {
				tests++;
				// A test that did not come to its end, because the run was cancelled, is `pending`.
				const { state } = test.result();
				counts[state === 'pending' ? 'failed' : state]++;
			}
			// A file that could not be loaded, or a failed hook around all its tests, is a failure without a test.
			const errors = module.errors().length;
			if (errors > 0 || (tests === 0 && module.state() === 'failed')) counts.failed += Math.max(errors, 1);
		}
		console.log(`${marker}${JSON.stringify(counts)}`);
	}
}
