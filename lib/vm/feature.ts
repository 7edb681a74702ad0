// What a run may want of the host's programs and of the guest's kernel, beyond what every run does.
import type { FileSystem } from './filesystem.ts';

/** A file system on pmem, another kind of device, firmware, a terminal, or the processor of another architecture than the host's. */
export type Feature =
	| FileSystem
	| 'nvdimm'
	| 'devdax'
	| 'hmem'
	| 'cxl'
	| 'virtio-pmem'
	| 'virtiofs'
	| 'uefi'
	| 'terminal'
	| 'arm64';
