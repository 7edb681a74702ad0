// The line in which a test run passes on its counts. The reporter writes it, and scripts/test.mjs reads it.

export const marker = 'daxkind-test-counts ';

/** The counts in a line, or undefined if it is another line. */
export function parseCounts(line) {
	// A test may have printed text without a line break before it.
	const at = line.indexOf(marker);
	return at < 0 ? undefined : JSON.parse(line.slice(at + marker.length));
}
