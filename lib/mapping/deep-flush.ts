// The deep flush of an nvdimm region, through sysfs (Documentation/ABI: /sys/bus/nd/devices/regionN/deep_flush).
import { writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { attempt } from '../attempt.ts';
import { machine } from '../tree.ts';

/**
 * Flushes the buffers of the memory controller of the region that a device is in: as libpmem2 does, writes 1 to
 * `deep_flush`, unless that reads 0: there is nothing to flush then. A region without such a file has nothing to
 * flush, and a refusal is no error, because the flush of the caches has made the stores persistent already.
 *
 * @param directory The directory of a device-DAX device, or another device of a region, in sysfs.
 */
export function deepFlushDevice(directory: string): void {
	for (let at = directory; at.startsWith('/sys/'); at = dirname(at)) {
		const path = `${at}/deep_flush`;
		const { value } = machine.read(path);
		if (value === undefined) continue;
		if (value !== '0') attempt(() => writeFileSync(path, '1'));
		return;
	}
}
