// The line on which a test run hands over its counts: written by the reporter, read by scripts/test.mjs.

export const marker = 'daxkind-test-counts ';

/** The counts in a line, or undefined when it is another line. */
export function parseCounts(line) {
	// What a test has printed without an end of line may be in front of it.
	const at = line.indexOf(marker);
	return at < 0 ? undefined : JSON.parse(line.slice(at + marker.length));
}
