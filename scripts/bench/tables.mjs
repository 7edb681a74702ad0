// Formats tables and numbers for a person.

/** @param left How many columns are text. The others are numbers, and are aligned at the right. */
export function table(head, left, rows) {
	const lines = [head, ...rows].map((row) => row.map((cell) => String(cell ?? '')));
	const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
	const padded = (cell, column) => (column < left ? cell.padEnd(widths[column]) : cell.padStart(widths[column]));
	const [title, ...body] = lines.map((line) => line.map(padded).join('  ').trimEnd());
	return [title, widths.map((width) => '-'.repeat(width)).join('  '), ...body].join('\n');
}

const grouped = (value, digits) => value.toLocaleString('en', { maximumFractionDigits: digits });

/** A number with about three digits. */
export function number(value) {
	if (value === undefined) return '';
	return Math.abs(value) < 9.995 ? value.toFixed(2) : grouped(value, Math.abs(value) < 99.5 ? 1 : 0);
}
export const ns = (value) => (value < 99.5 ? value.toFixed(1) : grouped(value, 0));
export const times = (ratio) => `${ratio < 9.95 ? ratio.toFixed(1) : grouped(ratio, 0)}x`;
export const percent = (share, digits = 1) => (share === undefined ? '' : `${(100 * share).toFixed(digits)} %`);

/** The size in a workload's name: 64 B for pair-64B. */
export const sizeLabel = (name) => /-(\d+)([A-Za-z]+)$/.exec(name)?.slice(1).join(' ') ?? '';
