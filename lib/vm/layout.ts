// Plans where in the guest's memory the emulated pmem is.
import { outOfRange } from '../errors.ts';
import { formatSize, GIB, KIB, MIB } from '../size.ts';

/** A range of physical memory that a `memmap=` describes, in bytes. */
export interface MemoryRange {
	start: number;
	size: number;
}

export const machineTypes = ['pc', 'q35'] as const;
/** QEMU's names of machine types. Each leaves a hole of another size below 4 GiB. */
export type MachineType = (typeof machineTypes)[number];

/** QEMU's name of its arm64 machine. */
export const arm64Machine = 'virt';

/** The guest's physical memory, in bytes. */
export interface MemoryLayout {
	/** The machine type that this layout is for. */
	machine: MachineType | typeof arm64Machine;
	/** All memory from the start, pmem included: QEMU's `-m`. */
	total: number;
	/** How much lies below 4 GiB: QEMU's `max-ram-below-4g` on x86. The rest begins at 4 GiB. */
	below4G: number;
	/** How much of it each NUMA node has, by rising address. Soft Reserved memory is on further nodes, after these. */
	nodes: number[];
	/** The pmem regions by rising address, which is the order in which the kernel numbers their devices. */
	regions: MemoryRange[];
	/**
	 * Ranges that the firmware calls Soft Reserved, at the end of the memory. Each is the only memory of a NUMA node.
	 */
	softReserved: MemoryRange[];
	/** Memory devices that are plugged in, at addresses above all other memory. */
	plugged: PluggedMemory;
	/** `total` and all plugged memory: QEMU's `maxmem`. */
	maximum: number;
}

/** Sizes of memory that comes as devices, in bytes. */
export interface PluggedMemory {
	/** On node 0. */
	nvdimm: readonly number[];
	/** Nvdimms, each on a NUMA node of its own. */
	devdax: readonly number[];
	virtioPmem: readonly number[];
	/** A CXL type 3 device, at most one. */
	cxl: readonly number[];
}

/** The machine around a guest's memory. */
export interface Board {
	/** Default: `pc`. */
	machine?: MachineType;
	/** NUMA nodes that share the ordinary memory evenly. Default: 1. */
	nodes?: number;
}

/** Sizes of memory beside ordinary memory and pmem, in bytes. */
export interface OtherMemory extends Partial<PluggedMemory> {
	/** Ranges of Soft Reserved memory. */
	hmem?: readonly number[];
}

/** The label area that an nvdimm has besides its memory. QEMU and the kernel accept no less. */
export const LABEL_SIZE = 128 * KIB;

/** Node, its page cache and the overlay of the root do not fit in less. */
const MIN_MEMORY = 512 * MIB;
/** Kernel: it refuses smaller namespaces (ND_MIN_NAMESPACE_SIZE is a page, but alignment makes it 16 MiB). */
const MIN_PMEM = 16 * MIB;
/**
 * Kernel: a region's start and end must be multiples of the memory subsection. Otherwise the namespace stays disabled
 * ("misaligned, unable to map").
 */
const SUBSECTION = 2 * MIB;
/**
 * Kernel: one memory block (sparsemem section). A region that is aligned to it never shares a block with ordinary
 * memory.
 */
const SECTION = 128 * MIB;
/** libnvdimm's default alignment of namespaces on x86. */
const NAMESPACE_ALIGN = 16 * MIB;
/**
 * The most memory that each machine has below 4 GiB when more does not fit there. `pc` keeps 1 GiB free for PCI, `q35`
 * 2 GiB.
 */
const MAX_BELOW_4G: Readonly<Record<MachineType, number>> = { pc: 3 * GIB, q35: 2 * GIB };
/** Kernel: CXL decoders map multiples of this. */
const CXL_GRANULE = 256 * MIB;
/**
 * The most nodes of each sort. The kernel's distances between nodes, and its command line, have room for more, but
 * nobody needs more.
 */
export const MAX_NODES = 8;
/** Kernel: ordinary memory holds a struct page (64 bytes) for each 4 KiB page of pmem. */
const PAGES_PER_STRUCT_PAGE = 4096 / 64;
/** The `pc` machine has PCI slots for this many virtio-pmem devices beside as many virtiofs devices. */
const MAX_PLUGGED = 8;
/** Guest-physical addresses have 40 bits under TCG and on most hosts. */
const MAX_ADDRESS = 2 ** 40;

const roundUp = (value: number, multiple: number) => Math.ceil(value / multiple) * multiple;

