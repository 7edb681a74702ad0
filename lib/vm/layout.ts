// Plans where in the guest's memory the emulated pmem lies.
import { outOfRange } from '../errors.ts';
import { formatSize, GIB, KIB, MIB } from '../size.ts';

/** A range of physical memory that a `memmap=` is for, in bytes. */
export interface MemoryRange {
	start: number;
	size: number;
}

export const machineTypes = ['pc', 'q35'] as const;
/** QEMU's name of a sort of machine; each leaves a hole of its own below 4 GiB. */
export type MachineType = (typeof machineTypes)[number];

/** QEMU's name of its machine for arm64. */
export const arm64Machine = 'virt';

/** The guest's physical memory, in bytes. */
export interface MemoryLayout {
	/** The machine that it is planned for. */
	machine: MachineType | typeof arm64Machine;
	/** All of it, pmem included: QEMU's `-m`. */
	total: number;
	/** How much lies below 4 GiB: QEMU's `max-ram-below-4g` on x86. The rest begins at 4 GiB. */
	below4G: number;
	/** What each NUMA node has of it, by rising address; Soft Reserved memory has nodes of its own, after these. */
	nodes: number[];
	/** The pmem regions by rising address, which is the order in which the kernel numbers their devices. */
	regions: MemoryRange[];
	/** Ranges that the firmware calls Soft Reserved, at the end of all of it; each is all that a NUMA node has. */
	softReserved: MemoryRange[];
	/** What is plugged in above all of it. */
	plugged: PluggedMemory;
	/** `total` and all that is plugged in: QEMU's `maxmem`. */
	maximum: number;
}

/** Memory that comes as a device of its own: bytes of each. */
export interface PluggedMemory {
	/** On node 0. */
	nvdimm: readonly number[];
	/** Nvdimms, each on a NUMA node of its own. */
	devdax: readonly number[];
	virtioPmem: readonly number[];
	/** A CXL type 3 device, at most one. */
	cxl: readonly number[];
}

/** What a guest's memory lies in. */
export interface Board {
	/** Default: `pc`. */
	machine?: MachineType;
	/** NUMA nodes that share the ordinary memory evenly. Default: 1. */
	nodes?: number;
}

