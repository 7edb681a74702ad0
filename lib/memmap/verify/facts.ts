// What a machine says of its emulated persistent memory.

import type { AddressRange } from '../../byte-ranges.ts';
import type { Tree } from '../../tree.ts';
import { type PendingBoot, pendingBoot } from '../boot/pending.ts';
import { type BootArguments, parseBootArguments } from '../boot-arguments.ts';
import { parseIomem } from '../iomem.ts';
import { firmwareTableOf } from '../read.ts';
import type { MemoryTable } from '../table.ts';
import { type EmulatedRegion, emulatedRegions } from './regions.ts';

/** The drivers between the e820 table and a disk. They are modules with the same names, or built in. */
export const drivers = { nd_e820: '/sys/bus/platform/drivers/e820_pmem', nd_pmem: '/sys/bus/nd/drivers/nd_pmem' };
export type DriverName = keyof typeof drivers;

export interface Facts {
	/** What the running kernel was told. Undefined where there is no /proc. */
	boot: BootArguments | undefined;
	/** What the kernel will be told at the next boot. */
	pending: PendingBoot;
	/** The firmware's table. Undefined where the kernel does not show it. */
	table: MemoryTable | undefined;
	/**
	 * The ranges of the e820 table that /proc/iomem calls persistent. Undefined where addresses are hidden from this
	 * user.
	 */
	persistent: AddressRange[] | undefined;
	/** Where the running kernel is. Undefined in the same case. */
	kernel: AddressRange | undefined;
	/**
	 * Drivers that are missing, and whether the running kernel has them as modules. `isModule` is undefined where that is
	 * not known.
	 */
	missing: { name: DriverName; isModule: boolean | undefined }[];
	regions: EmulatedRegion[];
}

/** Whether the running kernel has this driver as a module. */
function hasModule(tree: Tree, name: DriverName): boolean | undefined {
	const release = tree.read('/proc/sys/kernel/osrelease').value;
	const { value: list } = tree.read(`/lib/modules/${release}/modules.dep`);
	return list === undefined ? undefined : new RegExp(`/${name}\\.ko[.:]`).test(list);
}

/** Finds all facts. */
export function factsOf(tree: Tree): Facts {
	const commandLine = tree.read('/proc/cmdline').value;
	const { value: lines } = tree.read('/proc/iomem');
	const iomem = lines === undefined ? undefined : parseIomem(lines.split('\n'));
	const isShown = iomem !== undefined && !iomem.isHidden;
	const names = Object.keys(drivers) as DriverName[];
	return {
		boot: commandLine === undefined ? undefined : parseBootArguments(commandLine),
		pending: pendingBoot(tree),
		table: firmwareTableOf(tree),
		persistent: isShown ? iomem.ranges.filter(({ type }) => type === 'persistent (type 12)') : undefined,
		kernel: isShown ? iomem.kernel : undefined,
		missing: names
			.filter((name) => !tree.isDirectory(drivers[name]))
			.map((name) => ({ name, isModule: hasModule(tree, name) })),
		regions: emulatedRegions(tree),
	};
}
