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
	Kind,
	type KindStats,
	minPmemSize,
	OutOfMemoryError,
	type OutOfMemoryReason,
	PmemKind,
	type PmemKindOptions,
} from './kind/index.ts';
export { type Granularity, type MapFileOptions, mapFile, PmemMapping } from './mapping/index.ts';
export type { FileStatus, Fsxattr } from './native.ts';
