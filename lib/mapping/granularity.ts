// What it takes to make a store persistent: libpmem2's granularity.
import { dirname } from 'node:path';
import { native } from '../native.ts';
import { listDirectory, readAttribute, resolveLink } from '../sysfs.ts';

/**
 * The smallest unit in which stores become persistent, as in libpmem2: `page` if it takes msync, `cache-line` if a flush of the cache
 * does it, `byte` if the caches themselves survive a power failure (eADR), so that a fence is enough.
 */
export type PmemGranularity = 'page' | 'cache-line' | 'byte';

/** Whether the nvdimm region that this device lives in says that the caches are in its persistence domain. */
function regionHasPersistentCaches(directory: string): boolean {
	// The region is an ancestor in sysfs: …/ndbus0/region0/namespace0.0/block/pmem0.
	for (let at = directory; at.startsWith('/sys/devices/'); at = dirname(at)) {
		const domain = readAttribute(`${at}/persistence_domain`);
		if (domain !== undefined) return domain === 'cpu_cache';
	}
	return false;
}

function deviceHasPersistentCaches(path: string): boolean {
	const directory = resolveLink(path);
	if (directory === undefined) return false;
	// A partition has none below it. A device-mapper volume is as good as the worst device below it.
	const below = listDirectory(`${directory}/slaves`);
	return below.length > 0
		? below.every((name) => deviceHasPersistentCaches(`${directory}/slaves/${name}`))
		: regionHasPersistentCaches(directory);
}

/**
 * Whether a power failure saves what is in the processor's caches for a block device: its region's `persistence_domain` is `cpu_cache`.
 * Regions that do not say, such as those of memmap=, do not. libpmem2 answers for the whole machine; this is for the one device.
 */
const hasPersistentCaches = (deviceMajor: number, deviceMinor: number): boolean =>
	deviceHasPersistentCaches(`/sys/dev/block/${deviceMajor}:${deviceMinor}`);

/**
 * The granularity of a shared mapping, as libpmem2 decides it: `page` without MAP_SYNC, or on a processor whose flush instruction is not
 * known; else `byte` if the device's caches are persistent, else `cache-line`.
 */
export function granularityOf(sync: boolean, deviceMajor: number, deviceMinor: number): PmemGranularity {
	if (!sync || native.flushInstructions.length === 0) return 'page';
	return hasPersistentCaches(deviceMajor, deviceMinor) ? 'byte' : 'cache-line';
}
