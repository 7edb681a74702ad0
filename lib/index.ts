// The public API of daxkind, nothing else.
export {
	type Check,
	type DaxMount,
	type DaxReport,
	type Evidence,
	type Explanation,
	explain,
	type FindDaxMountsOptions,
	findDaxMounts,
	getFsxattr,
	inspect,
	isDax,
	type Link,
	type Mount,
	setDaxFlag,
	statx,
	type Verdict,
} from './dax/index.ts';
export type { SystemError } from './errors.ts';
export {
	type BlockReference,
	FixedKind,
	type FixedKindOptions,
	type JobOptions,
	Kind,
	type KindStats,
	type LeakReport,
	minPmemSize,
	OutOfMemoryError,
	type OutOfMemoryReason,
	PmemKind,
	type PmemKindOptions,
	type Pressure,
	type PressureOptions,
	type Progress,
	type ProgressOptions,
	type SharedKind,
	type SizeClass,
	type SizeClasses,
} from './kind/index.ts';
export { type Granularity, type MapFileOptions, mapFile, PmemMapping } from './mapping/index.ts';
export type { FileStatus, Fsxattr } from './native.ts';
