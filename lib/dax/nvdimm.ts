// What sysfs says of the persistent memory behind a /dev/pmem device: its namespace, its region, its bus
// (Documentation/driver-api/nvdimm/nvdimm.rst). The tree is bus / region / namespace / block device.
import { basename, dirname } from 'node:path';
import { namespaceMode } from '../namespace-mode.ts';
import { readAttribute, readNumber, readSwitch, resolveLink } from '../sysfs.ts';

/** A namespace: a part of a region that is used in one way. */
export interface PmemNamespace {
	/** namespace0.0, as ndctl names it. */
	name: string;
	/**
	 * How it is used: `fsdax` and `raw` make /dev/pmemN, the one with a struct page for each page and so with DAX, the other
	 * without; `sector` makes /dev/pmemNs, with atomic sectors and no DAX.
	 */
	mode: 'fsdax' | 'raw' | 'sector' | undefined;
	/** Bytes. */
	size: number | undefined;
	/** The alignment of a namespace with an information block, in bytes. */
	align: number | undefined;
	/** The physical address at which its data begin; undefined to all but root. */
	start: number | undefined;
}

/** A region: an interleave set of DIMMs, or a range of memory that the firmware calls persistent. */
export interface PmemRegion {
	/** region0. */
	name: string;
	/** Who found it: e820, ACPI.NFIT, virtio-pmem, of_pmem… */
	provider: string | undefined;
	/**
	 * Until where stores have to come to survive a power failure: `cpu_cache`, `memory_controller`; undefined if the platform does
	 * not say.
	 */
	persistenceDomain: string | undefined;
	/**
	 * Whether what is flushed from the processor caches still has to be asked for, by fsync: as on virtio-pmem, where the host has it in
	 * its page cache. Then MAP_SYNC is refused. Undefined where neither the provider nor a refusal of MAP_SYNC tells.
	 */
	asynchronous: boolean | undefined;
	readOnly: boolean | undefined;
	/** Undefined if it belongs to none. */
	numaNode: number | undefined;
	/** Bytes that namespaces begin at multiples of. */
	align: number | undefined;
	/** Bytes. */
	size: number | undefined;
}

export interface Nvdimm {
	namespace: PmemNamespace;
	region: PmemRegion;
}

/** The mode of a namespace that has a block device. That it can do DAX proves its pages, whatever else is shown. */
function modeOf(owner: string, kernelMode: string | undefined, dax: boolean | undefined): PmemNamespace['mode'] {
	const mode = namespaceMode(owner, kernelMode);
	if (mode === 'sector' || mode === 'fsdax') return mode;
	return dax ? 'fsdax' : mode === 'raw' ? mode : undefined;
}

/** The namespace and region behind a disk; undefined if it is not persistent memory of the kernel's nd subsystem. */
export function nvdimmOf(diskDirectory: string, dax: boolean | undefined): Nvdimm | undefined {
	const owner = resolveLink(`${diskDirectory}/device`);
	if (owner === undefined) return undefined;
	// The block device is below the namespace, or below the pfn or btt that claimed it; then `namespace` names the claimed one.
	const region = dirname(owner);
	if (!/^region\d+$/.test(basename(region))) return undefined;
	const holder = basename(owner);
	const name = holder.startsWith('namespace') ? holder : (readAttribute(`${owner}/namespace`) ?? holder);
	const directory = `${region}/${name}`;
	const bus = dirname(region);
	const domain = readAttribute(`${region}/persistence_domain`);
	const numaNode = readNumber(`${region}/numa_node`);
	const provider = readAttribute(`${bus}/provider`);
	return {
		namespace: {
			name,
			mode: modeOf(holder, readAttribute(`${directory}/mode`), dax),
			size: readNumber(`${directory}/size`),
			align: readNumber(`${owner}/align`),
			start: readNumber(`${owner}/resource`),
		},
		region: {
			name: basename(region),
			provider,
			persistenceDomain: domain === '' ? undefined : domain,
			// No attribute says so; its driver always makes such regions (drivers/nvdimm/virtio_pmem.c, ND_REGION_ASYNC).
			asynchronous: provider === 'virtio-pmem' ? true : undefined,
			readOnly: readSwitch(`${region}/read_only`),
			numaNode: numaNode === -1 ? undefined : numaNode,
			align: readNumber(`${region}/align`),
			size: readNumber(`${region}/size`),
		},
	};
}
