// The door of lib/persist: structures that survive, on mappings of persistent memory. It is also the package's entry
// `daxkind/persist`.

export type { PmemGranularity, PmemGranularityReason } from '../mapping/index.ts';
export type { PmemLogRecord, PmemLogRecovery } from './journal.ts';
export { PmemLog, type PmemLogOptions } from './log.ts';
