// For any table and any wish, a plan keeps what it promises. A plan is found wherever an exhaustive search finds one.
import { type MemmapRegion, type MemoryRange, parseMemoryTable, planMemmap } from 'daxkind/memmap';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GIB, MIB } from '#lib/size.js';
import { log } from '../helpers/memory-table.ts';

/** Regions begin and end at multiples of this. */
const slot = 16 * MIB;

interface Span {
	start: number;
	end: number;
}

const isWithin = (inner: Span, outer: Span) => inner.start >= outer.start && inner.end <= outer.end;
const overlap = (one: Span, other: Span) => one.start < other.end && other.start < one.end;
const span = ({ start, size }: MemmapRegion): Span => ({ start, end: start + size });
const bytesOf = (spans: readonly Span[]) => spans.reduce((sum, { start, end }) => sum + end - start, 0);

/** Ranges one behind the other, from an address on. Some have odd bounds. */
function tableFrom(start: number): fc.Arbitrary<MemoryRange[]> {
	const row = fc.record({
		gap: fc.constantFrom(0, 0, 0x1000, slot, 5 * slot),
		size: fc
			.constantFrom(0x1000, slot, 2 * slot, 5 * slot, 9 * slot, 70 * slot)
			.chain((size) => fc.constantFrom(size, size + 0x1000, size - 1)),
		type: fc.constantFrom('usable' as const, 'usable' as const, 'reserved' as const, 'persistent (type 7)' as const),
	});
	return fc.array(row, { minLength: 1, maxLength: 6 }).map((rows) => {
		let end = start;
		return rows.map(({ gap, size, type }) => {
			const range = { start: end + gap, end: end + gap + size, type };
			({ end } = range);
			return range;
		});
	});
}

/** A small machine: memory below 4 GiB that cannot be used here, and ranges that begin somewhere near 4 GiB. */
const anyRanges = fc
	.constantFrom(4 * GIB, 4 * GIB - 2 * slot, 4 * GIB + 0x1000, 4 * GIB + 3 * slot)
	.chain(tableFrom)
	.map((ranges): MemoryRange[] => [{ start: 0, end: 1.5 * GIB, type: 'usable' }, ...ranges]);

/** Entries of memmap= that take memory already. */
const anyEntries = fc.array(
	fc.record({ at: fc.nat({ max: 100 }), slots: fc.integer({ min: 1, max: 12 }), kind: fc.constantFrom('!', '$') }),
	{ maxLength: 3 },
);

const anyWish = fc.record(
	{
		size: fc.integer({ min: 1, max: 20 }).map((slots) => slots * slot),
		count: fc.integer({ min: 1, max: 3 }),
		keepFree: fc.constantFrom(0, GIB, Math.floor(1.6 * GIB)),
		alignment: fc.constantFrom(slot, 4 * slot, GIB),
	},
	{ requiredKeys: ['size', 'count'] },
);

interface Setting {
	ranges: MemoryRange[];
	taken: Span[];
	text: string;
}

const anySetting: fc.Arbitrary<Setting> = fc.tuple(anyRanges, anyEntries).map(([ranges, entries]) => {
	const taken = entries.map(({ at, slots }) => ({ start: 4 * GIB + at * slot, end: 4 * GIB + (at + slots) * slot }));
	const argument = taken.map(({ start, end }, at) => `memmap=${end - start}${entries[at]!.kind}${start}`).join(' ');
	return { ranges, taken, text: `Command line: ro ${argument}\n${log(ranges)}` };
});

const usableOf = ({ ranges }: Setting) => ranges.filter(({ type }) => type === 'usable');

/** How many bytes of usable memory are taken. */
function takenBytes(setting: Setting): number {
	return usableOf(setting).reduce((sum, usable) => {
		const bounds = [usable.start, usable.end, ...setting.taken.flatMap(({ start, end }) => [start, end])]
			.filter((address) => address >= usable.start && address <= usable.end)
			.sort((one, other) => one - other);
		const parts = bounds.slice(1).map((end, at) => ({ start: bounds[at]!, end }));
		return sum + bytesOf(parts.filter((part) => setting.taken.some((taken) => isWithin(part, taken))));
	}, 0);
}

/** All places above 4 GiB where a region can be. */
function places(setting: Setting, size: number, alignment: number): Span[] {
	const found: Span[] = [];
	for (const usable of usableOf(setting)) {
		const first = Math.max(usable.start, 4 * GIB);
		for (let start = Math.ceil(first / alignment) * alignment; start + size <= usable.end; start += alignment) {
			const place = { start, end: start + size };
			if (!setting.taken.some((taken) => overlap(place, taken))) found.push(place);
		}
	}
	return found;
}

