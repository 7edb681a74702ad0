// A table for a person: columns below their heads, nothing drawn around them.
import Table from 'cli-table3';
import { shown } from '../format.ts';

const plain = { top: '', 'top-mid': '', 'top-left': '', 'top-right': '', bottom: '', 'bottom-mid': '' };
const noBorders = {
	...plain,
	...{ 'bottom-left': '', 'bottom-right': '', left: '', 'left-mid': '', mid: '', 'mid-mid': '' },
	...{ right: '', 'right-mid': '', middle: '  ' },
};

/** Lines, each with its end. Control characters are shown as escapes. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
	const table = new Table({
		head: [...head],
		style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
		chars: noBorders,
	});
	table.push(...rows.map((row) => row.map(shown)));
	const lines = table.toString().split('\n');
	return lines.map((line) => `${line.trimEnd()}\n`).join('');
}
