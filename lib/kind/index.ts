// The door of lib/kind.
export { Kind, type KindStats } from './kind.ts';
export { OutOfMemoryError, type OutOfMemoryReason } from './out-of-memory.ts';
export { minPmemSize, PmemKind, type PmemKindOptions } from './pmem-kind.ts';
