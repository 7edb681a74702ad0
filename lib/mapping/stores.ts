// What the calls that store into a mapping are to do besides their stores, by the mapping's granularity.
import { requireBoolean, requireOneOf, requireOptions } from '../arguments.ts';
import { how } from '../native/mappings.ts';
import type { PmemGranularity } from './granularity.ts';

/** Options of the calls that store into a mapping. */
export interface StoreOptions {
	/**
	 * Whether the stores are persistent when the call returns. If not, they are ordinary stores, and a later `persist`
	 * has to name their range (libpmem2: PMEM2_F_MEM_NOFLUSH). Default true.
	 */
	persist?: boolean;
	/**
	 * Whether the call waits until the stores are persistent. If not, they are on their way, and one later `drain()` of
	 * the same thread waits for all of them (libpmem2: PMEM2_F_MEM_NODRAIN). With `page` granularity the call always
	 * waits. Default true.
	 */
	drain?: boolean;
	/**
	 * 'temporal' leaves the range in the processor's caches, for who reads it soon. 'non-temporal' stores past the
	 * caches. By default it is what is faster for so many bytes. It has no effect with `page` granularity.
	 */
	hint?: 'temporal' | 'non-temporal';
}

const names: readonly (keyof StoreOptions)[] = ['persist', 'drain', 'hint'];
const hints = ['temporal', 'non-temporal'] as const;

/** What to do for each granularity: sums of `how`. */
interface Manner {
	flush: number;
	drain: number;
	/** Of stores, by their hint. */
	none: number;
	temporal: number;
	'non-temporal': number;
}

const manners: Readonly<Record<PmemGranularity, Manner>> = {
	page: { flush: how.synced, drain: 0, none: how.synced, temporal: how.synced, 'non-temporal': how.synced },
	'cache-line': {
		flush: how.flushed,
		drain: how.drained,
		none: how.either,
		temporal: how.flushed,
		'non-temporal': how.pastCaches,
	},
	// What is in a cache is persistent, so nothing needs to be flushed.
	byte: { flush: 0, drain: how.drained, none: 0, temporal: 0, 'non-temporal': how.pastCaches },
};

/** What a mapping's calls do. */
export interface Stores {
	readonly flush: number;
	readonly drain: number;
	readonly persist: number;
	/** Of a store. */
	storeWith(options?: StoreOptions): number;
}

function storesOf({ flush, drain, ...stores }: Manner): Stores {
	return {
		flush,
		drain,
		persist: flush + drain,
		storeWith: (options) => {
			if (options === undefined) return stores.none + drain;
			const given = requireOptions('options', options, names);
			const { persist = true, drain: isDrained = true, hint } = given;
			requireBoolean('options.persist', persist);
			requireBoolean('options.drain', isDrained);
			const way = hint === undefined ? 'none' : requireOneOf('options.hint', hint, hints);
			return persist ? stores[way] + (isDrained ? drain : 0) : 0;
		},
	};
}

/** For each granularity, what the calls do. */
export const stores: Readonly<Record<PmemGranularity, Stores>> = {
	page: storesOf(manners.page),
	'cache-line': storesOf(manners['cache-line']),
	byte: storesOf(manners.byte),
};
