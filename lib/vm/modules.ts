// Which kernel modules a guest loads, and in what order.
import type { Feature } from './feature.ts';

/** Modules by the moment at which /init loads them. */
export const moduleSets = {
	ports: ['virtio_pci', 'virtio_console'],
	root: ['9p', '9pnet_virtio', 'overlay'],
	pmem: ['nd_e820', 'nd_pmem'],
	ext4: ['ext4'],
	xfs: ['xfs'],
	erofs: ['erofs'],
	nvdimm: ['nfit'],
	'virtio-pmem': ['virtio_pmem'],
	virtiofs: ['virtiofs'],
	// Device DAX and system RAM from pmem. Not every kernel has them, and not every command wants them.
	extra: ['device_dax', 'dax_pmem', 'kmem'],
} as const;
export type ModuleSet = keyof typeof moduleSets;

/** /init loads these in any case. */
const everyRun: readonly ModuleSet[] = ['ports', 'root', 'pmem', 'extra'];

/** The sets that a guest with these features loads, in the order of loading. ext2 is served by the ext4 driver. */
export function neededSets(features: readonly Feature[]): ModuleSet[] {
	const wanted = new Set<string>(features.map((feature) => (feature === 'ext2' ? 'ext4' : feature)));
	return (Object.keys(moduleSets) as ModuleSet[]).filter((set) => everyRun.includes(set) || wanted.has(set));
}

/** Those that not every guest loads. */
export const ownSets = (features: readonly Feature[]): ModuleSet[] =>
	neededSets(features).filter((set) => !everyRun.includes(set));
