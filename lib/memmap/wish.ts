// Checks what a caller wants of a plan.
import { requireBoolean, requireInteger, requireOptions } from '../arguments.ts';
import { invalidArgType, outOfRange } from '../errors.ts';
import { GIB, MIB } from '../size.ts';

/** What {@link planMemmap} is to plan. Sizes are bytes. */
export interface MemmapWish {
	/**
	 * Bytes of each region, a multiple of 16 MiB. `max`: the largest possible size, in whole GiB, or in steps of 128 MiB
	 * or 16 MiB where no GiB fits.
	 */
	size: number | 'max';
	/** How many regions. Each becomes a separate namespace. Default 1. KASLR avoids only four entries. */
	count?: number;
	/** The NUMA node that the memory has to be on. Default: any. */
	node?: number;
	/**
	 * Each region begins at a multiple of this many bytes: a power of two, at least 16 MiB. Default: 1 GiB where that
	 * fits, else 128 MiB (a memory block), else 16 MiB (what ndctl aligns namespaces to).
	 */
	alignment?: number;
	/**
	 * Bytes that must stay usable as ordinary memory. Default: a quarter of it, at least 1 GiB. If it is little, the
	 * machine may not boot.
	 */
	keepFree?: number;
	/**
	 * Whether a region may lie below 4 GiB if there is no room above. Default false, because the kernel and devices need
	 * that memory.
	 */
	below4G?: boolean;
}

/** A wish with its defaults, except those that depend on the table. */
export interface CheckedWish {
	size: number | 'max';
	count: number;
	node: number | undefined;
	alignments: readonly number[];
	keepFree: number | undefined;
	below4G: boolean;
}

/**
 * ndctl aligns namespaces to this. The kernel itself needs 2 MiB (SUBSECTION_SIZE): with less it makes a namespace that
 * stays disabled.
 */
export const leastAlignment = 16 * MIB;

/** 1 GiB: pages of that size can be used. 128 MiB: a memory block, the part that the kernel takes on- or offline. */
export const standardAlignments: readonly number[] = [GIB, 128 * MIB, leastAlignment];

/** The table that firmware hands over has no room for more rows (E820_MAX_ENTRIES_ZEROPAGE). */
const mostRegions = 128;

const names = ['size', 'count', 'node', 'alignment', 'keepFree', 'below4G'];

function checkAlignment(alignment: number): number {
	requireInteger('wish.alignment', alignment, leastAlignment, 2 ** 40);
	if (!Number.isInteger(Math.log2(alignment))) throw outOfRange('wish.alignment', 'a power of two', alignment);
	return alignment;
}

/** @throws ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE, ERR_INVALID_ARG_VALUE */
export function checkWish(wish: MemmapWish): CheckedWish {
	if (wish === undefined) throw invalidArgType('wish', 'of type object', wish);
	const { size, count = 1, node, alignment, keepFree, below4G = false } = requireOptions('wish', wish, names);
	if (size !== 'max' && typeof size !== 'number') throw invalidArgType('wish.size', "a number of bytes or 'max'", size);
	return {
		size: size === 'max' ? size : requireInteger('wish.size', size, 1),
		count: requireInteger('wish.count', count, 1, mostRegions),
		node: node === undefined ? undefined : requireInteger('wish.node', node),
		alignments: alignment === undefined ? standardAlignments : [checkAlignment(alignment)],
		keepFree: keepFree === undefined ? undefined : requireInteger('wish.keepFree', keepFree),
		below4G: requireBoolean('wish.below4G', below4G),
	};
}
