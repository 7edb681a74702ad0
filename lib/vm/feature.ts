// What a run can need from the host's programs and the guest's kernel, beyond what every run needs.
import type { FileSystem } from './filesystem.ts';

/** A file system on pmem, another sort of device, firmware, a terminal, or a processor of another architecture. */
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
