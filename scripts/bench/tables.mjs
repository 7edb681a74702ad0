// How tables and numbers look that a person reads.
import Table from 'cli-table3';

const plain = { head: [], border: [], compact: true };

/** @param left How many columns are text. */
export function table(head, left, rows) {
	const colAligns = head.map((_, column) => (column < left ? 'left' : 'right'));
	const made = new Table({ head, style: plain, colAligns });
	made.push(...rows);
	return made.toString();
}

const grouped = (value, digits) => value.toLocaleString('en', { maximumFractionDigits: digits });

/** With three digits or so. */
export function number(value) {
	if (value === undefined) return '';
	return Math.abs(value) < 9.995 ? value.toFixed(2) : grouped(value, Math.abs(value) < 99.5 ? 1 : 0);
}
export const ns = (value) => (value < 99.5 ? value.toFixed(1) : grouped(value, 0));
export const times = (ratio) => `${ratio < 9.95 ? ratio.toFixed(1) : grouped(ratio, 0)}x`;
export const percent = (share, digits = 1) => (share === undefined ? '' : `${(100 * share).toFixed(digits)} %`);

/** pair-64B -> 64 B */
export const sizeLabel = (name) => /-(\d+)([A-Za-z]+)$/.exec(name)?.slice(1).join(' ') ?? '';
