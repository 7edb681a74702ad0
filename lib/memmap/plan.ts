// Plans persistent memory that the kernel emulates in RAM (memmap=nn!ss): which ranges to take, or why none can be.
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

/** A plan, or why there is none. Sizes and addresses are bytes. */
export interface MemmapPlan {
	possible: boolean;
	/** What to add to the kernel's command line: `memmap=4G!4G memmap=4G!8G`; undefined where it is not possible. */
	argument: string | undefined;
	/** Lowest first; empty where it is not possible. */
	regions: MemmapRegion[];
	/** Why it is not possible, as a sentence without its full stop; undefined where it is possible. */
	reason: string | undefined;
	/** The plan that comes closest, where it is not possible as wanted but otherwise; undefined where none can be. */
	nearest: (Pick<MemmapPlan, 'regions' | 'warnings'> & { argument: string }) | undefined;
	/** What to know before using it, as sentences. */
	warnings: string[];
	/**
	 * Whether to boot with `nokaslr`: on a machine with 16 GiB or less, where the kernel hardly finds another place; and with more entries
	 * than KASLR keeps the kernel out of.
	 */
	noKaslr: boolean;
	/** What the plan reckoned with. */
	memory: MemmapAccount;
	/** What it was planned with. */
	table: Pick<MemoryTable, 'source' | 'ranges'>;
}

function requireTable(table: PlannableTable): void {
	if (typeof table !== 'object' || table === null) throw invalidArgType('table', 'of type object', table);
	if (!Array.isArray(table.ranges)) throw invalidArgType('table.ranges', 'an instance of Array', table.ranges);
	for (const { start, end } of table.ranges) {
		for (const address of [start, end]) {
			if (!Number.isSafeInteger(address)) throw invalidArgType('table.ranges', 'of ranges of whole bytes', address);
		}
	}
	requireOrder(table.ranges, 'the table');
}

/** Other wishes, the closest first, for what stands in the way of one. Below 4 GiB only what has no place above is offered. */
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

/** Less than this leaves a machine that may not boot, or not do much. */
const littleMemory = GIB;

function accountWarnings({ usable, reserved, mustRemain }: MemmapAccount): string[] {
	return [
		...(reserved > 0 && usable - reserved < mustRemain
			? [`What is taken already leaves ${formatSpan(usable - reserved)}, less than must stay free.`]
			: []),
		...(mustRemain < littleMemory ? ['With less than 1 GiB of free memory the machine may not boot.'] : []),
	];
}

/**
 * Plans regions of emulated persistent memory: each inside one usable range of the firmware's table, above 4 GiB, aligned, lowest first,
 * and clear of what other arguments of the command line and the crash kernel take. It reads nothing and changes nothing.
 *
 * @param table From readMemoryTable() or parseMemoryTable(). Only its `source` and `ranges` have to be there.
 * @param wish What is wanted. Sizes are bytes.
 * @throws ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE and ERR_INVALID_ARG_VALUE for a wish that nothing could fulfil, as a size of 0;
 * ERR_DAXKIND_TABLE_DISORDER for ranges that overlap. That there is no room is no error: the plan says why, and what could be.
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
