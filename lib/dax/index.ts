// The door of lib/dax: what the kernel says of a file's DAX state and its persistent flag, and why DAX is on or off. It
// is also the package's entry `daxkind/dax`.

export type { DaxDevice } from '../device/index.ts';
export type { MountInfo } from '../mountinfo.ts';
export type { DaxConstants } from '../native/constants.ts';
export type { Fsxattr, StatxResult } from '../native/syscalls.ts';
export type { BlockDevice, BlockDeviceLayer } from './block-device.ts';
export { daxConstants } from './constants.ts';
export { type DaxExplanation, explain, explainReport } from './explain.ts';
export { type DaxMount, type FindDaxMountsOptions, findDaxMounts } from './find-dax-mounts.ts';
export {
	type DaxFlag,
	type DaxFlagProgress,
	type DaxFlagTree,
	getDaxFlag,
	type SetDaxFlagAsyncOptions,
	type SetDaxFlagOptions,
	setDaxFlag,
	setDaxFlagAsync,
} from './flags.ts';
export { getFsxattr } from './fsxattr.ts';
export type { DaxHugePages } from './huge-pages.ts';
export { inspect } from './inspect.ts';
export { isDax } from './is-dax.ts';
export type { DaxCheck, DaxEvidence, DaxLink, DaxVerdict } from './links/check.ts';
export type { DaxMode } from './modes.ts';
export type { PmemNamespace, PmemRegion } from './nvdimm.ts';
export type {
	DaxDirectoryReport,
	DaxExclusion,
	DaxFileReport,
	DaxFileSystemReport,
	DaxFileType,
	DaxKernelReport,
	DaxKnownBy,
	DaxMapSyncReport,
	DaxMountReport,
	DaxNewFileReport,
	DaxReport,
} from './report.ts';
export { statx } from './statx.ts';
export { whenEffectiveAsync } from './when-effective.ts';
