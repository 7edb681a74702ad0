// What it takes to make a store persistent: libpmem2's granularity.
import { readdirSync, readFileSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { native } from '../native.ts';

/**
 * The smallest unit in which stores become persistent, as in libpmem2: `page` if it takes msync, `cache-line` if a flush of the cache
 * does it, `byte` if the caches themselves survive a power failure (eADR), so that a fence is enough.
 */
export type PmemGranularity = 'page' | 'cache-line' | 'byte';

/** Whether the nvdimm region that this device lives in says that the caches are in its persistence domain. */
function regionHasPersistentCaches(directory: string): boolean {
	// The region is an ancestor in sysfs: …/ndbus0/region0/namespace0.0/block/pmem0.
	for (let at = directory; at.startsWith('/sys/devices/'); at = dirname(at)) {
		let domain: string;
		try {
			domain = readFileSync(`${at}/persistence_domain`, 'utf8');
		} catch {
			continue;
		}
		return domain.trim() === 'cpu_cache';
	}
	return false;
}

function deviceHasPersistentCaches(directory: string): boolean {
	let below: string[] = [];
	try {
		below = readdirSync(`${directory}/slaves`);
	} catch {
		// A partition has none.
	}
	// A device-mapper volume is as good as the worst device below it.
	return below.length > 0
		? below.every((name) => deviceHasPersistentCaches(realpathSync(`${directory}/slaves/${name}`)))
		: regionHasPersistentCaches(directory);
}

/**
 * Whether a power failure saves what is in the processor's caches for a block device: its region's `persistence_domain` is `cpu_cache`.
 * Regions that do not say, such as those of memmap=, do not. libpmem2 answers for the whole machine; this is for the one device.
 */
function hasPersistentCaches(deviceMajor: number, deviceMinor: number): boolean {
	try {
		return deviceHasPersistentCaches(realpathSync(`/sys/dev/block/${deviceMajor}:${deviceMinor}`));
	} catch {
		return false;
	}
}

/**
 * The granularity of a shared mapping, as libpmem2 decides it: `page` without MAP_SYNC, or on a processor whose flush instruction is not
 * known; else `byte` if the device's caches are persistent, else `cache-line`.
 */
export function granularityOf(sync: boolean, deviceMajor: number, deviceMinor: number): PmemGranularity {
	if (!sync || native.flushInstructions.length === 0) return 'page';
	return hasPersistentCaches(deviceMajor, deviceMinor) ? 'byte' : 'cache-line';
}
