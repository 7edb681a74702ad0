// A machine whose kernel was booted with memmap=, as Linux 6.1 shows it.
import type { MemoryRange } from 'daxkind/memmap';
import { GIB } from '#lib/size.js';
import { firmware, iomem, smallMachine } from './memory-table.ts';
import type { Entries } from './tree.ts';

const hex = (value: number) => `0x${value.toString(16)}`;

/** The small machine with these ranges as persistent memory. */
export function iomemWith(ranges: readonly (readonly [start: number, end: number])[], inside = ''): string {
	const rows = smallMachine.flatMap((row): MemoryRange[] => {
		const taken = ranges.filter(([start]) => start >= row.start && start < row.end);
		return taken.length === 0 ? [row] : [];
	});
	const taken = ranges.map(([start, end]): MemoryRange => ({ start, end, type: 'persistent (type 12)' }));
	return `${iomem([...rows, ...taken].sort((one, other) => one.start - other.start))}${inside}`;
}

const drivers: Entries = {
	'/sys/bus/platform/drivers/e820_pmem/bind': '',
	'/sys/bus/nd/drivers/nd_pmem/bind': '',
	'/sys/bus/nd/drivers/nd_region/bind': '',
};

const bus = '/sys/devices/platform/e820_pmem/ndbus0';

/** A region with its namespace. */
export interface FakeRegion {
	number: number;
	start: number;
	size: number;
	/** The driver that is bound to the namespace, nd_pmem by default. '' means no driver. */
	driver?: string;
	/** What ndctl made of the namespace: pfn, dax or btt. */
	holder?: 'pfn' | 'dax' | 'btt';
	diskSize?: number;
	/** Whether the kernel hides the addresses, as it does from everybody but root. */
	isHidden?: boolean;
}

/** The region in sysfs, and its disk with a device node. */
export function region({
	number,
	start,
	size,
	driver = 'nd_pmem',
	holder,
	diskSize = size,
	isHidden = false,
}: FakeRegion): Entries {
	const at = `${bus}/region${number}`;
	const namespace = `${at}/namespace${number}.0`;
	const owner = holder === undefined ? namespace : `${at}/${holder}${number}.0`;
	const disk = holder === 'btt' ? `pmem${number}s` : `pmem${number}`;
	const isDisk = driver !== '' && holder !== 'dax';
	return {
		[`${bus}/provider`]: 'e820',
		[`/sys/bus/nd/devices/region${number}`]: `-> ${at}`,
		[`${at}/size`]: `${size}`,
		...(!isHidden && { [`${at}/resource`]: hex(start) }),
		[`${at}/driver`]: '-> /sys/bus/nd/drivers/nd_region',
		[`${namespace}/mode`]: 'memory',
		[`${namespace}/size`]: `${size}`,
		[`${namespace}/holder`]: holder === undefined ? '' : `${holder}${number}.0`,
		...(driver !== '' && { [`${owner}/driver`]: `-> /sys/bus/nd/drivers/${driver}` }),
		...(holder === 'dax' && { [`${owner}/dax${number}.0/align`]: '2097152' }),
		...(isDisk && {
			[`${owner}/block/${disk}/size`]: `${diskSize / 512}`,
			[`/sys/class/block/${disk}/dev`]: `259:${number}`,
			[`/dev/${disk}`]: '',
		}),
	};
}

/** A mount of the n-th disk. */
export const mountOf = (number: number, point = `/mnt/pmem${number}`): string =>
	`${36 + number} 24 259:${number} / ${point} rw,relatime - ext4 /dev/pmem${number} rw,dax=always`;

/** The whole machine, booted with 2 GiB of emulated memory at 4 GiB. */
export const emulated = (others: Entries = {}): Entries => ({
	...firmware,
	...drivers,
	'/proc/cmdline': 'root=/dev/sda1 memmap=2G!4G nokaslr',
	'/proc/iomem': iomemWith([[4 * GIB, 6 * GIB]]),
	'/proc/sys/kernel/osrelease': '6.1.0-1-amd64',
	...region({ number: 0, start: 4 * GIB, size: 2 * GIB }),
	'/proc/self/mountinfo': mountOf(0),
	...others,
});
