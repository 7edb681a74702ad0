// The metrics of kinds and caches: their names, and the numbers that they show.
import type { PmemCache, PmemCacheStats } from '../cache/index.ts';
import { insideOf, type Kind, type KindStats } from '../kind/index.ts';

/** A value of a metric, as prom-client takes it. */
export interface Sample {
	labels: Record<string, string>;
	value: number;
}

/** A metric of something that has statistics. */
export interface Definition<Stats> {
	name: string;
	type: 'gauge' | 'counter';
	help: string;
	read(stats: Stats): number;
}

export const kindMetrics: readonly Definition<KindStats>[] = [
	gauge('kind_capacity_bytes', 'How much the kind can hold.', ({ capacity }) => capacity),
	gauge('kind_allocated_bytes', 'Memory of the blocks that callers hold.', ({ allocated }) => allocated),
	gauge('kind_active_bytes', 'Memory in slabs and runs that hold at least one block.', ({ active }) => active),
	gauge('kind_resident_bytes', 'Storage that the file system counts for the kind.', ({ resident }) => resident),
	gauge('kind_high_water_bytes', 'The most memory that was ever held.', ({ highWater }) => highWater),
	gauge('kind_blocks', 'Blocks that callers hold.', ({ blocks }) => blocks),
	gauge('kind_lost_bytes', 'Memory that is out of use because pages of it were lost.', ({ lost }) => lost),
];

export const cacheMetrics: readonly Definition<PmemCacheStats>[] = [
	gauge('cache_entries', 'Entries of the cache.', ({ entries }) => entries),
	gauge('cache_bytes', 'Memory of the kind that the entries take.', ({ bytes }) => bytes),
	gauge('cache_max_size_bytes', 'The most memory that the entries may take.', ({ maxSize }) => maxSize),
	gauge('cache_index_bytes', 'DRAM that the index takes.', ({ indexBytes }) => indexBytes),
	gauge('cache_pinned_entries', 'Removed entries that leases keep.', ({ pinned }) => pinned),
	counter('cache_hits_total', 'How often an entry was found.', ({ hits }) => hits),
	counter('cache_misses_total', 'How often no entry was found.', ({ misses }) => misses),
	counter('cache_sets_total', 'Values that were stored.', ({ sets }) => sets),
	counter('cache_deletes_total', 'Entries that were removed by a call.', ({ deletes }) => deletes),
	counter('cache_evicted_total', 'Entries that were removed for the room.', ({ evicted }) => evicted),
	counter('cache_expired_total', 'Entries whose time was over.', ({ expired }) => expired),
	counter('cache_lost_total', 'Entries on pages that the medium has lost.', ({ lost }) => lost),
];

function gauge<Stats>(name: string, help: string, read: (stats: Stats) => number): Definition<Stats> {
	return { name, type: 'gauge', help, read };
}

function counter<Stats>(name: string, help: string, read: (stats: Stats) => number): Definition<Stats> {
	return { name, type: 'counter', help, read };
}

/** Something with its statistics and its labels. */
export interface Measured<Stats> {
	labels: Record<string, string>;
	stats: Stats;
}

/** Measures each of those that are open, once: a thread may hold one of them several times. */
function measure<Holder extends { readonly closed: boolean; stats(): Stats }, Stats>(
	holders: Iterable<Holder>,
	numberOf: (holder: Holder) => number,
	labelsOf: (holder: Holder) => Record<string, string>,
): Measured<Stats>[] {
	const open = [...holders].filter(({ closed }) => !closed);
	const each = new Map(open.map((holder) => [numberOf(holder), holder]));
	return [...each.values()].map((holder) => ({ labels: labelsOf(holder), stats: holder.stats() }));
}

export const measureKinds = (kinds: Iterable<Kind>): Measured<KindStats>[] =>
	measure(
		kinds,
		(kind) => insideOf(kind).number,
		({ name, type }) => ({ name, type }),
	);

export const measureCaches = (caches: Iterable<PmemCache>): Measured<PmemCacheStats>[] =>
	measure(
		caches,
		(cache) => cache.share().number,
		({ name }) => ({ name }),
	);

/** The values of a metric. Those with the same labels are added, because a scrape may have only one of them. */
export function samplesOf<Stats>({ read }: Definition<Stats>, measured: readonly Measured<Stats>[]): Sample[] {
	const samples = new Map<string, Sample>();
	for (const { labels, stats } of measured) {
		const name = JSON.stringify(labels);
		const before = samples.get(name)?.value ?? 0;
		samples.set(name, { labels, value: before + read(stats) });
	}
	return [...samples.values()];
}