/** What there is beside ordinary memory and pmem: bytes of each. */
export interface OtherMemory extends Partial<PluggedMemory> {
	/** Ranges of Soft Reserved memory. */
	hmem?: readonly number[];
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
/** `pc` keeps 1 GiB below 4 GiB free for PCI when there is more memory than fits; `q35` 2 GiB. */
const MAX_BELOW_4G: Readonly<Record<MachineType, number>> = { pc: 3 * GIB, q35: 2 * GIB };
/** Kernel: CXL decoders map multiples of this. */
const CXL_GRANULE = 256 * MIB;
/** Of each sort. The kernel's distances between nodes, and its command line, have room for more; the machine has no use for it. */
export const MAX_NODES = 8;
/** Kernel: the memory map (struct page, 64 bytes) of each 4 KiB page of pmem comes out of ordinary memory. */
const PAGES_PER_STRUCT_PAGE = 4096 / 64;
/** The `pc` machine has PCI slots for so many virtio-pmem beside as many virtiofs. */
const MAX_PLUGGED = 8;
/** TCG's and most hosts' guest-physical addresses have 40 bits. */
const MAX_ADDRESS = 2 ** 40;

const roundUp = (value: number, multiple: number) => Math.ceil(value / multiple) * multiple;

/**
 * Plans the guest's memory so that each pmem region lies inside usable RAM, above 4 GiB, clear of the PCI hole, the firmware's tables and
 * the kernel, and so that `memory` bytes (and what the kernel needs to describe the rest) remain for the guest itself.
 *
 * @param memory Bytes that the guest can use.
 * @param pmem Bytes of each region.
 * @param others What else there is.
 * @param board What it lies in.
 * @throws ERR_OUT_OF_RANGE if a size is too small, too large, or not a multiple of what its sort needs, or there are too many of a sort.
 */
export function planLayout(
	memory: number,
	pmem: readonly number[],
	others: OtherMemory = {},
	{ machine = 'pc', nodes = 1 }: Board = {},
): MemoryLayout {
	const { hmem = [], nvdimm = [], devdax = [], virtioPmem = [], cxl = [] } = others;
	checkMemory(memory, pmem);
	checkSizes('nvdimm', nvdimm, NAMESPACE_ALIGN, MAX_PLUGGED);
	checkSizes('virtioPmem', virtioPmem, NAMESPACE_ALIGN, MAX_PLUGGED);
	checkSizes('devdax', devdax, NAMESPACE_ALIGN, MAX_NODES);
	checkSizes('hmem', hmem, SECTION, MAX_NODES);
	checkSizes('cxl', cxl, CXL_GRANULE, 1);
	const devices = sum(nvdimm) + sum(devdax) + sum(virtioPmem);
	const described = sum(pmem) + sum(hmem) + devices + sum(cxl);
	const usable = roundUp(memory + described / PAGES_PER_STRUCT_PAGE, 2 * MIB);
	const below4G = Math.min(usable, MAX_BELOW_4G[machine]);
	const regions: MemoryRange[] = [];
	let end = 4 * GIB;
	for (const size of pmem) {
		const start = roundUp(end, size % SECTION === 0 ? SECTION : NAMESPACE_ALIGN);
		regions.push({ start, size });
		end = start + size;
	}
	// What alignment skips between two regions is ordinary memory and counts as such.
	let top = Math.max(end, 4 * GIB + usable - below4G + sum(pmem));
	const softReserved: MemoryRange[] = [];
	for (const size of hmem) {
		top = roundUp(top, SECTION);
		softReserved.push({ start: top, size });
		top += size;
	}
	// QEMU begins the devices at a multiple of 1 GiB, and keeps as much more for the alignment of each.
	const modules = nvdimm.length + devdax.length;
	const last = roundUp(top, GIB) + devices + sum(cxl) + modules * GIB;
	if (last > MAX_ADDRESS) throw outOfRange('pmem', 'small enough for 1T of memory in all', described);
	const total = below4G + top - 4 * GIB;
	const maximum = total + devices + modules * LABEL_SIZE;
	return {
		machine,
		total,
		below4G,
		nodes: splitOverNodes(total - sum(hmem), nodes, below4G, end - 4 * GIB),
		regions,
		softReserved,
		plugged: { nvdimm, devdax, virtioPmem, cxl },
		maximum,
	};
}

/** QEMU: where the memory of the machine begins (VIRT_MEM in hw/arm/virt.c). It has no hole. */
const ARM64_START = GIB;

/**
 * Plans the memory of an arm64 guest: the pmem regions lie behind `memory` bytes (and what the kernel needs to describe the regions), where
 * the kernel is told not to use memory as its own.
 *
 * @param memory Bytes that the guest can use.
 * @param pmem Bytes of each region.
 * @throws ERR_OUT_OF_RANGE
 */
export function planArm64Layout(memory: number, pmem: readonly number[]): MemoryLayout {
	checkMemory(memory, pmem);
	const usable = memory + sum(pmem) / PAGES_PER_STRUCT_PAGE;
	let end = ARM64_START + roundUp(usable, SECTION);
	const regions = pmem.map((size) => {
		const start = roundUp(end, SECTION);
		end = start + size;
		return { start, size };
	});
	if (end > MAX_ADDRESS) throw outOfRange('pmem', 'small enough for 1T of memory in all', sum(pmem));
	const total = end - ARM64_START;
	return {
		machine: arm64Machine,
		total,
		below4G: Math.min(total, 4 * GIB - ARM64_START),
		nodes: [total],
		regions,
		softReserved: [],
		plugged: { nvdimm: [], devdax: [], virtioPmem: [], cxl: [] },
		maximum: total,
	};
}

/**
 * Splits memory over nodes, so that each has as much that is not pmem and all pmem is on one. The last has what is left over.
 *
 * @param below4G How much of the memory comes before the pmem.
 * @param pmem What lies between that and the rest.
 */
function splitOverNodes(memory: number, nodes: number, below4G: number, pmem: number): number[] {
	const skipped = roundUp(pmem, SECTION);
	const each = Math.floor((memory - skipped) / nodes / SECTION) * SECTION;
	if (nodes > 1 && each === 0) {
		throw outOfRange('nodes', `so few that each has ${formatSize(SECTION)} of memory`, nodes);
	}
	const ends = Array.from({ length: nodes - 1 }, (_, n) => (n + 1) * each).map((end) =>
		end <= below4G ? end : end + skipped,
	);
	return [...ends, memory].map((end, n) => end - (ends[n - 1] ?? 0));
}

const sum = (sizes: readonly number[]): number => sizes.reduce((all, size) => all + size, 0);

function checkMemory(memory: number, pmem: readonly number[]): void {
	if (memory < MIN_MEMORY) throw outOfRange('memory', `at least ${formatSize(MIN_MEMORY)}`, memory);
	for (const size of pmem) {
		if (size < MIN_PMEM) throw outOfRange('pmem', `at least ${formatSize(MIN_PMEM)}`, size);
		if (size % SUBSECTION !== 0) throw outOfRange('pmem', 'a multiple of 2M', size);
	}
}

/** Devices lie side by side, so each has to end where the next may begin. */
function checkSizes(name: string, sizes: readonly number[], multiple: number, most: number): void {
	if (sizes.length > most) throw outOfRange(name, `at most ${most} device${most === 1 ? '' : 's'}`, sizes.length);
	for (const size of sizes) {
		if (size % multiple !== 0) throw outOfRange(name, `a multiple of ${formatSize(multiple)}`, formatSize(size));
	}
}

/** The numbers of the NUMA nodes that come after those of ordinary memory; undefined where all memory is on one node. */
export function nodesOf({
	nodes,
	plugged: { devdax },
	softReserved,
}: MemoryLayout): { devdax: number[]; hmem: number[] } | undefined {
	const first = nodes.length;
	if (first + devdax.length + softReserved.length === 1) return undefined;
	return { devdax: devdax.map((_, n) => first + n), hmem: softReserved.map((_, n) => first + devdax.length + n) };
}

/** E820_TYPE_SOFT_RESERVED (arch/x86/include/asm/e820/types.h), and the type of ordinary memory. */
const SOFT_RESERVED = '0xefffffff';
const RAM = 1;

/**
 * What keeps the kernel of an arm64 guest from using its pmem as ordinary memory: `mem=` ends that where the first region begins. The device
 * tree says what the regions are (see device-tree.ts).
 */
export const memArguments = ({ regions }: MemoryLayout): string[] =>
	regions.slice(0, 1).map(({ start }) => `mem=${formatSize(start - ARM64_START)}`);

/** The x86 kernel's `memmap=` arguments: the planned regions become pmem ("persistent (type 12)"), and the ranges Soft Reserved. */
export function memmapArguments({ regions, softReserved }: MemoryLayout): string[] {
	return [
		...regions.map(({ start, size }) => `memmap=${formatSize(size)}!${formatSize(start)}`),
		...softReserved.map(({ start, size }) => `memmap=${formatSize(size)}%${formatSize(start)}-${RAM}+${SOFT_RESERVED}`),
	];
}
