// A table for a person: columns below their heads, without lines around them.
import { shown } from '../format.ts';
import { padded, widest } from './output.ts';

/** Lines, each with its end. Control characters are shown as escapes. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
	const lines = [head, ...rows.map((row) => row.map(shown))];
	const widths = head.map((_, column) => widest(lines.map((line) => line[column] ?? '')));
	return lines
		.map(
			(line) =>
				`${line
					.map((cell, column) => padded(cell, widths[column] ?? 0))
					.join('  ')
					.trimEnd()}\n`,
		)
		.join('');
}
