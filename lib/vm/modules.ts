// Which kernel modules a guest loads, and in what order.
import type { Feature } from './feature.ts';

/** Modules, by the step of /init that loads them. */
export const moduleSets = {
	ports: ['virtio_pci', 'virtio_console'],
	root: ['9p', '9pnet_virtio', 'overlay'],
	pmem: ['nd_e820', 'nd_pmem'],
	arm64: ['of_pmem', 'nd_pmem'],
	ext4: ['ext4'],
	xfs: ['xfs'],
	erofs: ['erofs'],
	nvdimm: ['nfit'],
	'virtio-pmem': ['virtio_pmem'],
	virtiofs: ['virtiofs'],
	hmem: ['device_dax', 'dax_hmem'],
	cxl: ['cxl_acpi', 'cxl_pci', 'cxl_port', 'cxl_mem', 'cxl_pmem', 'dax_pmem'],
	// Device DAX and system RAM from pmem. Some kernels do not have these modules, and many commands do not need them.
	// kmem comes last, because it takes every device that has no driver by then.
	extra: ['device_dax', 'dax_pmem', 'kmem'],
} as const;
export type ModuleSet = keyof typeof moduleSets;

/** /init always loads these. */
const everyRun: readonly ModuleSet[] = ['ports', 'root', 'pmem', 'extra'];

/** Features that the modules of another set serve: the ext4 driver mounts ext2. */
const servedBy: Partial<Record<Feature, ModuleSet>> = { ext2: 'ext4', devdax: 'nvdimm' };

/** The sets that a guest with these features loads, in the order of loading. */
export function neededSets(features: readonly Feature[]): ModuleSet[] {
	const wanted = new Set<string>(features.map((feature) => servedBy[feature] ?? feature));
	const isNeeded = (set: ModuleSet) => everyRun.includes(set) || wanted.has(set);
	// The pmem of an arm64 guest comes from the device tree. Its kernel has no driver for an e820 table.
	const isForeign = (set: ModuleSet) => set === 'pmem' && wanted.has('arm64');
	return (Object.keys(moduleSets) as ModuleSet[]).filter((set) => isNeeded(set) && !isForeign(set));
}

/** The sets that only some guests load. */
export const ownSets = (features: readonly Feature[]): ModuleSet[] =>
	neededSets(features).filter((set) => !everyRun.includes(set));
