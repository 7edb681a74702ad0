// Finds the regions for one wish, or what stands in the way of it.
import { formatSize } from '../size.ts';
import { above4Gib, freeIn, type MemmapAccount, nodeRanges, type PlannableTable } from './account.ts';
import { largestSize, place } from './place.ts';
import type { MemmapRegion } from './regions.ts';
import { whyUnusable } from './unusable.ts';
import { type CheckedWish, leastAlignment, standardAlignments } from './wish.ts';
import { formatSpan } from './words.ts';

/**
 * What stands in the way: the table itself, the node or the size that the caller asks for, the memory that must stay
 * free, or the lack of a place.
 */
export type Trouble = 'table' | 'node' | 'size' | 'floor' | 'place';

export type Solution =
	| { regions: MemmapRegion[]; trouble: undefined; reason: undefined }
	| { regions: []; trouble: Trouble; reason: string };

const troubled = (trouble: Trouble, reason: string): Solution => ({ regions: [], trouble, reason });

function whyNoNode(table: PlannableTable, node: number): string | undefined {
	if (nodeRanges(table, node).length > 0) return undefined;
	const nodes = [...new Set(table.nodes?.map((range) => range.node))];
	return nodes.length === 0
		? 'It is not known which memory belongs to which NUMA node, because the table has no SRAT rows'
		: `NUMA node ${node} has no memory; the nodes with memory are ${nodes.join(', ')}`;
}

const wanted = ({ size, count }: CheckedWish): string =>
	`${count === 1 ? '' : `${count} times `}${size === 'max' ? formatSpan(leastAlignment) : formatSize(size)}`;

function floorReason({ usable, reserved, mustRemain, budget }: MemmapAccount, wish: CheckedWish): string {
	const taken = reserved === 0 ? '' : ` ${formatSpan(reserved)} is taken already and`;
	const most = budget > 0 ? `${formatSpan(budget)} can be taken` : 'nothing can be taken';
	return `${wanted(wish)} would leave too little: of ${formatSpan(usable)},${taken} ${formatSpan(mustRemain)} must stay free, so ${most}; keepFree (--keep-free) sets how much must stay`;
}

function placeReason(wish: CheckedWish): string {
	const where = wish.below4G ? '' : ' at or above 4 GiB';
	const node = wish.node === undefined ? '' : ` of NUMA node ${wish.node}`;
	return `No usable range${node}${where} has room for ${wanted(wish)}, aligned to ${formatSpan(wish.alignments.at(-1)!)}`;
}

/** The regions for a wish, or what stands in the way. What must stay free is checked before the place. */
export function solve(table: PlannableTable, account: MemmapAccount, wish: CheckedWish): Solution {
	const { size, count, alignments, node } = wish;
	const { budget } = account;
	const unusable = whyUnusable(table, account);
	if (unusable !== undefined) return troubled('table', unusable);
	const noNode = node === undefined ? undefined : whyNoNode(table, node);
	if (noNode !== undefined) return troubled('node', noNode);
	if (size !== 'max' && size % leastAlignment !== 0) {
		return troubled('size', `${formatSize(size)} is not a multiple of 16 MiB, and ndctl aligns namespaces to 16 MiB`);
	}
	if ((size === 'max' ? leastAlignment : size) * count > budget) return troubled('floor', floorReason(account, wish));
	const free = freeIn(table, wish);
	const bytes = size === 'max' ? largestSize(free, wish, { units: standardAlignments, budget }) : size;
	const demand = { size: bytes, count, alignments };
	// A place above 4 GiB is better even if one below is allowed.
	const regions = bytes === 0 ? undefined : (place(above4Gib(free), demand) ?? place(free, demand));
	if (regions === undefined) return troubled('place', placeReason(wish));
	return { regions, trouble: undefined, reason: undefined };
}
