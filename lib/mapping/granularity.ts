// Finds out what makes a store persistent: libpmem2's granularity.
import { dirname } from 'node:path';
import { native } from '../native.ts';
import { machine } from '../tree.ts';

/**
 * The smallest unit in which stores become persistent, as in libpmem2:
 * - `page`: msync makes them persistent.
 * - `cache-line`: a flush of the processor's cache does.
 * - `byte`: the caches themselves survive a power failure (eADR), so a fence is enough.
 */
export type PmemGranularity = 'page' | 'cache-line' | 'byte';

/** Whether the device's nvdimm region says that the processor's caches are in its persistence domain. */
function regionHasPersistentCaches(directory: string): boolean {
	// The region is an ancestor in sysfs: …/ndbus0/region0/namespace0.0/block/pmem0.
	for (let at = directory; at.startsWith('/sys/devices/'); at = dirname(at)) {
		const domain = machine.read(`${at}/persistence_domain`).value;
		if (domain !== undefined) return domain === 'cpu_cache';
	}
	return false;
}

function deviceHasPersistentCaches(path: string): boolean {
	const directory = machine.resolve(path);
	if (directory === undefined) return false;
	// A partition has no devices below it. A device-mapper volume is as good as the worst device below it.
	const below = machine.list(`${directory}/slaves`);
	return below.length > 0
		? below.every((name) => deviceHasPersistentCaches(`${directory}/slaves/${name}`))
		: regionHasPersistentCaches(directory);
}

/**
 * Whether the content of the processor's caches survives a power failure, for a block device: its region's
 * `persistence_domain` is `cpu_cache`. A region that does not say, such as one of memmap=, counts as no. libpmem2
 * answers for the whole machine; this answers for one device.
 */
const hasPersistentCaches = (deviceMajor: number, deviceMinor: number): boolean =>
	deviceHasPersistentCaches(`/sys/dev/block/${deviceMajor}:${deviceMinor}`);

/**
 * The granularity of a shared mapping, decided as in libpmem2. It is `page` without MAP_SYNC, or if the processor's
 * flush instruction is not known. Else it is `byte` if the device's caches are persistent, and `cache-line` if not.
 */
export function granularityOf(sync: boolean, deviceMajor: number, deviceMinor: number): PmemGranularity {
	if (!sync || native.flushInstructions.length === 0) return 'page';
	return hasPersistentCaches(deviceMajor, deviceMinor) ? 'byte' : 'cache-line';
}