/** Whether `count` places can be chosen of which no two overlap. It tries all. */
function canChoose(from: readonly Span[], count: number): boolean {
	if (count === 0) return true;
	return from.some((place, at) => {
		const rest = from.slice(at + 1).filter((other) => !overlap(place, other));
		return rest.length >= count - 1 && canChoose(rest, count - 1);
	});
}

test('a plan lies inside one usable range, aligned, clear of all that is taken, and leaves what must stay', () => {
	fc.assert(
		fc.property(anySetting, anyWish, (setting, wish) => {
			const found = planMemmap(parseMemoryTable(setting.text), wish);
			fc.pre(found.possible);
			const spans = found.regions.map(span);
			expect(spans).toHaveLength(wish.count);
			for (const [at, region] of spans.entries()) {
				expect(usableOf(setting).some((usable) => isWithin(region, usable))).toBe(true);
				expect(region.start).toBeGreaterThanOrEqual(Math.max(4 * GIB, spans[at - 1]?.end ?? 0));
				expect(region.start % (wish.alignment ?? slot)).toBe(0);
				expect(region.end - region.start).toBe(wish.size);
				expect(setting.taken.some((taken) => overlap(region, taken))).toBe(false);
			}
			const usable = bytesOf(usableOf(setting));
			const left = usable - takenBytes(setting) - bytesOf(spans);
			expect(left).toBeGreaterThanOrEqual(wish.keepFree ?? Math.max(GIB, usable / 4));
			// The argument tells the kernel what the plan says.
			const { memmap } = parseMemoryTable(`Command line: ${found.argument}\n${log(setting.ranges)}`);
			expect(memmap).toMatchObject(spans.map((region) => ({ ...region, kind: '!' })));
		}),
		{ numRuns: 250 },
	);
});

test('a plan is found wherever there is one', () => {
	fc.assert(
		fc.property(anySetting, anyWish, (setting, wish) => {
			const usable = bytesOf(usableOf(setting));
			const left = usable - takenBytes(setting) - wish.count * wish.size;
			const leavesEnough = left >= (wish.keepFree ?? Math.max(GIB, usable / 4));
			const fits = canChoose(places(setting, wish.size, wish.alignment ?? slot), wish.count);
			expect(planMemmap(parseMemoryTable(setting.text), wish).possible).toBe(leavesEnough && fits);
		}),
		{ numRuns: 400 },
	);
});

test('the largest region cannot be larger, and where it cannot be either, nothing can', () => {
	fc.assert(
		fc.property(anySetting, anyWish, (setting, { count, keepFree, alignment }) => {
			const table = parseMemoryTable(setting.text);
			const wish = {
				count,
				...(keepFree !== undefined && { keepFree }),
				...(alignment !== undefined && { alignment }),
			};
			const largest = planMemmap(table, { ...wish, size: 'max' });
			const size = largest.regions[0]?.size ?? 0;
			const unit = size >= GIB ? GIB : size >= 128 * MIB && size % (128 * MIB) === 0 ? 128 * MIB : slot;
			expect(new Set(largest.regions.map((region) => region.size)).size).toBeLessThanOrEqual(1);
			expect(largest.possible).toBe(size > 0);
			expect(planMemmap(table, { ...wish, size: size + unit }).possible).toBe(false);
			if (size > 0) expect(planMemmap(table, { ...wish, size })).toMatchObject({ regions: largest.regions });
		}),
		{ numRuns: 200 },
	);
});

test('the nearest plan is one that is possible by itself, or lies below 4 GiB with a warning', () => {
	fc.assert(
		fc.property(anySetting, anyWish, (setting, wish) => {
			const table = parseMemoryTable(setting.text);
			const { possible, nearest } = planMemmap(table, wish);
			fc.pre(nearest !== undefined);
			expect(possible).toBe(false);
			const regions = nearest!.regions;
			const again = planMemmap(table, { ...wish, size: regions[0]!.size, count: regions.length, below4G: true });
			expect(again).toMatchObject({ possible: true, argument: nearest!.argument, regions });
			const isBelow = regions.some(({ start }) => start < 4 * GIB);
			expect(nearest!.warnings.some((warning) => /below 4 GiB/.test(warning))).toBe(isBelow);
		}),
		{ numRuns: 200 },
	);
});
