// Plans where in the guest's memory the emulated pmem lies.
import { outOfRange } from '../errors.ts';
import { formatSize, GIB, KIB, MIB } from './size.ts';

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
	/** The pmem regions by rising address, which is the order in which the kernel numbers their devices. */
	regions: PmemRegion[];
	/** What is plugged in above all of it. */
	plugged: PluggedMemory;
	/** `total` and all that is plugged in: QEMU's `maxmem`. */
	maximum: number;
}

/** Memory that comes as a device of its own: bytes of each. */
export interface PluggedMemory {
	nvdimm: readonly number[];
	virtioPmem: readonly number[];
}

/** What an nvdimm has besides for its labels; QEMU and the kernel want no less. */
export const LABEL_SIZE = 128 * KIB;

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
/** The `pc` machine has PCI slots for so many virtio-pmem beside as many virtiofs. */
const MAX_PLUGGED = 8;
/** TCG's and most hosts' guest-physical addresses have 40 bits. */
const MAX_ADDRESS = 2 ** 40;

const noPlugged: PluggedMemory = { nvdimm: [], virtioPmem: [] };

const roundUp = (value: number, multiple: number) => Math.ceil(value / multiple) * multiple;

/**
 * Plans the guest's memory so that each pmem region lies inside usable RAM, above 4 GiB, clear of the PCI hole, the firmware's tables and
 * the kernel, and so that `memory` bytes (and what the kernel needs to describe the pmem) remain for the guest itself.
 *
 * @param memory Bytes that the guest can use.
 * @param pmem Bytes of each region.
 * @param plugged What else there is, as devices above all that.
 * @throws ERR_OUT_OF_RANGE if a size is too small, too large, a region is not a multiple of 2 MiB, or a device not one of 16 MiB.
 */
export function planLayout(memory: number, pmem: readonly number[], plugged = noPlugged): MemoryLayout {
	if (memory < MIN_MEMORY) throw outOfRange('memory', `at least ${formatSize(MIN_MEMORY)}`, memory);
	let all = 0;
	for (const size of pmem) {
		if (size < MIN_PMEM) throw outOfRange('pmem', `at least ${formatSize(MIN_PMEM)}`, size);
		if (size % SUBSECTION !== 0) throw outOfRange('pmem', 'a multiple of 2M', size);
		all += size;
	}
	const devices = sumOfPlugged(plugged);
	const usable = roundUp(memory + (all + devices) / PAGES_PER_STRUCT_PAGE, 2 * MIB);
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
	// QEMU begins the devices at a multiple of 1 GiB, and keeps as much more for the alignment of each.
	const last = roundUp(top, GIB) + devices + plugged.nvdimm.length * GIB;
	if (last > MAX_ADDRESS) throw outOfRange('pmem', 'small enough for 1T of memory in all', all + devices);
	const total = below4G + top - 4 * GIB;
	return { total, below4G, regions, plugged, maximum: total + devices + plugged.nvdimm.length * LABEL_SIZE };
}

/** Bytes of all devices. QEMU lays them side by side, so each has to end where the next may begin. */
function sumOfPlugged(plugged: PluggedMemory): number {
	let all = 0;
	for (const [name, sizes] of Object.entries(plugged) as [string, readonly number[]][]) {
		if (sizes.length > MAX_PLUGGED) throw outOfRange(name, `at most ${MAX_PLUGGED} devices`, sizes.length);
		for (const size of sizes) {
			if (size % NAMESPACE_ALIGN !== 0) {
				throw outOfRange(name, `a multiple of ${formatSize(NAMESPACE_ALIGN)}`, formatSize(size));
			}
			all += size;
		}
	}
	return all;
}

/** The kernel's `memmap=` arguments that turn the planned regions into pmem ("persistent (type 12)"). */
export function memmapArguments(layout: MemoryLayout): string[] {
	return layout.regions.map(({ start, size }) => `memmap=${formatSize(size)}!${formatSize(start)}`);
}
