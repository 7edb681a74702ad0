// The memory tables in one boot's log, and the places where a table lacks rows. Pure: lines go in.
import { isCutRow, isElision, parseRow, type Row } from './row.ts';
import type { MemoryRange, MemoryTableOmission, MemoryTableSource } from './table.ts';

/** A table, and where rows of it are missing. */
export interface PrintedTable {
	ranges: MemoryRange[];
	omissions: MemoryTableOmission[];
}

/** What a line means for tables. */
type Token = Row | 'elision' | 'cut' | 'other';

function tokensOf(lines: readonly string[]): Token[] {
	const tokens: Token[] = [];
	for (const [at, line] of lines.entries()) {
		if (/^[\s>#|*]*$/.test(line)) continue;
		const row = parseRow(line, lines[at + 1]);
		const previous = tokens.at(-1);
		if (row !== undefined) tokens.push(row);
		else if (isCutRow(line, typeof previous === 'object')) tokens.push('cut');
		else tokens.push(isElision(line) ? 'elision' : 'other');
	}
	return tokens;
}

const isOf = (token: Token | undefined, source: MemoryTableSource): boolean =>
	typeof token === 'object' && token.source === source;

function omissionsOf(tokens: readonly Token[], source: MemoryTableSource): MemoryTableOmission[] {
	return tokens.flatMap((token, at): MemoryTableOmission[] => {
		if (typeof token === 'object') {
			const why = `the type of the row at 0x${token.start.toString(16)} cannot be read`;
			if (token.source !== source || token.type !== undefined) return [];
			return [{ at: tokens.slice(at + 1).some((later) => isOf(later, source)) ? 'inside' : 'end', why }];
		}
		if (token === 'other') return [];
		const [before, after] = [isOf(tokens[at - 1], source), isOf(tokens[at + 1], source)];
		if (!before && !after) return [];
		const why = token === 'cut' ? 'a row is cut short' : 'the writer left rows out';
		return [{ at: before && after ? 'inside' : before ? 'end' : 'start', why }];
	});
}

/** The tables that the lines hold, by their sources. */
export function logTables(lines: readonly string[]): Map<MemoryTableSource, PrintedTable> {
	const tokens = tokensOf(lines);
	const tables = new Map<MemoryTableSource, PrintedTable>();
	for (const token of tokens) {
		if (typeof token !== 'object') continue;
		const { source, start, end, type = 'unknown' } = token;
		const table = tables.get(source) ?? { ranges: [], omissions: omissionsOf(tokens, source) };
		tables.set(source, table);
		const last = table.ranges.at(-1);
		// Some logs have each line twice.
		if (last?.start === start && last.end === end) continue;
		table.ranges.push({ start, end, type });
	}
	return tables;
}
