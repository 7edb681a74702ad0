// The door of lib/kind.
export { Kind } from './kind.ts';
export type { KindStats } from './kind-stats.ts';
export { OutOfMemoryError, type OutOfMemoryReason } from './out-of-memory.ts';
export { minPmemSize, PmemKind, type PmemKindOptions } from './pmem-kind.ts';
