// Plans where in the guest's memory the emulated pmem lies.
import { outOfRange } from '../errors.ts';
import { formatSize, GIB, MIB } from './size.ts';

/** One `memmap=` region, in bytes. */
export interface PmemRegion {
	start: number;
	size: number;
}

/** The guest's physical memory, in bytes. */
export interface MemoryLayout {
	/** All of it, pmem included: QEMU's `-m`. */
	total: number;
	/** How much lies below 4 GiB: QEMU's `max-ram-below-4g`. The rest begins at 4 GiB. */
	below4G: number;
	/** The pmem regions by rising address, which is the order in which the kernel numbers /dev/pmemN. */
	regions: PmemRegion[];
}

/** Less does not carry Node, its page cache and the overlay of the root. */
const MIN_MEMORY = 512 * MIB;
/** Kernel: namespaces smaller than this are refused (ND_MIN_NAMESPACE_SIZE is a page, but alignment makes it 16 MiB). */
const MIN_PMEM = 16 * MIB;
/** Kernel: start and end must be multiples of the memory subsection, or the namespace stays disabled ("misaligned, unable to map"). */
const SUBSECTION = 2 * MIB;
/** Kernel: one memory block (sparsemem section); regions aligned to it never share one with ordinary memory. */
const SECTION = 128 * MIB;
/** libnvdimm's default alignment of namespaces on x86. */
const NAMESPACE_ALIGN = 16 * MIB;
/** The `pc` machine keeps 1 GiB below 4 GiB free for PCI when there is more memory than fits. */
const MAX_BELOW_4G = 3 * GIB;
/** Kernel: the memory map (struct page, 64 bytes) of each 4 KiB page of pmem comes out of ordinary memory. */
const PAGES_PER_STRUCT_PAGE = 4096 / 64;
/** TCG's and most hosts' guest-physical addresses have 40 bits. */
const MAX_ADDRESS = 2 ** 40;

const roundUp = (value: number, multiple: number) => Math.ceil(value / multiple) * multiple;

/**
 * Plans the guest's memory so that each pmem region lies inside usable RAM, above 4 GiB, clear of the PCI hole, the firmware's tables and
 * the kernel, and so that `memory` bytes (and what the kernel needs to describe the pmem) remain for the guest itself.
 *
 * @param memory Bytes that the guest can use.
 * @param pmem Bytes of each region.
 * @throws ERR_OUT_OF_RANGE if a size is too small, too large, or a region is not a multiple of 2 MiB.
 */
export function planLayout(memory: number, pmem: readonly number[]): MemoryLayout {
	if (memory < MIN_MEMORY) throw outOfRange('memory', `at least ${formatSize(MIN_MEMORY)}`, memory);
	let all = 0;
	for (const size of pmem) {
		if (size < MIN_PMEM) throw outOfRange('pmem', `at least ${formatSize(MIN_PMEM)}`, size);
		if (size % SUBSECTION !== 0) throw outOfRange('pmem', 'a multiple of 2M', size);
		all += size;
	}
	const usable = roundUp(memory + all / PAGES_PER_STRUCT_PAGE, 2 * MIB);
	const below4G = Math.min(usable, MAX_BELOW_4G);
	const regions: PmemRegion[] = [];
	let end = 4 * GIB;
	for (const size of pmem) {
		const start = roundUp(end, size % SECTION === 0 ? SECTION : NAMESPACE_ALIGN);
		regions.push({ start, size });
		end = start + size;
	}
	// What alignment skips between two regions is ordinary memory and counts as such.
	const top = Math.max(end, 4 * GIB + usable - below4G + all);
	if (top > MAX_ADDRESS) throw outOfRange('pmem', 'small enough for 1T of memory in all', all);
	return { total: below4G + top - 4 * GIB, below4G, regions };
}

/** The kernel's `memmap=` arguments that turn the planned regions into pmem ("persistent (type 12)"). */
export function memmapArguments(layout: MemoryLayout): string[] {
	return layout.regions.map(({ start, size }) => `memmap=${formatSize(size)}!${formatSize(start)}`);
}
