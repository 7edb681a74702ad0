// Finds places for regions in free memory. Pure arithmetic: it knows nothing of tables.
import { type AddressRange, subtract } from '../byte-ranges.ts';
import { type MemmapRegion, rangeOf } from './regions.ts';

/** Regions of one size. */
export interface Demand {
	size: number;
	count: number;
	/** A region may begin at multiples of these numbers of bytes. The best is the first. */
	alignments: readonly number[];
}

const aligned = (address: number, alignment: number): number => Math.ceil(address / alignment) * alignment;

/**
 * The lowest place with the best alignment that is possible. A better aligned place in a higher range is preferred to a
 * worse one in a lower range.
 */
function bestPlace(
	free: readonly AddressRange[],
	size: number,
	alignments: readonly number[],
): MemmapRegion | undefined {
	for (const alignment of alignments) {
		const starts = free
			.filter(({ start, end }) => aligned(start, alignment) + size <= end)
			.map(({ start }) => aligned(start, alignment));
		if (starts.length > 0) return { start: Math.min(...starts), size };
	}
	return undefined;
}

function placeEach(free: readonly AddressRange[], { size, count, alignments }: Demand): MemmapRegion[] | undefined {
	const regions: MemmapRegion[] = [];
	let left = [...free];
	while (regions.length < count) {
		const region = bestPlace(left, size, alignments);
		if (region === undefined) return undefined;
		regions.push(region);
		left = subtract(left, [rangeOf(region)]);
	}
	return regions.sort((one, other) => one.start - other.start);
}

/**
 * Places regions, each inside one free range, and returns them lowest first. Undefined if they do not all fit.
 *
 * A well aligned region can be in the way of the next one. So if not all fit, the best alignment is given up for all of
 * them, and then the next best. With only the last alignment, all regions have the same size and begin as low as they
 * can, so as many fit as possible.
 */
export function place(free: readonly AddressRange[], demand: Demand): MemmapRegion[] | undefined {
	for (const at of demand.alignments.keys()) {
		const regions = placeEach(free, { ...demand, alignments: demand.alignments.slice(at) });
		if (regions !== undefined) return regions;
	}
	return undefined;
}

/**
 * The largest size that so many regions can have. The units are tried in order: the first of which one per region fits
 * counts, at places that are aligned to it or better. The size is a multiple of that unit. 0 if no unit fits.
 *
 * @param budget How many bytes all regions together may take.
 */
export function largestSize(
	free: readonly AddressRange[],
	{ count, alignments }: Omit<Demand, 'size'>,
	{ units, budget }: { units: readonly number[]; budget: number },
): number {
	for (const unit of units) {
		const asGood = alignments.filter((alignment) => alignment >= unit);
		const first = { size: unit, count, alignments: asGood.length > 0 ? asGood : alignments };
		if (unit * count > budget || place(free, first) === undefined) continue;
		// If a size fits, each smaller one fits, too. So the answer lies between the bounds, of which the lower one is
		// known to fit.
		let fits = 1;
		let tooMany = Math.floor(budget / count / unit) + 1;
		while (tooMany - fits > 1) {
			const middle = Math.floor((fits + tooMany) / 2);
			if (place(free, { size: middle * unit, count, alignments }) === undefined) tooMany = middle;
			else fits = middle;
		}
		return fits * unit;
	}
	return 0;
}
