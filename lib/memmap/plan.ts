// Plans persistent memory that the kernel emulates in RAM (memmap=nn!ss): which ranges to take, or why that is not
// possible.
import { invalidArgType } from '../errors.ts';
import { GIB } from '../size.ts';
import { accountOf, type MemmapAccount, type PlannableTable } from './account.ts';
import { requireOrder } from './compose.ts';
import { type MemmapRegion, memmapArgument } from './regions.ts';
import { solve, type Trouble } from './solve.ts';
import type { MemoryTable } from './table.ts';
import { needsNoKaslr, regionWarnings, tableWarnings } from './warnings.ts';
import { type CheckedWish, checkWish, leastAlignment, type MemmapWish } from './wish.ts';
import { formatSpan } from './words.ts';

/** A plan, or why there is no plan. Sizes and addresses are bytes. */
export interface MemmapPlan {
	possible: boolean;
	/** What to add to the kernel's command line: `memmap=4G!4G memmap=4G!8G`. Undefined if it is not possible. */
	argument: string | undefined;
	/** The regions, lowest first. Empty if it is not possible. */
	regions: MemmapRegion[];
	/** Why it is not possible, as a sentence without its full stop. Undefined if it is possible. */
	reason: string | undefined;
	/**
	 * If the wish is not possible, the closest plan that is. Undefined if there is no such plan, or the wish is possible.
	 */
	nearest: (Pick<MemmapPlan, 'regions' | 'warnings'> & { argument: string }) | undefined;
	/** What to know before using the plan, as sentences. */
	warnings: string[];
	/**
	 * Whether to boot with `nokaslr`. It is recommended on a machine with 16 GiB or less, where the kernel hardly finds
	 * another place, and if there are more entries than KASLR avoids.
	 */
	noKaslr: boolean;
	/** The amounts of memory on which the plan is based. */
	memory: MemmapAccount;
	/** The table on which the plan is based. */
	table: Pick<MemoryTable, 'source' | 'ranges'>;
}

function requireTable(table: PlannableTable): void {
	if (typeof table !== 'object' || table === null) throw invalidArgType('table', 'of type object', table);
	if (!Array.isArray(table.ranges)) throw invalidArgType('table.ranges', 'an instance of Array', table.ranges);
	for (const { start, end } of table.ranges) {
		for (const address of [start, end]) {
			if (!Number.isSafeInteger(address))
				throw invalidArgType('table.ranges', 'a list of ranges in whole bytes', address);
		}
	}
	requireOrder(table.ranges, 'the table');
}

/**
 * Other wishes to try when one has failed, the closest first. They depend on what stood in the way. Memory below 4 GiB
 * is offered only if there is no place above.
 */
function otherWishes(wish: CheckedWish, trouble: Trouble): CheckedWish[] {
	const smaller: CheckedWish[] = [
		{ ...wish, size: 'max' },
		{ ...wish, size: 'max', count: 1 },
	];
	if (trouble === 'floor') return smaller;
	if (trouble === 'place') return [{ ...wish, below4G: true }, ...smaller];
	if (trouble !== 'size' || wish.size === 'max') return [];
	return [{ ...wish, size: Math.ceil(wish.size / leastAlignment) * leastAlignment }, ...smaller];
}

function nearestPlan(
	table: PlannableTable,
	account: MemmapAccount,
	wish: CheckedWish,
	because: Trouble,
): MemmapPlan['nearest'] {
	for (const other of otherWishes(wish, because)) {
		const { regions, trouble } = solve(table, account, other);
		if (trouble !== undefined) continue;
		return { argument: memmapArgument(regions), regions, warnings: regionWarnings(table, regions) };
	}
	return undefined;
}

/** With less than this, a machine may not boot, or not do much. */
const littleMemory = GIB;

function accountWarnings({ usable, reserved, mustRemain }: MemmapAccount): string[] {
	return [
		...(reserved > 0 && usable - reserved < mustRemain
			? [`Only ${formatSpan(usable - reserved)} is not taken yet. More than that must stay free.`]
			: []),
		...(mustRemain < littleMemory ? ['With less than 1 GiB of free memory the machine may not boot.'] : []),
	];
}

/**
 * Plans regions of emulated persistent memory. Each lies inside one usable range of the firmware's table, above 4 GiB,
 * and is aligned. None overlaps what other arguments of the command line and the crash kernel take. It is pure: it
 * reads nothing and changes nothing.
 *
 * @param table From readMemoryTable() or parseMemoryTable(). It needs only `source` and `ranges`.
 * @param wish What is wanted. Sizes are bytes.
 * @throws ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE and ERR_INVALID_ARG_VALUE for a wish that nothing could fulfil, for
 * example a size of 0; ERR_DAXKIND_TABLE_DISORDER for ranges that overlap. A lack of room is not an error: the plan
 * says why, and what would be possible.
 * @example
 * planMemmap(readMemoryTable(), { size: 4 * 2 ** 30 }).argument; // 'memmap=4G!4G'
 */
export function planMemmap(table: PlannableTable, wish: MemmapWish): MemmapPlan {
	requireTable(table);
	const checked = checkWish(wish);
	const account = accountOf(table, checked);
	const { regions, trouble, reason } = solve(table, account, checked);
	return {
		possible: trouble === undefined,
		argument: trouble === undefined ? memmapArgument(regions) : undefined,
		regions,
		reason,
		nearest: trouble === undefined ? undefined : nearestPlan(table, account, checked, trouble),
		warnings: [...tableWarnings(table), ...accountWarnings(account), ...regionWarnings(table, regions)],
		noKaslr: needsNoKaslr(table, account, regions),
		memory: account,
		table: { source: table.source, ranges: table.ranges },
	};
}
