// The door of lib/dax: what the kernel says of a file's DAX state and its persistent flag, and why DAX is on or off. Also the package's
// entry `daxkind/dax`.

export type { DaxDevice } from '../device/index.ts';
export { type Mount, parseMountinfo } from '../mountinfo.ts';
export type { BlockDevice, DeviceLayer } from './block-device.ts';
export { type Explanation, explain, explainReport } from './explain.ts';
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
export type { HugePages } from './huge-pages.ts';
export { inspect } from './inspect.ts';
export { isDax } from './is-dax.ts';
export type { Check, Evidence, Link, Verdict } from './links/check.ts';
export { type DaxMode, type DaxOption, type DaxRules, daxOption, effectiveMode, type Medium } from './modes.ts';
export type { Namespace, Region } from './nvdimm.ts';
export type {
	DaxReport,
	DirectoryReport,
	Exclusion,
	FileReport,
	FileSystemReport,
	FileType,
	KernelReport,
	KnownBy,
	MapSyncReport,
	MountReport,
	NewFileReport,
} from './report.ts';
export { statx } from './statx.ts';
export { whenEffectiveAsync } from './when-effective.ts';