/**
 * Plans the guest's memory so that each pmem region is in usable RAM above 4 GiB, away from the PCI hole, the
 * firmware's tables and the kernel. The guest keeps `memory` bytes for itself, and what its kernel needs to describe
 * the rest.
 *
 * @param memory Bytes that the guest can use.
 * @param pmem Bytes of each region.
 * @param others Sizes of other memory.
 * @param board The machine around it.
 * @throws ERR_OUT_OF_RANGE if a size is too small, too large, or not a multiple of what its sort needs, or if there are
 * too many of a sort.
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
	// The gaps that alignment leaves between two regions are ordinary memory, and count as such.
	let top = Math.max(end, 4 * GIB + usable - below4G + sum(pmem));
	const softReserved: MemoryRange[] = [];
	for (const size of hmem) {
		top = roundUp(top, SECTION);
		softReserved.push({ start: top, size });
		top += size;
	}
	// QEMU puts the devices at a multiple of 1 GiB, and reserves 1 GiB more for the alignment of each.
	const modules = nvdimm.length + devdax.length;
	const last = roundUp(top, GIB) + devices + sum(cxl) + modules * GIB;
	if (last > MAX_ADDRESS) throw outOfRange('pmem', 'small enough that all memory fits into 1T', described);
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

/** QEMU: the address at which the machine's memory begins (VIRT_MEM in hw/arm/virt.c). This machine has no hole. */
const ARM64_START = GIB;

/**
 * Plans the memory of an arm64 guest. The pmem regions come after `memory` bytes and what the kernel needs to describe
 * the regions. The kernel is told not to use that part as ordinary memory.
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
	if (end > MAX_ADDRESS) throw outOfRange('pmem', 'small enough that all memory fits into 1T', sum(pmem));
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
 * Splits memory over nodes. Each node gets the same amount of ordinary memory, and all pmem is on one node. The last
 * node gets the remainder.
 *
 * @param below4G How much of the memory comes before the pmem.
 * @param pmem The size of the pmem between that and the rest.
 */
function splitOverNodes(memory: number, nodes: number, below4G: number, pmem: number): number[] {
	const skipped = roundUp(pmem, SECTION);
	const each = Math.floor((memory - skipped) / nodes / SECTION) * SECTION;
	if (nodes > 1 && each === 0) {
		throw outOfRange('nodes', `small enough that each node has ${formatSize(SECTION)} of memory`, nodes);
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

/** Checks sizes of devices. Devices are side by side, so each has to end where the next one may begin. */
function checkSizes(name: string, sizes: readonly number[], multiple: number, most: number): void {
	if (sizes.length > most) throw outOfRange(name, `at most ${most} device${most === 1 ? '' : 's'}`, sizes.length);
	for (const size of sizes) {
		if (size % multiple !== 0) throw outOfRange(name, `a multiple of ${formatSize(multiple)}`, formatSize(size));
	}
}

/** The numbers of the NUMA nodes after those of ordinary memory. Undefined where all memory is on one node. */
export function nodesOf({
	nodes,
	plugged: { devdax },
	softReserved,
}: MemoryLayout): { devdax: number[]; hmem: number[] } | undefined {
	const first = nodes.length;
	if (first + devdax.length + softReserved.length === 1) return undefined;
	return { devdax: devdax.map((_, n) => first + n), hmem: softReserved.map((_, n) => first + devdax.length + n) };
}

/**
 * The e820 types of Soft Reserved memory (E820_TYPE_SOFT_RESERVED in arch/x86/include/asm/e820/types.h) and of ordinary
 * memory.
 */
const SOFT_RESERVED = '0xefffffff';
const RAM = 1;

/**
 * Keeps the kernel of an arm64 guest from using its pmem as ordinary memory: `mem=` ends ordinary memory where the
 * first region begins. The device tree describes the regions (see device-tree.ts).
 */
export const memArguments = ({ regions }: MemoryLayout): string[] =>
	regions.slice(0, 1).map(({ start }) => `mem=${formatSize(start - ARM64_START)}`);

/**
 * The x86 kernel's `memmap=` arguments. They make the planned regions pmem ("persistent (type 12)"), and the other
 * ranges Soft Reserved.
 */
export function memmapArguments({ regions, softReserved }: MemoryLayout): string[] {
	return [
		...regions.map(({ start, size }) => `memmap=${formatSize(size)}!${formatSize(start)}`),
		...softReserved.map(({ start, size }) => `memmap=${formatSize(size)}%${formatSize(start)}-${RAM}+${SOFT_RESERVED}`),
	];
}
