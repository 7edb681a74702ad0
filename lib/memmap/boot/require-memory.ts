// Refuses ranges that the kernel would accept silently although they are not memory, or not memory that it could use.

import { overlap } from '../../byte-ranges.ts';
import { invalidArgValue, refusal } from '../../errors.ts';
import type { Tree } from '../../tree.ts';
import { parseBootArguments } from '../boot-arguments.ts';
import { outsideMemory } from '../outside.ts';
import { firmwareMap, firmwareTableOf } from '../read.ts';
import { subsection } from '../regions.ts';

/**
 * Refuses an argument whose ranges overlap or do not begin and end at multiples of 2 MiB. Where the machine shows its
 * firmware's table, it also refuses ranges that are not usable memory.
 *
 * @throws TypeError ERR_INVALID_ARG_VALUE; Error ERR_DAXKIND_NOT_MEMORY with `path` and `remedy`.
 */
export function requireMemory(tree: Tree, argument: string): void {
	const entries = parseBootArguments(argument).memmap;
	if (entries.some((entry, at) => entries.slice(at + 1).some((other) => overlap(entry, other)))) {
		throw invalidArgValue('argument', 'a list of ranges that do not overlap', argument);
	}
	const persistent = entries.filter(({ kind }) => kind === '!');
	if (persistent.some(({ start, end }) => start % subsection !== 0 || end % subsection !== 0)) {
		throw invalidArgValue('argument', 'a list of ranges that begin and end at multiples of 2 MiB', argument);
	}
	const table = firmwareTableOf(tree);
	if (table === undefined) return;
	for (const entry of persistent) {
		const outside = outsideMemory(entry, table);
		if (outside === undefined) continue;
		const remedy = 'let daxkind memmap plan find a range';
		throw refusal('ERR_DAXKIND_NOT_MEMORY', firmwareMap, `memmap=${entry.text} must not be used: ${outside}`, remedy);
	}
}
