// What others may use of lib/kind. It imports every class of kinds, so whoever imports it can attach to all of them.

export type { ArrayOf, KindArray, KindArrayOptions, TypedArrayClass } from './arrays.ts';
export type { Block, RawHandle } from './brands.ts';
export { DeviceKind, type DeviceKindOptions } from './device-kind.ts';
export { FixedKind, type FixedKindOptions } from './fixed-kind.ts';
export type { KindProgress, KindProgressOptions } from './jobs.ts';
export { insideOf, Kind, type KindInside, type SharedKind } from './kind.ts';
export type { KindStats, LeakReport, SizeClass, SizeClasses } from './kind-stats.ts';
export { kinds } from './living.ts';
export type { KindMediaError, KindMediaErrorOptions } from './losses.ts';
export { NodeKind, type NodeKindOptions, type NumaNodeUse } from './node-kind.ts';
export type { KindNoticeOptions } from './notices.ts';
export { minPmemSize } from './options.ts';
export { OutOfMemoryError, type OutOfMemoryReason } from './out-of-memory.ts';
export { PmemKind, type PmemKindOptions } from './pmem-kind.ts';
export type { KindPressure, KindPressureOptions } from './pressure.ts';
export type { BlockReference } from './references.ts';
