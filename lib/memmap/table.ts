// The firmware's memory table as one typed value, whatever it was read from.

import type { AddressRange } from '../byte-ranges.ts';
import type { BootArguments, MemmapEntry } from './boot-arguments.ts';
import type { MemoryRangeType } from './range-type.ts';

/**
 * Where the ranges come from, the best first.
 * `sysfs`: /sys/firmware/memmap, the firmware's own table. `BIOS-e820`: the same in the kernel's log. `Xen`: the table
 * that a hypervisor gives its dom0. `user`, `iomem` (/proc/iomem): the table as `memmap=` and `mem=` have changed it.
 * `reserve setup_data`, `modified`: the table as the kernel has changed it for itself.
 */
export type MemoryTableSource = 'sysfs' | 'BIOS-e820' | 'Xen' | 'user' | 'iomem' | 'reserve setup_data' | 'modified';

/** One range of the table. */
export interface MemoryRange extends AddressRange {
	type: MemoryRangeType;
}

/** Memory that is taken already, though the firmware calls it usable. */
export interface MemoryReservation extends AddressRange {
	/** What takes it: `memmap=8G!8G`, `the crash kernel`… */
	by: string;
}

/** Memory of a NUMA node. */
export interface NodeMemoryRange extends AddressRange {
	node: number;
}

/** A place where a text leaves out a part of the table. */
export interface MemoryTableOmission {
	at: 'start' | 'inside' | 'end';
	/** How the omission was noticed, as a part of a sentence. */
	why: string;
}

/**
 * What is known of a machine's memory. Addresses and sizes are bytes. Each `end` is the first byte behind the range.
 */
export interface MemoryTable {
	source: MemoryTableSource;
	/** The rows as they were printed, in order. */
	ranges: MemoryRange[];
	/** What is taken already. */
	reserved: MemoryReservation[];
	/** The `memmap=` entries in force: those of the command line, and those that only a changed table shows. */
	memmap: MemmapEntry[];
	/** What the kernel's command line says about memory. Undefined where it is not known. */
	boot: BootArguments | undefined;
	/**
	 * RAM from here on is not used, because of `mem=` or a `memmap=` without a place. Undefined where there is no such
	 * limit.
	 */
	limit: { at: number; by: string } | undefined;
	/** How many bytes huge pages take, whether they were reserved on the command line or at run time. */
	hugePages: number;
	/**
	 * Memory by NUMA node. It is more than the RAM if the firmware lists memory that could be plugged in. Empty where it
	 * is not known.
	 */
	nodes: NodeMemoryRange[];
	/** Where the running kernel itself is. Undefined where it is not known. */
	kernel: AddressRange | undefined;
	/** Where rows are missing. Empty for a table that looks whole. */
	omissions: MemoryTableOmission[];
	/** Whether it is the hypervisor's table, for a Xen dom0. */
	xen: boolean;
	/** What the reader had to leave out or guess, as sentences. */
	notes: string[];
}

/**
 * Whether a source shows memory as it is after `memmap=`. If so, its type 12 is usable memory that was taken, unless
 * the firmware says otherwise.
 */
export const isAfterMemmap = (source: MemoryTableSource): boolean => source === 'user' || source === 'iomem';
