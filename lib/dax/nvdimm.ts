// What sysfs says of the persistent memory behind a /dev/pmem device: its namespace, its region, its bus
// (Documentation/driver-api/nvdimm/nvdimm.rst). The tree is bus / region / namespace / block device.
import { basename, dirname } from 'node:path';
import { namespaceMode } from '../namespace-mode.ts';
import { parseSwitch } from '../sysfs.ts';
import { machine } from '../tree.ts';

/** A namespace: a part of a region that is used in one way. */
export interface PmemNamespace {
	/** namespace0.0, as ndctl names it. */
	name: string;
	/**
	 * How it is used. `fsdax` makes a /dev/pmemN with a struct page for each page, and so with DAX. `raw` makes a
	 * /dev/pmemN without them. `sector` makes a /dev/pmemNs with atomic sectors and without DAX.
	 */
	mode: 'fsdax' | 'raw' | 'sector' | undefined;
	/** Bytes. */
	size: number | undefined;
	/** The alignment of a namespace with an information block, in bytes. */
	align: number | undefined;
	/** The physical address at which its data begin. Undefined for everyone but root. */
	start: number | undefined;
}

/** A region: an interleave set of DIMMs, or a range of memory that the firmware calls persistent. */
export interface PmemRegion {
	/** region0. */
	name: string;
	/** Who found it: e820, ACPI.NFIT, virtio-pmem, of_pmem… */
	provider: string | undefined;
	/**
	 * How far stores have to come to survive a power failure: `cpu_cache`, `memory_controller`. Undefined if the platform
	 * does not say.
	 */
	persistenceDomain: string | undefined;
	/**
	 * Whether flushing the processor caches is not enough, and an fsync has to follow. So it is on virtio-pmem, where the
	 * host has the data in its page cache. Such a region refuses MAP_SYNC. Undefined where neither the provider nor a
	 * refusal of MAP_SYNC tells.
	 */
	asynchronous: boolean | undefined;
	readOnly: boolean | undefined;
	/** Undefined if the region belongs to no node. */
	numaNode: number | undefined;
	/** Namespaces begin at multiples of this many bytes. */
	align: number | undefined;
	/** Bytes. */
	size: number | undefined;
}

export interface Nvdimm {
	namespace: PmemNamespace;
	region: PmemRegion;
}

/**
 * The mode of a namespace that has a block device. If the device can do DAX it has page structures, whatever else is
 * shown.
 */
function modeOf(owner: string, kernelMode: string | undefined, dax: boolean | undefined): PmemNamespace['mode'] {
	const mode = namespaceMode(owner, kernelMode);
	if (mode === 'sector' || mode === 'fsdax') return mode;
	return dax ? 'fsdax' : mode === 'raw' ? mode : undefined;
}

/**
 * The namespace and region behind a disk. Undefined if the disk is not persistent memory of the kernel's nd subsystem.
 */
export function nvdimmOf(diskDirectory: string, dax: boolean | undefined): Nvdimm | undefined {
	const owner = machine.resolve(`${diskDirectory}/device`);
	if (owner === undefined) return undefined;
	// The block device is below the namespace, or below the pfn or btt that claimed it. In that case its attribute
	// `namespace` names the claimed namespace.
	const region = dirname(owner);
	if (!/^region\d+$/.test(basename(region))) return undefined;
	const holder = basename(owner);
	const name = holder.startsWith('namespace') ? holder : (machine.read(`${owner}/namespace`).value ?? holder);
	const directory = `${region}/${name}`;
	const bus = dirname(region);
	const domain = machine.read(`${region}/persistence_domain`).value;
	const numaNode = machine.number(`${region}/numa_node`).value;
	const provider = machine.read(`${bus}/provider`).value;
	return {
		namespace: {
			name,
			mode: modeOf(holder, machine.read(`${directory}/mode`).value, dax),
			size: machine.number(`${directory}/size`).value,
			align: machine.number(`${owner}/align`).value,
			start: machine.number(`${owner}/resource`).value,
		},
		region: {
			name: basename(region),
			provider,
			persistenceDomain: domain === '' ? undefined : domain,
			// No attribute says so, but this driver always makes such regions (drivers/nvdimm/virtio_pmem.c,
			// ND_REGION_ASYNC).
			asynchronous: provider === 'virtio-pmem' ? true : undefined,
			readOnly: parseSwitch(machine.read(`${region}/read_only`).value),
			numaNode: numaNode === -1 ? undefined : numaNode,
			align: machine.number(`${region}/align`).value,
			size: machine.number(`${region}/size`).value,
		},
	};
}
