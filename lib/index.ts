// The public API of daxkind, nothing else.
export {
	type DaxVerdict,
	findDaxMounts,
	getFsxattr,
	isDax,
	type Mount,
	setDaxFlag,
	statx,
	whyNotDax,
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
